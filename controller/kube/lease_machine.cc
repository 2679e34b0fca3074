#include "controller/kube/lease_machine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::kube {
namespace {

using codec::Value;
using Role = Leadership::Role;

// The first search may come just before the other one serves.
constexpr absl::Duration kFirstSearchInterval = absl::Seconds(5);
constexpr absl::Duration kLastSearchInterval = absl::Hours(1);

}  // namespace

LeaseMachine::LeaseMachine(LeaseOptions options, Random* random)
    : options_(std::move(options)),
      random_(random),
      witness_(absl::StrCat("/apis/coordination.k8s.io/v1/namespaces/", options_.namespace_name,
                            "/leases/", options_.name),
               options_.identity) {}

void LeaseMachine::NoteTime(absl::Duration now) {
  if (leadership_.role == Role::kLeading && now >= renewed_at_ + options_.renew_deadline) {
    leadership_.role = Role::kLapsed;
    next_search_ = renewed_at_ + options_.lease_duration + options_.retry_period;
    search_interval_ = kFirstSearchInterval;
  }
  if (leadership_.role == Role::kLapsed && now >= next_search_) {
    ++searches_;
    next_search_ = now + search_interval_;
    search_interval_ = std::min(2 * search_interval_, kLastSearchInterval);
  }
}

std::optional<ApiCall> LeaseMachine::Next(absl::Duration now, absl::Time wall) {
  NoteTime(now);
  if (call_ || leadership_.role == Role::kDeposed || (releasing_ && !mine())) return std::nullopt;
  if (now < next_ && !(current_ && (RaiseDue() || releasing_))) return std::nullopt;
  const bool write = current_ && (mine() || MayTake(now));
  call_ = write ? Call::kWrite : Call::kRead;
  call_since_ = now;
  return write ? Write(wall) : Read();
}

absl::Duration LeaseMachine::NextWakeup() const {
  absl::Duration next = absl::InfiniteDuration();
  if (leadership_.role == Role::kLeading) next = renewed_at_ + options_.renew_deadline;
  if (leadership_.role == Role::kLapsed) next = next_search_;
  if (call_ || leadership_.role == Role::kDeposed || (releasing_ && !mine())) return next;
  if (current_ && (RaiseDue() || releasing_)) return -absl::InfiniteDuration();
  return std::min(next, next_);
}

bool LeaseMachine::OfThisPod(const std::string& holder) const {
  const size_t end = holder.rfind('_');
  return !options_.pod.empty() && end != std::string::npos &&
         holder.compare(0, end, options_.pod) == 0;
}

bool LeaseMachine::MayTake(absl::Duration now) const {
  return record_.holder.empty() || record_.holder == options_.identity ||
         OfThisPod(record_.holder) || now >= stands_since_ + record_.duration;
}

ApiCall LeaseMachine::Read() const {
  return {.path = witness_.path(), .timeout = options_.renew_deadline / 2};
}

ApiCall LeaseMachine::Write(absl::Time wall) {
  if (!mine()) {
    const absl::Time old = record_.renewed + options_.lease_duration + options_.renew_deadline;
    leadership_.old_lease = recovering_ = lease_ && (wall > old || record_.recovering);
  }
  written_ = {.holder = releasing_ ? "" : options_.identity,
              .duration = releasing_ ? absl::Seconds(1) : options_.lease_duration,
              .acquired = mine() && !retake_ ? acquired_ : wall,
              .renewed = wall,
              .transitions = mine()   ? transitions_
                             : lease_ ? record_.transitions + 1
                                      : 0,
              .epoch = epoch_,
              .endpoint = releasing_ ? "" : options_.endpoint,
              .recovering = recovering_};
  if (!releasing_ && (!mine() || RaiseDue())) written_.epoch = std::max(floor_, epoch_) + 1;
  Value body = lease_.value_or(Value());
  WriteLease(written_, &body);
  ApiCall call = Read();
  call.content_type = kJson;
  if (lease_) {
    call.method = "PUT";
  } else {
    call.method = "POST";
    call.path.resize(call.path.size() - options_.name.size() - 1);
    body["metadata"]["name"] = options_.name;
    body["metadata"]["namespace"] = options_.namespace_name;
  }
  call.body = std::move(body);
  return call;
}

