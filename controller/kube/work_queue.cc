#include "controller/kube/work_queue.h"

#include <algorithm>
#include <utility>

namespace openelb::kube {

template <typename Key>
void WorkQueue<Key>::Schedule(const Key& key, Item* item, absl::Duration when) {
  when = std::max(when, item->rest_until);
  if (item->due && *item->due <= when) return;
  Unschedule(key, item);
  item->due = when;
  item->turn = turns_++;
  due_.emplace(when, item->turn, key);
}

template <typename Key>
void WorkQueue<Key>::Unschedule(const Key& key, Item* item) {
  if (!item->due) return;
  due_.erase({*item->due, item->turn, key});
  item->due.reset();
}

template <typename Key>
void WorkQueue<Key>::Add(const Key& key, absl::Duration when) {
  Item& item = items_[key];
  if (item.under_way) {
    item.again = true;
  } else {
    Schedule(key, &item, when);
  }
}

template <typename Key>
void WorkQueue<Key>::Retry(const Key& key, absl::Duration now) {
  Item& item = items_[key];
  item.failures = 0;
  item.rest_until = -absl::InfiniteDuration();
  Add(key, now);
}

template <typename Key>
void WorkQueue<Key>::RetryAll(absl::Duration now) {
  for (auto& [key, item] : items_) {
    item.failures = 0;
    item.rest_until = -absl::InfiniteDuration();
    if (item.due) Schedule(key, &item, now);
  }
}

template <typename Key>
std::optional<Key> WorkQueue<Key>::Take(absl::Duration now) {
  if (due_.empty() || std::get<0>(*due_.begin()) > now) return std::nullopt;
  Key key = std::get<2>(*due_.begin());
  Item& item = items_[key];
  Unschedule(key, &item);
  item.under_way = true;
  return key;
}

template <typename Key>
void WorkQueue<Key>::Done(const Key& key, absl::Duration now) {
  const auto it = items_.find(key);
  if (it == items_.end() || !std::exchange(it->second.under_way, false)) return;
  Item& item = it->second;
  item.failures = 0;
  item.rest_until = -absl::InfiniteDuration();
  if (std::exchange(item.again, false)) {
    Schedule(key, &item, now);
  } else {
    items_.erase(it);
  }
}

template <typename Key>
void WorkQueue<Key>::BackOff(Item* item, absl::Duration now) const {
  // A key that has been quiet for as long as it may ever wait begins anew.
  if (item->rest_until + most_ < now) item->failures = 0;
  absl::Duration wait = first_;
  for (int i = 0; i < item->failures && wait < most_; ++i) wait *= 2;
  ++item->failures;
  item->rest_until = now + std::min(wait, most_);
}

template <typename Key>
void WorkQueue<Key>::Failed(const Key& key, absl::Duration now) {
  const auto it = items_.find(key);
  if (it == items_.end() || !std::exchange(it->second.under_way, false)) return;
  it->second.again = false;
  BackOff(&it->second, now);
  Schedule(key, &it->second, now);
}

template <typename Key>
void WorkQueue<Key>::Rest(const Key& key, absl::Duration now) {
  const auto it = items_.find(key);
  if (it == items_.end() || !std::exchange(it->second.under_way, false)) return;
  BackOff(&it->second, now);
  if (std::exchange(it->second.again, false)) Schedule(key, &it->second, now);
}

template <typename Key>
void WorkQueue<Key>::Return(const Key& key, absl::Duration now) {
  const auto it = items_.find(key);
  if (it == items_.end() || !std::exchange(it->second.under_way, false)) return;
  it->second.again = false;
  Schedule(key, &it->second, now);
}

template <typename Key>
void WorkQueue<Key>::Forget(const Key& key) {
  const auto it = items_.find(key);
  if (it == items_.end()) return;
  Unschedule(key, &it->second);
  items_.erase(it);
}

template <typename Key>
absl::Duration WorkQueue<Key>::NextDue() const {
  return due_.empty() ? absl::InfiniteDuration() : std::get<0>(*due_.begin());
}

template class WorkQueue<ObjectKey>;
template class WorkQueue<uint64_t>;

}  // namespace openelb::kube
