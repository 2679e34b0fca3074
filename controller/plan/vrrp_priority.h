#pragma once
// Priorities of the nodes of one virtual router, 1..254: the highest of those that are there takes
// over.
//
// They are kept apart: how long a node waits for the Active grows by 1/256 of the interval for each
// point that its priority is lower (RFC 9568 6.1), so that two that wait take turns, not both.

#include <map>
#include <string>
#include <vector>

namespace openelb::plan {

// Nodes, each with the interface on which it takes part.
using Links = std::map<std::string, std::string>;
// By node, distinct.
using Priorities = std::map<std::string, int>;

inline constexpr int kHighestPriority = 254;  // 255 is for who owns the addresses (RFC 9568 5.2.4)

// Priorities for `order`, the first highest; at most 254 nodes.
Priorities SpreadPriorities(const std::vector<std::string>& order);

// `members` by priority, highest first; those without one are left out.
std::vector<std::string> InOrder(const Priorities& priorities, const Links& members);

// Gives `node` one below all others. What others have, stays, those included that are no member
// (now): they may come back. Where there is no room any more only `members`, at most 253, are kept,
// in their order.
void AdmitLast(const std::string& node, const Links& members, Priorities* priorities);

}  // namespace openelb::plan
