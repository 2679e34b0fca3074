#pragma once
// Brings objects of the API server to what they should show, one patch after the other for each and
// several objects at once.
//
// Life of a write: Seen or Changed queues the object; Turn takes it, asks its target for the next
// patch and sends it; the answer is the object as it is now, so the target is asked again, until it
// has nothing more to do. A conflict waits for the newer state from the source; a refusal or a
// failure for its back-off, which holds no other object.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/codec/value.h"
#include "api/object.h"
#include "controller/kube/client.h"
#include "controller/kube/service_target.h"
#include "controller/kube/status_target.h"
#include "controller/kube/target.h"
#include "controller/kube/work_queue.h"
#include "controller/kube/write_gate.h"

namespace openelb::kube {

inline constexpr const char* kFieldManager = "openelb-controller";

struct WriteCounters {
  uint64_t written = 0;    // patches that the server took
  uint64_t conflicts = 0;  // tried again on the newer state
  uint64_t refused = 0;    // 403, 404, 422 and the like; tried again ever more rarely
  uint64_t failed = 0;     // no answer or 5xx; tried again
};

struct WriterSeams {
  Client* client;
  const Clock* clock;
  Logger* log;
  WriteGate* gate;
};

// Target: ServiceTarget or StatusTarget.
template <typename Target>
class ObjectWriter {
 public:
  // Nothing is left to be done about the object for now; `refused`: because the server does not
  // take it. May call back into the writer.
  using Settled = std::function<void(const ObjectKey& key, Target& target, bool refused)>;

  // The seams outlive it; answers that come after its end are ignored.
  ObjectWriter(WriterSeams seams, int in_flight, Settled settled);
  ~ObjectWriter();
  ObjectWriter(const ObjectWriter&) = delete;
  ObjectWriter& operator=(const ObjectWriter&) = delete;

  // While false (as at first) nothing is sent. From true on, whatever differs is.
  void SetActive(bool active);

  Target* Find(const ObjectKey& key);
  // Adds it unless it is there.
  Target& Get(const ObjectKey& key, const Target& initial);

  // The object as the source sees it; it has been added.
  void Seen(const ObjectKey& key, const codec::Value& object);
  void Gone(const ObjectKey& key);
  // What the target should show has changed.
  void Changed(const ObjectKey& key);

  void Turn();
  absl::Duration NextWakeup() const;

  // Since when (monotonic) the source has not shown a write of ours, though 5 s have passed;
  // nullopt: it shows them all, or that was told less than 5 s ago.
  std::optional<absl::Duration> TakeUnshown() { return std::exchange(unshown_, std::nullopt); }

  const WriteCounters& counters() const { return counters_; }
  size_t size() const { return entries_.size(); }

 private:
  using Answer = absl::StatusOr<codec::Value>;
  struct Entry {
    Target target;
    // Version that our last write made. What the source shows of earlier ones is older than what
    // the target knows already.
    std::string awaited;
    // Set when the source showed an older one. By then it should have shown the awaited one; if
    // not, the store may have been restored from a copy, and only asking tells.
    std::optional<absl::Duration> ask_at;
    std::optional<absl::Duration> unshown_since;  // set while `awaited` is
    bool stale = false;                           // a conflict: there is a newer state than we know
    int patches = 0;                              // sent since it was taken from the queue
    int refusals = 0;                             // in a row
    std::string last_written;                     // the last patch that was taken, as JSON
    std::string not_taken;  // a patch that was answered with success and changed nothing

    // The source or an answer to us knows the newest state.
    void UpToDate() {
      awaited.clear();
      unshown_since.reset();
      ask_at.reset();
      stale = false;
    }
  };
  Entry* FindEntry(const ObjectKey& key);
  // Neither shown nor wanted: erased.
  bool DropEmpty(const ObjectKey& key, Entry* entry);
  void Begin(const ObjectKey& key);
  void Advance(const ObjectKey& key, Entry* entry, bool repeated);
  void SendPatch(const ObjectKey& key, Entry* entry, Patch patch);
  void SendGet(const ObjectKey& key);
  void Send(ApiCall call, std::function<void(const Answer&)> done);
  void OnPatched(const ObjectKey& key, const std::string& text, const std::string& version,
                 const Answer& answer);
  void OnRead(const ObjectKey& key, const Answer& answer);
  void OnError(const ObjectKey& key, Entry* entry, const absl::Status& error);
  bool CanSend() const;
  void Await(const ObjectKey& key, const std::string& version, Entry* entry);
  void NoteUnshown(absl::Duration now);

  const WriterSeams seams_;
  const int limit_;
  const Settled settled_;
  std::map<ObjectKey, Entry> entries_;
  std::deque<std::pair<absl::Duration, ObjectKey>> awaited_;  // when to look whether it is shown
  std::optional<absl::Duration> unshown_;
  WorkQueue<ObjectKey> queue_;
  bool active_ = false;
  int under_way_ = 0;
  int returns_ = 0;
  WriteCounters counters_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

extern template class ObjectWriter<ServiceTarget>;
extern template class ObjectWriter<StatusTarget>;

}  // namespace openelb::kube
