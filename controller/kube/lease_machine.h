#pragma once
// Leader election over a Lease, as client-go does it, with the epoch of the leadership in the same
// conditional updates. Pure: answers and time in, calls to make out.
//
// Life of a leadership: a standby reads the Lease until nobody holds it, or its record has stood
// still for as long as the record says (by our own clock, whatever times stand in it). An update
// conditional on what was read puts our identity in, with an epoch above all that are known; of two
// that try, one gets a conflict. The leader renews every `retry_period`. Without a renewal for
// `renew_deadline` its leadership has lapsed: what it decides may clash with another's. It goes on
// when an update shows that the Lease is its own still, and is deposed for good when another's
// name stands there. Where its own Lease is older than it left it, etcd was restored, and it takes
// the Lease anew (store_witness.h). An orderly stop empties the holder, so that the next need not
// wait.

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "api/base/random.h"
#include "api/codec/value.h"
#include "controller/kube/backoff.h"
#include "controller/kube/client.h"
#include "controller/kube/leadership.h"
#include "controller/kube/lease.h"
#include "controller/kube/store_witness.h"

namespace openelb::kube {

struct LeaseOptions {
  std::string namespace_name = "openelb-system";
  std::string name = "openelb-controller";
  std::string identity;  // new at each process start: POD_RANDOM
  // Of this process, while no other process can run in it; a Lease that an earlier one of the same
  // pod holds is taken at once. Empty: not in a pod.
  std::string pod;
  std::string endpoint;  // HOST:PORT where speakers reach this controller
  absl::Duration lease_duration = absl::Seconds(15);  // 1 s..1 min, whole seconds
  absl::Duration renew_deadline = absl::Seconds(10);  // less than the duration
  absl::Duration retry_period = absl::Seconds(2);     // less than the deadline
};

class LeaseMachine {
 public:
  // `random` outlives it.
  LeaseMachine(LeaseOptions options, Random* random);

  // The call to make now; nullopt: none before NextWakeup (InfiniteDuration: before other calls
  // below). Each is answered by OnAnswer before the next is given.
  std::optional<ApiCall> Next(absl::Duration now, absl::Time wall);
  void OnAnswer(absl::StatusOr<codec::Value> answer, absl::Duration now);
  absl::Duration NextWakeup() const;

  // A speaker has seen epoch `seen`: leadership().epoch grows above it by another update.
  void RaiseAbove(uint64_t seen);
  // What the speakers announce is known, and plans are served: the next leader may trust the store.
  void Recovered() { recovering_ = false; }
  // Gives the Lease up if it is ours, and competes no more.
  void Release();
  // Nothing is left to give up.
  bool released() const { return releasing_ && !mine() && !call_; }

  const Leadership& leadership() const { return leadership_; }
  // How often speakers should have looked for another leader: once the Lease has run out unrenewed,
  // and again after 5, 10, 20 s ... 1 h.
  int searches() const { return searches_; }
  const LeaseRecord& record() const { return record_; }  // as last read or written
  const StoreWitness& witness() const { return witness_; }

 private:
  enum class Call { kRead, kWrite };

  // We held the Lease when we last knew.
  bool mine() const {
    return leadership_.role == Leadership::Role::kLeading ||
           leadership_.role == Leadership::Role::kLapsed;
  }
  bool RaiseDue() const { return mine() && floor_ >= epoch_; }
  bool MayTake(absl::Duration now) const;
  bool OfThisPod(const std::string& holder) const;
  void NoteTime(absl::Duration now);
  ApiCall Read() const;
  ApiCall Write(absl::Time wall);
  void OnRead(absl::StatusOr<codec::Value> answer, absl::Duration now);
  void OnWritten(absl::StatusOr<codec::Value> answer, absl::Duration now);
  void Observe(std::optional<codec::Value> lease, absl::Duration now);
  void Depose();

  const LeaseOptions options_;
  Random* const random_;
  StoreWitness witness_;
  Backoff backoff_;
  Leadership leadership_;
  int searches_ = 0;
  absl::Duration next_search_ = absl::InfiniteDuration();
  absl::Duration search_interval_;

  std::optional<Call> call_;  // under way
  absl::Duration call_since_;
  absl::Duration next_ = -absl::InfiniteDuration();  // no call before
  bool releasing_ = false;

  // The Lease as last read or written. An update is worth trying only when `current_`: nobody has
  // changed it since, as far as we know.
  bool current_ = false;
  std::optional<codec::Value> lease_;  // nullopt: there is none
  LeaseRecord record_;
  absl::Duration stands_since_;  // record_ has not changed since, or a little longer
  std::optional<absl::Duration> last_read_;
  int conflicts_ = 0;  // in a row

  LeaseRecord written_;        // by the update under way
  absl::Duration renewed_at_;  // while mine(): when the last update that succeeded was sent
  uint64_t epoch_ = 0;         // while mine()
  absl::Time acquired_;        // likewise
  int64_t transitions_ = 0;    // likewise
  bool recovering_ = false;    // likewise
  bool retake_ = false;        // likewise: with another acquireTime
  uint64_t floor_ = 0;         // the largest epoch known of another leadership
};

}  // namespace openelb::kube
