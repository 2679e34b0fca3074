#pragma once
// The plan stream without a network: both of its seams in memory, in virtual time, with faults.
// Order within a direction of a stream is kept, as HTTP/2 keeps it; across streams and directions
// nothing is. One message per direction is in flight, so a slow reader blocks its writer.

#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "api/base/scheduler.h"
#include "controller/push/plan_link.h"
#include "speaker/link/plan_link.h"

namespace openelb::simulation {

class MemoryNet {
 public:
  // The net outlives the links it makes.
  explicit MemoryNet(Scheduler* scheduler);
  ~MemoryNet();

  // How long the next message from or to `node` takes; asked once for each. Default: 100 us.
  std::function<absl::Duration(const std::string& node)> delay;

  // What arrives of a message where its other end speaks an older version; null: all of it.
  std::function<plan::v1::Plan(const std::string& node, const plan::v1::Plan& plan)> down;
  std::function<plan::v1::Report(const std::string& node, const plan::v1::Report& report)> up;

  // A controller that listens at `endpoint`, until the link is destroyed (as a crash would: its
  // streams end on the speakers' side). The handler outlives the link.
  std::unique_ptr<push::PlanLink> Listen(const std::string& endpoint,
                                         push::PlanLink::Handler* handler);
  // The transport of the speaker on `node`. Destroyed: as a crash.
  std::unique_ptr<link::PlanLink> Connect(const std::string& node,
                                          link::PlanLink::Handler* handler);

  // Resets the stream of `node`, if any: both ends see it at once.
  void Cut(const std::string& node);
  // While blocked, nothing from or to `node` arrives, nor do its dials; what waits is delivered in
  // order afterwards, on streams that neither end has given up.
  void SetBlocked(const std::string& node, bool blocked);

 private:
  struct Core;
  class ControllerEnd;
  class SpeakerEnd;
  const std::shared_ptr<Core> core_;
};

}  // namespace openelb::simulation
