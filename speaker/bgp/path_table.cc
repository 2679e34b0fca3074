#include "speaker/bgp/path_table.h"

namespace openelb::bgp {

uint32_t PathTable::Hash(const IpAddress& next_hop) {
  uint32_t hash = 2166136261u;
  for (uint8_t octet : next_hop.bytes()) hash = (hash ^ octet) * 16777619u;
  return hash;
}

std::shared_ptr<const Path> PathTable::Intern(Family family, const IpAddress& next_hop,
                                              Bytes attributes) {
  const auto [entry, added] = paths_.try_emplace(Key(family, next_hop, attributes));
  if (!added) return entry->second.lock();
  const Path* path = new Path{family, Acquire(next_hop), next_hop, std::move(attributes)};
  std::shared_ptr<const Path> shared(path, [this](const Path* p) {
    Release(*p);
    delete p;
  });
  entry->second = shared;
  return shared;
}

uint32_t PathTable::Acquire(const IpAddress& next_hop) {
  const auto [entry, added] = identifiers_.try_emplace(next_hop, Identifier{0, 0});
  if (added) {
    uint32_t id = Hash(next_hop);
    while (id == 0 || taken_.contains(id)) ++id;
    taken_.insert(id);
    entry->second.id = id;
  }
  ++entry->second.paths;
  return entry->second.id;
}

void PathTable::Release(const Path& path) {
  paths_.erase(Key(path.family, path.next_hop, path.attributes));
  const auto entry = identifiers_.find(path.next_hop);
  if (--entry->second.paths > 0) return;
  taken_.erase(entry->second.id);
  identifiers_.erase(entry);
}

}  // namespace openelb::bgp
