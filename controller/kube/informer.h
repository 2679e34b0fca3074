#pragma once
// What is known of the objects of one resource, and what of it is new. Pure.
//
// Life of an object: a list or a watch brings it; what nobody reads of it goes (prune.h); a digest
// tells whether the rest differs from what was sent last; only then is it decoded and sent. Of each
// object no more is kept than its name, its uid and that digest. An object that cannot be decoded
// keeps the state it had when it last could, and is sent as refused.

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "api/base/log.h"
#include "api/codec/value.h"
#include "controller/event_source.h"
#include "controller/kube/resource.h"

namespace openelb::kube {

// Sees every object whole, before anything is left out of it, and before the events about it are
// taken: who writes onto objects has to know what they show.
class ObjectViewer {
 public:
  virtual ~ObjectViewer() = default;
  virtual void Seen(const ObjectKey& key, const codec::Value& object) = 0;
  virtual void Gone(const ObjectKey& key) = 0;
};

struct InformerCounters {
  uint64_t upserts = 0;    // sent
  uint64_t deletions = 0;  // sent
  uint64_t unchanged = 0;  // brought again
  uint64_t refused = 0;    // could not be decoded
};

class Informer {
 public:
  // `log` and `viewer` outlive it. `viewer` may be null.
  Informer(Resource resource, Logger* log, ObjectViewer* viewer = nullptr);

  // All objects are brought again from now on; EndList deletes those that were not. A list that
  // ends early deletes nothing: the next BeginList forgets it.
  void BeginList();
  void EndList();

  // The object as it is now. False: it is another one than the one of that name known before, whose
  // deletion has been missed.
  bool Upsert(codec::Value object);
  // The object is no more.
  void Remove(const codec::Value& object);

  // In order, since the last call.
  std::vector<ObjectEvent> TakeEvents() { return std::exchange(events_, {}); }

  const Resource& resource() const { return resource_; }
  size_t size() const { return known_.size(); }
  const InformerCounters& counters() const { return counters_; }

 private:
  struct Known {
    uint64_t digest = 0;
    uint64_t uid = 0;      // a hash of it
    uint32_t list = 0;     // that brought it last
    bool sent = false;     // also as refused; and not deleted since
    bool refused = false;  // as it stands now
  };
  using Name = std::pair<std::string, std::string>;  // namespace, name

  ObjectKey KeyOf(const Name& name) const { return {resource_.kind, name.first, name.second}; }
  void Decode(const Name& name, const codec::Value& object, Known* known);
  void Refuse(const Name& name, const codec::Value& object, const std::string& error, Known* known);
  void SendDeletion(const Name& name, const Known& known, bool missing);

  const Resource resource_;
  Logger* const log_;
  ObjectViewer* const viewer_;
  std::map<Name, Known> known_;
  uint32_t list_ = 0;
  std::vector<ObjectEvent> events_;
  InformerCounters counters_;
};

}  // namespace openelb::kube
