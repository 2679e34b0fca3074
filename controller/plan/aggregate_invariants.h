#pragma once
// What must hold of aggregates, from the objects alone.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "api/base/ip.h"
#include "controller/plan/planner.h"

namespace openelb::plan {

// Compares `with`, a plan with aggregates, to `without`: of the same cluster, but no Eip asks for
// any. `held`: by Service the addresses that were set and their Eip. Empty: what routers had
// without aggregates they reach with them through the same next hops or some of them, and no route
// leads to a node for an address that it does not serve.
std::string CheckAggregates(
    const Planner& with, const Planner& without, const std::map<std::string, network::Eip>& eips,
    const std::map<std::string, std::pair<std::vector<IpAddress>, std::string>>& held);

// The addresses that have no better route than this one.
std::vector<IpAddress> ReachedBy(const Model& model, const IpPrefix& prefix);

}  // namespace openelb::plan
