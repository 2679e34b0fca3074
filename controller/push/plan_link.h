#pragma once
// The controller's seam to its speakers: streams that carry plans down and reports up. gRPC in
// production, memory in simulation.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "api/plan/v1/plan.pb.h"

namespace openelb::push {

using StreamId = uint64_t;  // never reused within a process

// Where a stream comes from.
struct Origin {
  // That its credentials are bound to; empty: the link checks none, so the speaker's word has to
  // do.
  std::string node;
  std::string host = {};  // an address; empty: the link has none
};

class PlanLink {
 public:
  // Called on the owner thread, in the order things happened on each stream, never from within Send
  // or Close.
  class Handler {
   public:
    virtual ~Handler() = default;
    // A speaker's stream is open and takes a plan. Its Hello follows as the first report.
    virtual void OnAttached(StreamId stream, const Origin& origin) = 0;
    virtual void OnReport(StreamId stream, const plan::v1::Report& report) = 0;
    // The stream takes another plan: the last one was handed to the transport.
    virtual void OnWritable(StreamId stream) = 0;
    // Gone, whoever ended it. No call about `stream` follows.
    virtual void OnDetached(StreamId stream, const absl::Status& why) = 0;
  };

  virtual ~PlanLink() = default;
  // One message is in flight per stream: call again only after OnWritable. Unknown streams are
  // ignored.
  virtual void Send(StreamId stream, std::shared_ptr<const plan::v1::Plan> plan) = 0;
  // Ends the stream; the speaker sees `why`. OnDetached follows.
  virtual void Close(StreamId stream, const absl::Status& why) = 0;
};

}  // namespace openelb::push
