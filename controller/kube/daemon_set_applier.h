#pragma once
// Brings the speakers' DaemonSet to what is wanted of it by server-side apply, never by force: a
// field that somebody else has set otherwise is left to them, and the rest is applied without it.
//
// Applied again when what is wanted changes, or the DaemonSet's specification or labels do: then
// all of it is tried anew, so that what others give back is taken up.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/codec/value.h"
#include "controller/install/installation.h"
#include "controller/kube/client.h"

namespace openelb::kube {

class DaemonSetApplier {
 public:
  struct Seams {
    Client* client;
    const Clock* clock;
    Logger* log;
    // The outcome has changed. Called within an answer of the client.
    std::function<void()> on_change;
  };
  // All outlive it, answers that come after its end are ignored.
  DaemonSetApplier(std::string namespace_name, Seams seams);
  ~DaemonSetApplier();
  DaemonSetApplier(const DaemonSetApplier&) = delete;
  DaemonSetApplier& operator=(const DaemonSetApplier&) = delete;

  // Whether `body` is still to be applied to the DaemonSet as it is `observed` (null: there is
  // none).
  bool Needs(const codec::Value& body, const codec::Value& observed) const;
  // `account`: the ServiceAccount, made first where there is no DaemonSet yet.
  void Apply(codec::Value body, const codec::Value& account, const codec::Value& observed);
  // Whatever was applied no longer says anything.
  void Reset();

  const install::ApplyOutcome& outcome() const { return outcome_; }
  uint64_t calls() const { return calls_; }
  // When Apply has something to do again that failed; InfiniteDuration: never.
  absl::Duration NextDue() const { return under_way_ ? absl::InfiniteDuration() : retry_at_; }

 private:
  using Answer = absl::StatusOr<codec::Value>;
  std::string Fingerprint(const codec::Value& body, const codec::Value& observed) const;
  void MakeAccount(codec::Value account);
  void Send();
  void OnApplied(const Answer& answer);
  void Refuse(const absl::Status& error);
  void Call(ApiCall call, std::function<void(const Answer&)> done);

  const std::string namespace_name_;
  const Seams seams_;
  install::ApplyOutcome outcome_;
  std::string done_;     // fingerprint of what needs no more
  codec::Value wanted_;  // that is under way
  codec::Value sent_;    // without what others keep
  std::string before_;   // fingerprint when it was sent
  std::vector<install::FieldConflict> conflicts_;
  bool under_way_ = false;
  absl::Duration retry_at_ = absl::InfiniteDuration();
  absl::Duration pause_ = absl::ZeroDuration();
  uint64_t calls_ = 0;
  std::shared_ptr<int> term_ = std::make_shared<int>(0);  // calls of earlier ones are forgotten
};

}  // namespace openelb::kube
