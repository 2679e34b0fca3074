#pragma once
// The speaker's seam to its controller: one stream at a time, plans in, reports out. gRPC in
// production, memory in simulation.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "api/plan/v1/plan.pb.h"

namespace openelb::link {

class PlanLink {
 public:
  // Called on the owner thread, never from within a call to the link.
  class Handler {
   public:
    virtual ~Handler() = default;
    // The stream to `endpoint` is open; the first report to send is a Hello.
    virtual void OnUp(const std::string& endpoint) = 0;
    virtual void OnPlan(const plan::v1::Plan& plan) = 0;
    // The stream ended or could not be opened. The caller decides when to dial again.
    virtual void OnDown(const absl::Status& why) = 0;
  };

  virtual ~PlanLink() = default;
  // Opens a stream to `endpoint` (HOST:PORT). One of OnUp and OnDown follows. At most one stream is
  // open or opening.
  virtual void Dial(const std::string& endpoint) = 0;
  // Reports are sent in order; those given while down are dropped (the next Hello starts afresh).
  virtual void Send(const plan::v1::Report& report) = 0;
  // Ends the stream, if any. No OnDown follows.
  virtual void Hangup() = 0;
};

}  // namespace openelb::link
