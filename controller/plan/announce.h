#pragma once
// Reads a speaker's plan as the speaker does: what it announces to each peer. For explanations and
// tests.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/base/ip.h"
#include "api/base/neighbor.h"
#include "api/plan/path_attributes.h"
#include "controller/plan/resource_set.h"

namespace openelb::plan {

struct AnnouncedRoute {
  IpPrefix prefix;
  // In the order they are announced; fe80:: is the link-local address of the speaker's end.
  std::vector<IpAddress> next_hops;
  std::vector<uint32_t> weights;  // of these; empty: they are not told
  // Of these, those that routers are asked to move off (RFC 8326); they come last.
  std::set<IpAddress> draining;
  PathAttributes attributes;  // of all its paths
  std::vector<std::string> services;
  bool operator==(const AnnouncedRoute&) const = default;
};

struct AnnouncedPeer {
  std::string peer;                    // name of the BgpPeer
  std::string scope;                   // of the next hops it can use
  std::string down;                    // why the session stays down; empty: it may come up
  std::vector<AnnouncedRoute> routes;  // sorted by prefix; none while it stays down
  // Routes that its export policy keeps from it: by which statement.
  std::map<IpPrefix, std::string> rejected;
};

// By neighbour, which takes IPv6 next hops of IPv4 routes where they are offered. `add_path`: so it
// does with several paths; else the speaker announces the first one.
std::map<Neighbor, AnnouncedPeer> Announcements(const PlanView& plan, absl::string_view node,
                                                bool add_path);

}  // namespace openelb::plan
