#pragma once
// core/v1 Events: the same sentence about the same object is one Event whose count grows, and an
// object that is talked about too much falls silent for a while, as with client-go's recorder.
// Events are told late or not at all rather than hold anything else.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "api/codec/value.h"
#include "controller/kube/object_writer.h"
#include "controller/kube/work_queue.h"
#include "controller/status_sink.h"

namespace openelb::kube {

// Lets 25 events of an object pass at once and then one every five minutes.
class SpamFilter {
 public:
  bool Allow(const ObjectKey& about, absl::Duration now);

 private:
  static constexpr double kBurst = 25;
  static constexpr absl::Duration kRefill = absl::Minutes(5);
  static constexpr size_t kMaxObjects = 4096;
  struct Bucket {
    double tokens = kBurst;
    absl::Duration at;
    double Level(absl::Duration now) const;
  };
  std::map<ObjectKey, Bucket> buckets_;
};

struct EventCounters {
  uint64_t recorded = 0;
  uint64_t sent = 0;  // calls that the server took
  uint64_t spam = 0;  // dropped by the filter
  uint64_t full = 0;  // dropped because too many wait
  uint64_t refused = 0;
  uint64_t failed = 0;  // no answer or 5xx; tried again
};

class EventRecorder {
 public:
  // What involvedObject says besides the name; empty: not known.
  struct Involved {
    std::string uid;
    std::string version;
  };

  // `instance` names this process in reportingInstance. The seams outlive it.
  EventRecorder(WriterSeams seams, std::string instance, int in_flight);
  EventRecorder(const EventRecorder&) = delete;
  EventRecorder& operator=(const EventRecorder&) = delete;

  // While false (as at first) events wait.
  void SetActive(bool active) { active_ = active; }
  void Record(const ClusterEvent& event, const Involved& involved);

  void Turn();
  absl::Duration NextWakeup() const;

  const EventCounters& counters() const { return counters_; }
  size_t waiting() const { return queue_.waiting(); }

 private:
  using Answer = absl::StatusOr<codec::Value>;
  using Id = uint64_t;
  using Sentence = std::tuple<ObjectKey, std::string, bool, std::string, std::string>;
  struct Series {
    ClusterEvent event;
    Involved involved;
    std::string name;     // of the Event object; empty: not made yet
    bool exists = false;  // the server has it
    absl::Time first;
    absl::Time last;
    int count = 0;
    int told = 0;  // the count that the server has
    int attempts = 0;
    uint64_t used = 0;
  };
  void Send(Id id, Series* series);
  void OnAnswer(Id id, int count, const absl::Status& status);
  void Drop(Id id);
  void DropOldest();
  std::string NewName(const Series& series);
  codec::Value Body(const Series& series) const;

  const WriterSeams seams_;
  const std::string instance_;
  const int limit_;
  bool active_ = false;
  SpamFilter filter_;
  std::map<Sentence, Id> ids_;
  std::map<Id, Series> series_;
  std::set<std::pair<uint64_t, Id>> by_use_;
  WorkQueue<Id> queue_;
  uint64_t next_id_ = 1;
  uint64_t uses_ = 0;
  int under_way_ = 0;
  int returns_ = 0;
  EventCounters counters_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace openelb::kube
