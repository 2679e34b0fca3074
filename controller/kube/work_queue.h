#pragma once
// Which objects have something to be written, and when: each once, however often it changed, and
// the failing ones ever more rarely. Pure: time comes in.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "absl/time/time.h"
#include "api/object.h"

namespace openelb::kube {

// Key: ObjectKey, or uint64_t for what has no name.
template <typename Key>
class WorkQueue {
 public:
  // Back-off doubles from `first` to `most`.
  explicit WorkQueue(absl::Duration first = absl::Milliseconds(50),
                     absl::Duration most = absl::Minutes(1))
      : first_(first), most_(most) {}

  // `key` has work, due at `when` or when its back-off ends; one that is due earlier already stays
  // so. While it is under way: it is looked at again afterwards.
  void Add(const Key& key, absl::Duration when);
  // What made `key` fail may be over: its back-off is forgotten.
  void Retry(const Key& key, absl::Duration now);
  // The same for every key.
  void RetryAll(absl::Duration now);

  // The key that has been due for longest; it is under way until one of the next four.
  std::optional<Key> Take(absl::Duration now);
  void Done(const Key& key, absl::Duration now);
  // Due again after its back-off, which grows.
  void Failed(const Key& key, absl::Duration now);
  // Done, but what comes next waits for the back-off, which grows: for work that is undone by
  // others again and again.
  void Rest(const Key& key, absl::Duration now);

  // Due again at once, behind all others: it failed for no reason of its own.
  void Return(const Key& key, absl::Duration now);

  void Forget(const Key& key);

  // InfiniteDuration: no key waits.
  absl::Duration NextDue() const;
  size_t waiting() const { return due_.size(); }
  // Keys that are known for any reason; those without work and back-off are not.
  size_t size() const { return items_.size(); }

 private:
  struct Item {
    std::optional<absl::Duration> due;  // in due_; nullopt: idle
    uint64_t turn = 0;                  // among those due at one moment, in the order of Add
    bool under_way = false;
    bool again = false;  // added while under way
    int failures = 0;
    absl::Duration rest_until = -absl::InfiniteDuration();
  };
  void Schedule(const Key& key, Item* item, absl::Duration when);
  void Unschedule(const Key& key, Item* item);
  void BackOff(Item* item, absl::Duration now) const;

  const absl::Duration first_;
  const absl::Duration most_;
  uint64_t turns_ = 0;
  std::map<Key, Item> items_;
  std::set<std::tuple<absl::Duration, uint64_t, Key>> due_;
};

extern template class WorkQueue<ObjectKey>;
extern template class WorkQueue<uint64_t>;

}  // namespace openelb::kube