void LeaseMachine::OnAnswer(absl::StatusOr<Value> answer, absl::Duration now) {
  const Call call = *std::exchange(call_, std::nullopt);
  if (call == Call::kRead) {
    OnRead(std::move(answer), now);
  } else {
    OnWritten(std::move(answer), now);
  }
  NoteTime(now);
}

void LeaseMachine::OnRead(absl::StatusOr<Value> answer, absl::Duration now) {
  if (!answer.ok() && !absl::IsNotFound(answer.status())) {
    next_ = now + backoff_.Next(random_);
    return;
  }
  std::optional<Value> lease;
  if (answer.ok()) lease = *std::move(answer);
  if (witness_.OnRead(lease)) retake_ = true;
  Observe(std::move(lease), now);
  last_read_ = call_since_;
  if (!mine()) {
    floor_ = std::max({floor_, record_.epoch, static_cast<uint64_t>(record_.transitions)});
  }
  // A leader whose Lease was deleted, or emptied by hand, has not been replaced as far as it can
  // tell: if it has, its epoch is refused.
  const bool anothers = lease_.has_value() && record_.holder != options_.identity &&
                        (!record_.holder.empty() || record_.epoch > epoch_);
  if (mine() && anothers) return Depose();
  current_ = mine() || MayTake(now);
  if (current_) {
    next_ = conflicts_ > 1 ? now + backoff_.Next(random_) : now;
    return;
  }
  backoff_.Reset();
  conflicts_ = 0;
  // Half a period, so that a Lease that was given up is soon seen.
  next_ = std::min(now + options_.retry_period / 2, stands_since_ + record_.duration);
}

void LeaseMachine::OnWritten(absl::StatusOr<Value> answer, absl::Duration now) {
  if (!answer.ok()) {
    // Somebody else was faster, or the Lease is gone: what stands there tells what to do. After
    // other errors it is not known whether the update was done.
    current_ = false;
    const bool changed = absl::IsAborted(answer.status()) ||
                         absl::IsAlreadyExists(answer.status()) ||
                         absl::IsNotFound(answer.status());
    conflicts_ = changed ? conflicts_ + 1 : 0;
    next_ = conflicts_ == 1 ? now : now + backoff_.Next(random_);
    return;
  }
  backoff_.Reset();
  conflicts_ = 0;
  retake_ = false;
  witness_.OnWritten(*answer);
  Observe(*std::move(answer), now);
  if (written_.holder.empty()) {
    leadership_.role = Role::kStandby;
    leadership_.epoch = 0;
    return;
  }
  current_ = true;
  renewed_at_ = call_since_;
  next_ = call_since_ + options_.retry_period;
  epoch_ = written_.epoch;
  acquired_ = written_.acquired;
  transitions_ = written_.transitions;
  leadership_.role = Role::kLeading;
  leadership_.epoch = epoch_;
}

void LeaseMachine::Observe(std::optional<Value> lease, absl::Duration now) {
  if (!lease) {
    // Deleted: its holder makes it again, and has the time for that which it had.
    lease_.reset();
    return;
  }
  const auto spec = [](const Value& of) {
    const Value* found = of.Find("spec");
    return found == nullptr ? Value() : *found;
  };
  if (!last_read_ || !lease_ || spec(*lease) != spec(*lease_)) {
    // It changed after the last read was sent; counting from there takes nothing from its holder
    // that its own deadline would grant.
    stands_since_ = last_read_ ? std::max(*last_read_, now - options_.retry_period / 2) : now;
  }
  lease_ = std::move(lease);
  record_ = ReadLease(*lease_);
  leadership_.leader = record_.holder;
  leadership_.endpoint = record_.endpoint;
}

void LeaseMachine::Depose() {
  leadership_.role = Role::kDeposed;
  leadership_.epoch = 0;
  next_ = absl::InfiniteDuration();
}

void LeaseMachine::RaiseAbove(uint64_t seen) {
  if (seen <= kMaxSeenEpoch) floor_ = std::max(floor_, seen);
}

void LeaseMachine::Release() { releasing_ = true; }

}  // namespace openelb::kube
