#pragma once
// The controller's side of the plan stream for tests of a speaker: in virtual time, with snapshots
// and deltas as a real one sends them, and everything the speaker reports written down.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/base/scheduler.h"
#include "api/plan/resource.h"
#include "api/plan/v1/plan.pb.h"
#include "speaker/link/plan_link.h"

namespace openelb {

class FakeController {
 public:
  explicit FakeController(Scheduler* scheduler) : scheduler_(scheduler) {}

  // The speaker's end of the stream.
  std::unique_ptr<link::PlanLink> Connect(link::PlanLink::Handler* handler);

  // Away: the stream breaks and dials fail.
  void SetAway(bool away);
  // The next plan; reaches an attached speaker as a delta, one that attaches as a snapshot.
  void Put(const std::string& key, const plan::v1::ResourceBody& body) {
    PutBytes(key, body.SerializeAsString());
  }
  void PutBytes(const std::string& key, const std::string& body);
  void Remove(const std::string& key);
  // Sends a message as it is.
  void Send(const plan::v1::Plan& plan);

  bool attached() const { return attached_; }
  const plan::v1::Generation& generation() const { return generation_; }

  // What the speaker reported last, of each kind.
  std::optional<plan::v1::Hello> hello;
  std::optional<plan::v1::Ack> ack;
  std::optional<plan::v1::Facts> facts;
  std::optional<plan::v1::Observed> observed;
  std::optional<plan::v1::Goodbye> goodbye;
  std::optional<plan::v1::Announced> announced;  // all pieces of all answers
  int snapshots = 0;                             // sent

 private:
  class Link;

  uint64_t Hash() const;
  void SendSnapshot();
  void SendDelta(plan::v1::Delta delta);
  void Heartbeat(uint64_t stream);
  void OnDial(const std::string& endpoint);
  void OnReport(const plan::v1::Report& report);
  // Runs `event` a moment later unless the stream has ended by then.
  void Later(std::function<void()> event);

  Scheduler* scheduler_;
  link::PlanLink::Handler* handler_ = nullptr;  // null: no speaker
  bool away_ = false;
  bool attached_ = false;
  uint64_t stream_ = 0;  // grows with each stream and its end
  std::map<std::string, std::string> resources_;
  plan::v1::Generation generation_;
};

}  // namespace openelb
