#pragma once
// The sets of paths that prefixes of one session have, each held once and known by a number, since
// a burst holds a number for every prefix.

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "speaker/bgp/update_builder.h"

namespace openelb::bgp {

using PathRef = std::shared_ptr<const Path>;
using PathSet = std::vector<PathRef>;  // in the order of announcement; ids differ

// A set lives as long as it has users. Its number is given again only after that.
class PathSets {
 public:
  using Id = uint32_t;
  static constexpr Id kNone = 0;  // the empty set, which needs no users

  // Its first user is the caller.
  Id Add(PathSet paths) {
    if (free_.empty()) {
      free_.push_back(static_cast<Id>(slots_.size()));
      slots_.emplace_back();
    }
    const Id id = free_.back();
    free_.pop_back();
    slots_[id] = {std::move(paths), 1};
    return id;
  }
  // Valid until the next Add.
  const PathSet& operator[](Id id) const { return slots_[id].paths; }
  size_t users(Id id) const { return slots_[id].users; }
  // Sets that have users.
  size_t size() const { return slots_.size() - 1 - free_.size(); }

  void Use(Id id) {
    if (id != kNone) ++slots_[id].users;
  }
  void Release(Id id) {
    if (id == kNone) return;
    assert(slots_[id].users > 0);
    if (--slots_[id].users > 0) return;
    slots_[id].paths = PathSet();
    free_.push_back(id);
  }

 private:
  struct Slot {
    PathSet paths;
    size_t users = 0;
  };
  std::vector<Slot> slots_{1};
  std::vector<Id> free_;
};

}  // namespace openelb::bgp
