#pragma once
// What the planner keeps besides cluster objects. Both are saved and loaded, so that a new
// controller plans what the old one did.

#include <compare>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace openelb::plan {

// The interface addresses of a node, "IFACE ADDRESS/LENGTH" each.
inline constexpr const char* kPrefixesFact = "prefixes";
// What a speaker does besides plain BGP; values: kLayer2Mode, kVipMode, kTcpAoMode or kNoTcpAoMode.
inline constexpr const char* kModesFact = "modes";
inline constexpr const char* kLayer2Mode = "layer2";
inline constexpr const char* kVipMode = "vip";
// Its kernel has the TCP Authentication Option or has it not. Neither: it is too old to know.
inline constexpr const char* kTcpAoMode = "tcp-ao";
inline constexpr const char* kNoTcpAoMode = "no-tcp-ao";
// VRRP routers of others, "INTERFACE FAMILY VRID" each; FAMILY is 4 or 6.
inline constexpr const char* kVrrpHeardFact = "vrrp-heard";
// From where its speaker sends VRRP packets, "INTERFACE ADDRESS" each; one of each family.
inline constexpr const char* kVrrpSourcesFact = "vrrp-sources";
// A speaker runs on the node; values: its version. No values: it has left for good.
inline constexpr const char* kSpeakerFact = "speaker";
// In the version's place: it has said goodbye and means to come back, if its DaemonSet lets it.
inline constexpr const char* kSpeakerStopped = "stopped";
// Over which interfaces the node reaches what no other route leads to, "INTERFACE FAMILY" each;
// FAMILY is 4 or 6.
inline constexpr const char* kDefaultRoutesFact = "default-routes";
// Interfaces over which no frames pass.
inline constexpr const char* kNoCarrierFact = "no-carrier";
// Layer 2 addresses that the node has answered for as a standby for a while.
inline constexpr const char* kTakenOverFact = "taken-over";
// The Controller's own: routers had their time to move off the node, which is to be drained. It is
// forgotten as soon as the node is not.
inline constexpr const char* kDrainedFact = "drained";

// Something a speaker knows about the world. Kinds that the planner does not know are kept and
// ignored.
struct Fact {
  std::string subject;  // node name
  std::string kind;
  std::vector<std::string> values;
  absl::Time observed_at;

  bool operator==(const Fact&) const = default;
};

// A choice that sticks: the next hop (`node`) that `speaker` announces first for `group`. The group
// kRouterIdGroup names instead the one speaker that uses the written router id, a group
// "export-policy" the ConfigMap (`speaker`) whose text (`node`) was applied last, a group
// "layer2/ADDRESS" a rank ("1" is the owner) and its node, or more about the address's owners. For
// those of VIP mode see RouterTable.
struct Assignment {
  std::string group;
  std::string speaker;
  std::string node;

  auto operator<=>(const Assignment&) const = default;
};

inline constexpr const char* kRouterIdGroup = "router-id";

}  // namespace openelb::plan
