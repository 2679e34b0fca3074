#include "controller/plan/layer2_invariants.h"

#include <algorithm>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/plan/local_eligibility.h"
#include "controller/plan/speaker_table.h"
#include "controller/plan/watch_graph.h"
#include "controller/plan/watch_table.h"

namespace openelb::plan {
namespace {

using Interfaces = std::map<std::string, PoolInterface>;
using Plans = std::map<std::string, std::map<std::string, v1::ResourceBody>>;  // by node and key

// One address and its view, and what is asked of nodes.
struct Case {
  const IpAddress& address;
  const Layer2View& view;
  const Model& model;
  const Interfaces& interfaces;

  const InterfaceAddress* Link(const std::string& name) const {
    const auto pool = interfaces.find(view.pool);
    const auto node = model.nodes.find(name);
    if (node == model.nodes.end()) return nullptr;
    return LinkFor(&NodeView::layer2, node->second,
                   pool == interfaces.end() ? PoolInterface() : pool->second, address);
  }
  // It might answer, for want of others.
  bool Tolerable(const std::string& name) const {
    if (Link(name) == nullptr) return false;
    const NodeView& node = model.nodes.at(name);
    return node.layer2 && !node.stopped && !node.leaving &&
           (node.health == Health::kReady || node.health == Health::kUnknown);
  }
  // Nothing speaks against it.
  bool Fit(const std::string& name) const {
    if (!Tolerable(name)) return false;
    const NodeView& node = model.nodes.at(name);
    if (node.health != Health::kReady || node.drain != Drain::kNone ||
        node.no_carrier.contains(Link(name)->interface)) {
      return false;
    }
    return std::any_of(view.services.begin(), view.services.end(), [&](const std::string& key) {
      const auto service = model.services.find(key);
      if (service == model.services.end()) return false;
      const FamilyEndpoints& endpoints = service->second.endpoints[address.family()];
      if (service->second.policy == kube::TrafficPolicy::kCluster)
        return endpoints.ready || endpoints.serving;
      const auto endpoint = endpoints.nodes.find(name);
      return endpoint != endpoints.nodes.end() && endpoint->second == EndpointState::kReady;
    });
  }
};

std::string CheckRanks(const Case& c) {
  const std::vector<std::string>& ranks = c.view.ranks;
  if (std::set(ranks.begin(), ranks.end()).size() != ranks.size()) return "ranks repeat";
  size_t fit = 0;
  for (const auto& [name, node] : c.model.nodes) fit += c.Fit(name) ? 1 : 0;
  if (fit > 0 && ranks.size() != std::min(fit, WatchGraph::kRanks) && !c.view.crowded)
    return "too few ranks";
  for (const std::string& name : ranks) {
    if (!c.Tolerable(name)) return absl::StrCat(name, " cannot answer");
    if (fit > 0 && !c.Fit(name)) return absl::StrCat("others are better than ", name);
  }
  return "";
}

// Who owned stays the owner while nothing speaks against it, and gives way to its first standby:
// unless somebody took over.
std::string CheckStays(const Case& c, const Layer2View& before) {
  const bool moved = !c.view.ranks.empty() &&
                     (before.ranks.empty() || before.ranks.front() != c.view.ranks.front());
  if (moved ? c.view.turn <= before.turn : c.view.turn != before.turn) return "turn";
  for (const auto& [name, node] : c.model.nodes) {
    if (node.taken_over.contains(c.address)) return "";
  }
  for (const std::string& name : before.ranks) {
    if (!c.Fit(name)) continue;
    return c.view.ranks.front() == name ? "" : absl::StrCat("not given to ", name);
  }
  return "";
}

// Counts what the address needs, and checks what its nodes are told of it.
std::string CheckTold(const Case& c, const Plans& plans,
                      std::map<std::string, std::set<std::string>>* sessions) {
  const std::string key = absl::StrCat("layer2/", c.address.ToString());
  for (const auto& [name, plan] : plans) {
    const bool ranked =
        std::find(c.view.ranks.begin(), c.view.ranks.end(), name) != c.view.ranks.end();
    const auto told = plan.find(key);
    if (ranked != (told != plan.end())) return absl::StrCat("told to ", name);
    if (!ranked) continue;
    const v1::Layer2Address& resource = told->second.layer2_address();
    if (resource.turn() != c.view.turn) return "turn in the resource";
    if (resource.ranks_size() != static_cast<int>(c.view.ranks.size())) return "ranks";
    for (int i = 0; i < resource.ranks_size(); ++i) {
      const std::string& other = resource.ranks(i).node();
      if (other != c.view.ranks[static_cast<size_t>(i)]) return "order of ranks";
      std::string peer;
      if (const auto watch =
              other == name ? std::nullopt
                            : FindWatch({name, c.model.nodes.at(name), c.Link(name)->interface},
                                        {other, c.model.nodes.at(other), c.Link(other)->interface}))
        peer = (watch->low.node == other ? watch->low : watch->high).address.ToString();
      if (resource.ranks(i).bfd_peer() != peer) return absl::StrCat("bfd_peer of ", other);
      if (!peer.empty())
        (*sessions)[name].insert(absl::StrCat("bfd/", resource.interface(), "/", peer));
    }
  }
  return "";
}

// Each session has its other end, and is needed.
std::string CheckSessions(const Plans& plans, const Options& options,
                          const std::map<std::string, std::set<std::string>>& needed) {
  std::map<std::string, std::set<std::string>> ends;  // by secret
  for (const auto& [name, plan] : plans) {
    std::set<std::string> held;
    for (const auto& [key, body] : plan) {
      if (!body.has_bfd_session()) continue;
      held.insert(key);
      const v1::BfdSession& own = body.bfd_session();
      ends[own.secret()].insert(absl::StrCat(name, " ", key));
      if (key != absl::StrCat("bfd/", own.interface(), "/", own.peer())) return key;
      const auto interval = static_cast<uint32_t>(absl::ToInt64Microseconds(options.bfd_interval));
      if (own.secret().size() != 20 || own.desired_min_tx_us() != interval ||
          own.required_min_rx_us() != interval ||
          own.detect_mult() != static_cast<uint32_t>(options.bfd_multiplier)) {
        return absl::StrCat("contents of ", key);
      }
      const auto there = plans.find(own.node());
      if (there == plans.end()) return absl::StrCat("no other end of ", key);
      const bool mirrored =
          std::any_of(there->second.begin(), there->second.end(), [&](const auto& entry) {
            const v1::BfdSession& other = entry.second.bfd_session();
            return entry.second.has_bfd_session() && other.node() == name &&
                   other.local() == own.peer() && other.peer() == own.local() &&
                   other.secret() == own.secret();
          });
      if (!mirrored) return absl::StrCat("other end of ", key, " at ", name);
    }
    const auto needs = needed.find(name);
    if (held != (needs == needed.end() ? std::set<std::string>() : needs->second))
      return absl::StrCat("sessions of ", name);
  }
  for (const auto& [secret, nodes] : ends) {
    if (nodes.size() != 2) return "a secret is used twice";
  }
  return "";
}

}  // namespace

std::string Layer2Invariants::Check(const Planner& planner, const Interfaces& interfaces) {
  const Model& model = planner.model();
  Plans plans;
  for (const auto& [name, node] : model.nodes) {
    auto& plan = plans[name];
    const ResourceSet* set = planner.Find(NodeSet(name));
    if (set == nullptr) continue;
    for (const auto& [key, resource] : set->resources()) plan[key].ParseFromString(*resource.body);
  }
  std::map<std::string, std::set<std::string>> sessions;
  for (const auto& [address, view] : model.layer2) {
    const Case c{address, view, model, interfaces};
    std::string wrong = CheckRanks(c);
    if (const auto before = before_.find(address); wrong.empty() && before != before_.end())
      wrong = CheckStays(c, before->second);
    if (wrong.empty()) wrong = CheckTold(c, plans, &sessions);
    if (!wrong.empty()) return absl::StrCat(address.ToString(), ": ", wrong);
  }
  before_ = model.layer2;
  return CheckSessions(plans, options_, sessions);
}

}  // namespace openelb::plan
