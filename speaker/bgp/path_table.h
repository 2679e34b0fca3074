#pragma once
// The distinct paths of one session, each held once however many prefixes use it, and the path
// identifiers of their next hops (RFC 7911 3).

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <tuple>

#include "api/base/ip.h"
#include "speaker/bgp/update_builder.h"

namespace openelb::bgp {

// A next hop has one identifier for all its prefixes, as long as any path uses it: FNV-1a of its
// octets, or the next free number where that one is taken or zero. Outlives the paths it hands out.
class PathTable {
 public:
  PathTable() = default;
  PathTable(const PathTable&) = delete;
  PathTable& operator=(const PathTable&) = delete;

  // Equal arguments give the same object while it is in use.
  std::shared_ptr<const Path> Intern(Family family, const IpAddress& next_hop, Bytes attributes);

  // Number of distinct paths in use.
  size_t size() const { return paths_.size(); }

  static uint32_t Hash(const IpAddress& next_hop);

 private:
  using Key = std::tuple<Family, IpAddress, Bytes>;
  struct Identifier {
    uint32_t id;
    size_t paths;  // that use it
  };

  uint32_t Acquire(const IpAddress& next_hop);
  void Release(const Path& path);

  std::map<Key, std::weak_ptr<const Path>> paths_;
  std::map<IpAddress, Identifier> identifiers_;
  std::set<uint32_t> taken_;
};

}  // namespace openelb::bgp
