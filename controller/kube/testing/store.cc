#include "controller/kube/testing/store.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::kube::fake {

using codec::Value;

StoredObject Store::Get(const StoreKey& key, Revision at) const {
  const auto it = objects_.find(key);
  if (it == objects_.end()) return nullptr;
  StoredObject found;
  for (const Version& version : it->second) {
    if (version.revision > at) break;
    found = version.object;
  }
  return found;
}

std::vector<StoredObject> Store::List(const ResourceType* type, const std::string& ns,
                                      Revision at) const {
  std::vector<StoredObject> found;
  for (auto it = objects_.lower_bound(StoreKey{type, ns, ""});
       it != objects_.end() && it->first.type == type && (ns.empty() || it->first.ns == ns); ++it) {
    if (StoredObject object = Get(it->first, at)) found.push_back(std::move(object));
  }
  return found;
}

std::vector<StoredObject> Store::ListNamespace(const std::string& ns) const {
  std::vector<StoredObject> found;
  for (const auto& [key, versions] : objects_) {
    if (key.ns == ns && versions.back().object != nullptr) found.push_back(versions.back().object);
  }
  return found;
}

StoredObject Store::Put(const StoreKey& key, Value object) {
  object["metadata"]["resourceVersion"] = absl::StrCat(revision_ + 1);
  auto stored = std::make_shared<const Value>(std::move(object));
  Append(key, stored, /*deleted=*/false);
  return stored;
}

StoredObject Store::Delete(const StoreKey& key) {
  const StoredObject last = Get(key);
  if (last == nullptr) return nullptr;
  Value object = *last;
  object["metadata"]["resourceVersion"] = absl::StrCat(revision_ + 1);
  auto stored = std::make_shared<const Value>(std::move(object));
  Append(key, stored, /*deleted=*/true);
  return stored;
}

void Store::Append(const StoreKey& key, StoredObject after, bool deleted) {
  StoredObject before = Get(key);
  ++revision_;
  objects_[key].push_back({revision_, deleted ? nullptr : after});
  log_.push_back({revision_, key, std::move(before), std::move(after), deleted});
}

std::deque<Change>::const_iterator Store::ChangesAfter(Revision revision) const {
  return std::upper_bound(log_.begin(), log_.end(), revision,
                          [](Revision r, const Change& change) { return r < change.revision; });
}

void Store::Compact(Revision upto) {
  compacted_ = std::clamp(upto, compacted_, revision_);
  while (!log_.empty() && log_.front().revision <= compacted_) log_.pop_front();
  for (auto it = objects_.begin(); it != objects_.end();) {
    std::vector<Version>& versions = it->second;
    // The last version of that time is still what a read sees.
    while (versions.size() > 1 && versions[1].revision <= compacted_) {
      versions.erase(versions.begin());
    }
    const bool gone =
        versions.size() == 1 && versions[0].object == nullptr && versions[0].revision <= compacted_;
    it = gone ? objects_.erase(it) : std::next(it);
  }
}

}  // namespace openelb::kube::fake
