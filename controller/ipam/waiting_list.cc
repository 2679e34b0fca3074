#include "controller/ipam/waiting_list.h"

#include <utility>

namespace openelb::ipam {
namespace {

template <typename Key>
void EraseFrom(std::map<Key, Queue>* index, const Key& key, Record* record) {
  const auto it = index->find(key);
  it->second.erase(record);
  if (it->second.empty()) index->erase(it);
}

}  // namespace

WaitingList::ClassKey WaitingList::KeyOf(const Record& record) {
  const Request& request = record.request;
  if (!request.pool.empty())
    return {.pool = request.pool, .namespace_ = "", .protocol = {}, .families = request.families};
  return {.pool = "",
          .namespace_ = record.namespace_,
          .protocol = request.protocol,
          .families = request.families};
}

void WaitingList::Add(Record* record) {
  all_.insert(record);
  record->obstacle.clear();
  if (record->request.address) {
    by_address_[*record->request.address].insert(record);
    if (!record->request.pool.empty()) by_pool_[record->request.pool].insert(record);
    ready_.insert(record);
    return;
  }
  Class& mates = classes_[KeyOf(*record)];
  mates.members.insert(record);
  record->obstacle = mates.obstacle;
  ready_.insert(*mates.members.begin());
}

void WaitingList::Remove(Record* record) {
  if (all_.erase(record) == 0) return;
  const bool was_ready = ready_.erase(record) > 0;
  record->obstacle.clear();
  if (record->request.address) {
    EraseFrom(&by_address_, *record->request.address, record);
    if (!record->request.pool.empty()) EraseFrom(&by_pool_, record->request.pool, record);
    return;
  }
  const auto it = classes_.find(KeyOf(*record));
  it->second.members.erase(record);
  if (it->second.members.empty()) {
    classes_.erase(it);
  } else if (was_ready) {
    ready_.insert(*it->second.members.begin());
  }
}

void WaitingList::WakeClasses(absl::string_view pool, absl::string_view namespace_) {
  ClassKey first;
  first.pool = std::string(pool);
  first.namespace_ = std::string(namespace_);
  first.families = {.v4 = false, .v6 = false};
  for (auto it = classes_.lower_bound(first);
       it != classes_.end() && it->first.pool == pool && it->first.namespace_ == namespace_; ++it) {
    ready_.insert(*it->second.members.begin());
  }
}

void WaitingList::WakePool(const std::string& name) {
  WakeClasses(name, "");
  if (const auto it = by_pool_.find(name); it != by_pool_.end())
    ready_.insert(it->second.begin(), it->second.end());
}

void WaitingList::WakeNamespace(const std::string& namespace_) { WakeClasses("", namespace_); }

void WaitingList::WakeRange(const IpRange& range) {
  for (auto it = by_address_.lower_bound(range.first());
       it != by_address_.end() && it->first <= range.last(); ++it) {
    ready_.insert(it->second.begin(), it->second.end());
  }
}

void WaitingList::WakeAutomatic(
    const std::function<bool(const std::string& namespace_)>& concerns) {
  for (const auto& [key, mates] : classes_) {
    if (!key.pool.empty()) break;  // keys that name no Eip come first
    if (concerns(key.namespace_)) ready_.insert(*mates.members.begin());
  }
}

std::vector<Record*> WaitingList::Refuse(const std::string& obstacle) {
  Record* record = *ready_.begin();
  ready_.erase(ready_.begin());
  if (record->request.address) {
    if (record->obstacle == obstacle) return {};
    record->obstacle = obstacle;
    return {record};
  }
  Class& mates = classes_.find(KeyOf(*record))->second;
  if (mates.obstacle == obstacle) return {};
  mates.obstacle = obstacle;
  for (Record* member : mates.members) member->obstacle = obstacle;
  return {mates.members.begin(), mates.members.end()};
}

}  // namespace openelb::ipam
