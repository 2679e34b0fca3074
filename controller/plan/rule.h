#pragma once
// The rules that include or exclude a node as next hop of an address in a rack: the one list that
// explanations draw on. README.md shows it to people; a test holds the two together.

#include <array>

#include "absl/strings/string_view.h"

namespace openelb::plan {

enum class Rule {
  // The node is a next hop.
  kEligible,
  kRackLabel,
  kSubnetUnknown,
  kServingWhileTerminating,
  kLastResort,
  kIpv6NextHop,
  kDraining,
  kNothingElse,
  kAggregate,
  kAggregateRefused,
  // It is not. In the order they are asked: the first that applies is named.
  kNoRack,
  kOtherRack,
  kExcludedByLabel,
  kNotReady,
  kNetworkUnavailable,
  kNoEndpoint,
  kNoLocalEndpoint,
  kNoAddressOfFamily,
  kNotInAggregate,
  kNoPeer,
  kNotOnSubnet,
  kDrained,
};

struct RuleText {
  Rule rule;
  bool included;
  const char* name;
  const char* meaning;
};

// Every rule, in the order of the enumeration.
inline constexpr std::array<RuleText, 22> kRules = {{
    {Rule::kEligible, true, "eligible", "nothing speaks against the node"},
    {Rule::kRackLabel, true, "rack-label",
     "not on the subnet shared with the router, but the node carries the rack's label: the "
     "operator's word that the router reaches it"},
    {Rule::kSubnetUnknown, true, "subnet-unknown",
     "it is not known which subnet speaker and router share, so the node is taken to be on it"},
    {Rule::kServingWhileTerminating, true, "serving-while-terminating",
     "the Service has no ready endpoint that could be used, so one that still serves while its Pod "
     "terminates counts"},
    {Rule::kLastResort, true, "last-resort",
     "the address would have no next hop anywhere, so nodes whose Ready condition is Unknown count "
     "as ready, and their endpoints too"},
    {Rule::kIpv6NextHop, true, "ipv6-next-hop",
     "the router cannot use an IPv4 address of the node, but it speaks BGP over IPv6 and gets the "
     "node's IPv6 address, if it takes IPv6 next hops of IPv4 routes (RFC 8950)"},
    {Rule::kDraining, true, "draining",
     "the node is to be drained: routers are told to move off it (GRACEFUL_SHUTDOWN, RFC 8326)"},
    {Rule::kNothingElse, true, "nothing-else",
     "the node is to be drained, but the address would have no next hop anywhere without such "
     "nodes"},
    {Rule::kAggregate, true, "aggregate",
     "the aggregate that its Eip asks for is announced instead of the address's host route, and "
     "the node is a next hop of it"},
    {Rule::kAggregateRefused, true, "aggregate-refused",
     "the aggregate that its Eip asks for would lead to nodes that do not serve all of its served "
     "addresses, so the address's host route is announced in its place"},
    {Rule::kNoRack, false, "no-rack",
     "racks are in use and the node is in none: it carries no rack label, and its address is "
     "on-link for the labelled nodes of no rack or of several"},
    {Rule::kOtherRack, false, "other-rack", "the node is in another rack"},
    {Rule::kExcludedByLabel, false, "excluded-by-label",
     "the node carries node.kubernetes.io/exclude-from-external-load-balancers"},
    {Rule::kNotReady, false, "not-ready", "the node's Ready condition is not True"},
    {Rule::kNetworkUnavailable, false, "network-unavailable",
     "the node's NetworkUnavailable condition is True"},
    {Rule::kNoEndpoint, false, "no-endpoint",
     "no Service of this address has a usable endpoint of the address's family"},
    {Rule::kNoLocalEndpoint, false, "no-local-endpoint",
     "externalTrafficPolicy is Local and the node has no usable endpoint"},
    {Rule::kNoAddressOfFamily, false, "no-address-of-family",
     "the node has no InternalIP of the address's family"},
    {Rule::kNotInAggregate, false, "not-in-aggregate",
     "an aggregate is announced instead of the address's host route, and the node does not serve "
     "all of its served addresses"},
    {Rule::kNoPeer, false, "no-peer",
     "no speaker of the rack has a BGP peer that may come up and carries the address's family"},
    {Rule::kNotOnSubnet, false, "not-on-subnet",
     "the node's address is not on the subnet that speaker and router share (RFC 4271 5.1.3)"},
    {Rule::kDrained, false, "drained",
     "the node is to be drained, and routers had their time to move off it"},
}};

constexpr const RuleText& TextOf(Rule rule) { return kRules[static_cast<size_t>(rule)]; }

}  // namespace openelb::plan
