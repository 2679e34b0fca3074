#pragma once
// What etcd is to an API server: objects by key, each change a revision, all revisions kept until
// compaction.

#include <compare>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/codec/value.h"
#include "controller/kube/testing/resource_type.h"

namespace openelb::kube::fake {

using StoredObject = std::shared_ptr<const codec::Value>;
using Revision = int64_t;

struct StoreKey {
  const ResourceType* type = nullptr;
  std::string ns;
  std::string name;
  auto operator<=>(const StoreKey&) const = default;
};

struct Change {
  Revision revision = 0;
  StoreKey key;
  StoredObject before;  // null pointer: created
  StoredObject after;   // never null; of a deletion the last state, with the deletion's revision
  bool deleted = false;
};

// Copies are snapshots: they share the objects.
class Store {
 public:
  Revision revision() const { return revision_; }
  // The newest revision whose changes are forgotten.
  Revision compacted() const { return compacted_; }

  // Null pointer: no such object at that revision (at least compacted(), at most revision()).
  StoredObject Get(const StoreKey& key, Revision at) const;
  StoredObject Get(const StoreKey& key) const { return Get(key, revision_); }
  // Objects of `type` in `ns` (empty: everywhere), in the order of their keys.
  std::vector<StoredObject> List(const ResourceType* type, const std::string& ns,
                                 Revision at) const;
  std::vector<StoredObject> ListNamespace(const std::string& ns) const;

  // Writes the new revision into metadata.resourceVersion.
  StoredObject Put(const StoreKey& key, codec::Value object);
  StoredObject Delete(const StoreKey& key);

  // Changes later than `revision`, which is at least compacted(), oldest first.
  std::deque<Change>::const_iterator ChangesAfter(Revision revision) const;
  std::deque<Change>::const_iterator ChangesEnd() const { return log_.end(); }

  void Compact(Revision upto);

 private:
  struct Version {
    Revision revision = 0;
    StoredObject object;  // null pointer: deleted
  };
  void Append(const StoreKey& key, StoredObject after, bool deleted);

  Revision revision_ = 100;  // a server's own objects come first
  Revision compacted_ = 0;
  std::map<StoreKey, std::vector<Version>> objects_;
  std::deque<Change> log_;
};

}  // namespace openelb::kube::fake
