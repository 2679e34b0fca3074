#include "controller/kube/leader_election.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::kube {

using Role = Leadership::Role;

LeaderElection::LeaderElection(LeaseOptions options, Seams seams)
    : options_(options),
      seams_(std::move(seams)),
      machine_(std::move(options), seams_.random),
      self_(std::make_shared<LeaderElection*>(this)) {}

LeaderElection::~LeaderElection() { *self_ = nullptr; }

void LeaderElection::Turn() {
  // A renewal waits for nothing: not for other calls, nor for a throttled server's Retry-After.
  while (auto call = machine_.Next(seams_.clock->Monotonic(), seams_.clock->Wall())) {
    const std::string method = call->method;
    seams_.client->Call(
        *std::move(call),
        [self = self_, method](absl::StatusOr<codec::Value> answer) {
          if (*self != nullptr) (*self)->OnAnswer(method, std::move(answer));
        },
        /*urgent=*/true);
  }
  Tell();
}

void LeaderElection::OnAnswer(absl::string_view method, absl::StatusOr<codec::Value> answer) {
  const absl::Status status = answer.status();
  machine_.OnAnswer(std::move(answer), seams_.clock->Monotonic());
  if (status.ok()) {
    if (method != "GET") ++counters_.renewals;
    seams_.log->Recovered("lease", "the Lease can be used again", {{"lease", options_.name}});
  } else if (!absl::IsAborted(status) && !absl::IsNotFound(status)) {
    ++counters_.failures;
    seams_.log->Damped("lease", "the Lease cannot be used",
                       absl::StrCat(method, ": ", status.ToString()), {{"lease", options_.name}});
  }
  const std::string& damage = machine_.record().damage;
  if (!damage.empty()) {
    seams_.log->Damped("lease content", "the Lease was damaged", damage,
                       {{"lease", options_.name}});
  }
  Turn();
}

void LeaderElection::Tell() {
  const Leadership& now = machine_.leadership();
  if (std::exchange(searches_told_, machine_.searches()) != machine_.searches()) {
    seams_.on_search();
  }
  if (now == told_) return;
  const Leadership before = std::exchange(told_, now);
  if (now.role == Role::kLeading && before.role != Role::kLeading) {
    seams_.log->Info("this controller leads", {{"identity", now.leader}, {"epoch", now.epoch}});
  } else if (now.role == Role::kLapsed && before.role != Role::kLapsed) {
    ++counters_.lapses;
    seams_.log->Error(
        "leadership could not be renewed; nothing is written until it is, speakers are served",
        {{"lease", options_.name}, {"epoch", now.epoch}});
  } else if (now.role == Role::kDeposed) {
    seams_.log->Error("another controller has taken over", {{"leader", now.leader}});
  } else if (now.role == Role::kStandby && now.leader != before.leader && !now.leader.empty()) {
    seams_.log->Info("this controller stands by",
                     {{"leader", now.leader}, {"endpoint", now.endpoint}});
  } else if (now.epoch > before.epoch) {
    seams_.log->Info("the epoch is raised", {{"epoch", now.epoch}, {"from", before.epoch}});
  }
  seams_.on_change(now);
}

}  // namespace openelb::kube
