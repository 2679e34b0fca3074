#pragma once
// Decodes and checks one resource of a plan. Every error is InvalidArgument and names field and
// value.

#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "speaker/link/plan_state.h"

namespace openelb::link {

// The resource that a key names: what it is and which one.
struct InstanceKey {};
struct PeerKey {
  Neighbor neighbor;
};
struct GroupKey {
  std::string id;
};
struct RouteKey {
  IpPrefix prefix;
};
struct PlaceKey {
  std::string group;
};
struct Layer2Key {
  IpAddress address;
};
struct BfdKey {
  BfdName name;
};
struct VrrpKey {
  VrrpName name;
};
struct UnknownKey {};  // a kind of a newer controller: ignored
using ResourceKey = std::variant<UnknownKey, InstanceKey, PeerKey, GroupKey, RouteKey, PlaceKey,
                                 Layer2Key, BfdKey, VrrpKey>;

// Error: a known kind with something else than its canonical name, such as "route/10.0.0.1".
absl::StatusOr<ResourceKey> ParseKey(absl::string_view key);

using Members = std::vector<NextHop>;
struct Place {
  std::string node;
};
using DecodedResource = std::variant<std::monostate, BgpInstance, BgpPeer, Members, Route, Place,
                                     Layer2Address, BfdSession, VrrpInstance>;

// `body` is a serialized ResourceBody. monostate for an unknown key. Error: also when the body is
// not of the kind or the name that the key says.
absl::StatusOr<DecodedResource> DecodeResource(const ResourceKey& key, absl::string_view body);

// The Services ("namespace/name") of a route's body; empty where it is not one. For people: no part
// of what is in force.
std::vector<std::string> RouteServices(absl::string_view body);

}  // namespace openelb::link
