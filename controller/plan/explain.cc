#include "controller/plan/explain.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/plan/aggregate_table.h"
#include "controller/plan/drain_table.h"
#include "controller/plan/node_hops.h"
#include "controller/plan/routes.h"

namespace openelb::plan {
namespace {

// One way out of a rack: the peers of its speakers that share a scope.
struct Exit {
  const Scope* scope;
  std::vector<std::string> peers;  // addresses
  bool subnet_unknown = false;
};

// A rack's exits for one family, and why some peers are none.
struct Exits {
  std::vector<Exit> usable;
  std::vector<std::string> others;
};

Exits ExitsOf(const Model& model, const std::string& rack, Family family) {
  Exits exits;
  const auto of = model.audiences_of.find(rack);
  if (of == model.audiences_of.end()) return exits;
  for (const std::string& name : of->second) {
    const Audience& audience = model.audiences.at(name);
    for (const Scope& scope : audience.scopes) {
      Exit exit{&scope,
                {},
                scope.name != "all" && scope.subnets[family].empty() && !scope.IsLinkLocal(family)};
      for (const std::string& speaker : audience.speakers) {
        for (const auto& [neighbor, peer] : model.speakers.at(speaker).peers) {
          if (peer.scope != scope.name) continue;
          if (!peer.down.empty() || !peer.families[family]) {
            exits.others.push_back(
                absl::StrCat("BgpPeer \"", peer.name, "\" on \"", speaker, "\" ",
                             peer.down.empty() ? absl::StrCat("does not carry ", FamilyName(family))
                                               : absl::StrCat("stays down: ", peer.down)));
            continue;
          }
          exit.subnet_unknown |= peer.subnet_unknown;
          exit.peers.push_back(neighbor.ToString());
        }
      }
      if (!exit.peers.empty()) exits.usable.push_back(std::move(exit));
    }
  }
  return exits;
}

std::string Text(const std::set<IpPrefix>& subnets) {
  return absl::StrJoin(subnets, ", ", [](std::string* out, const IpPrefix& subnet) {
    absl::StrAppend(out, subnet.ToString());
  });
}

// Answers for one address.
class Explainer {
 public:
  Explainer(const Model& model, const IpAddress& address, const AddressView& view)
      : model_(model), address_(address), family_(address.family()), view_(view) {
    for (const std::string& key : view.services) {
      const FamilyEndpoints& endpoints = model.services.at(key).endpoints[family_];
      usable_ |= endpoints.ready || endpoints.serving;
    }
    stays_ = Stays(model, family_, AnnouncedBy(model, view));
  }

  Reason Ask(const std::string& rack, const Exits& exits, const std::string& node_name) const {
    const NodeView& node = model_.nodes.at(node_name);
    Reason reason{address_, rack, node_name, Rule::kEligible, ""};
    const auto answer = [&](Rule rule, std::string detail) {
      reason.rule = rule;
      reason.detail = std::move(detail);
      return reason;
    };
    if (node.rack != rack) {
      if (node.InRack())
        return answer(Rule::kOtherRack, absl::StrCat("the node is in rack \"", node.rack, "\""));
      return answer(Rule::kNoRack,
                    node.placement == Placement::kNowhere
                        ? "no rack label, and on-link for no labelled node whose prefixes are known"
                        : "no rack label, and on-link for labelled nodes of several racks");
    }
    if (node.health == Health::kExcludedByLabel)
      return answer(Rule::kExcludedByLabel, "the node carries the exclusion label");
    if (node.health == Health::kNotReady)
      return answer(Rule::kNotReady, "the node's Ready condition is False");
    if (node.health == Health::kNetworkUnavailable)
      return answer(Rule::kNetworkUnavailable, "the node's NetworkUnavailable condition is True");
    if (node.health == Health::kUnknown && !view_.last_resort)
      return answer(Rule::kNotReady, "the node's Ready condition is Unknown");
    if (!usable_ && !view_.last_resort) return answer(Rule::kNoEndpoint, NoEndpointText());
    if (!IsWanted(node_name, node)) {
      return node.health == Health::kUnknown
                 ? answer(Rule::kNotReady, "the node's Ready condition is Unknown")
                 : answer(Rule::kNoLocalEndpoint, NoLocalEndpointText(node_name));
    }
    if (!CanBeNextHop(model_, node, family_))
      return answer(Rule::kNoAddressOfFamily, NoAddressText());
    if (!view_.aggregate.has_value())
      return ThroughExits(exits, node_name, node, std::move(reason));
    const AggregateView& aggregate = model_.aggregates.at(*view_.aggregate);
    reason.aggregate = view_.aggregate;
    if (!view_.host_route && !Serves(aggregate.route, node_name, node))
      return answer(Rule::kNotInAggregate, NotInAggregateText(aggregate));
    return WithAggregate(aggregate, ThroughExits(exits, node_name, node, std::move(reason)));
  }

 private:
  std::string NoEndpointText() const {
    if (view_.services.empty()) return "no Service that exists holds the address";
    return absl::StrCat("no usable ", FamilyName(family_), " endpoint of ",
                        absl::StrJoin(view_.services, ", "));
  }

  std::string NoAddressText() const {
    return absl::StrCat("the node has no ", FamilyName(family_), " InternalIP");
  }

  std::string NoLocalEndpointText(const std::string& node) const {
    const bool terminating = BestState(node) == EndpointState::kServingWhileTerminating;
    return absl::StrCat(terminating ? "only a terminating endpoint" : "no usable endpoint", " of ",
                        absl::StrJoin(view_.services, ", "), " on the node",
                        terminating ? ", while others are ready elsewhere" : "");
  }

  std::string NotInAggregateText(const AggregateView& aggregate) const {
    return absl::StrCat("the node does not serve all ", aggregate.addresses,
                        " served addresses of aggregate ", view_.aggregate->ToString());
  }

  // The answer for a node that serves the address, with what its aggregate adds.
  Reason WithAggregate(const AggregateView& aggregate, Reason reason) const {
    if (!reason.included()) return reason;
    const bool refused = aggregate.refusal != AggregateView::Refusal::kNone;
    absl::StrAppend(&reason.detail, "; ",
                    refused            ? "refused is "
                    : view_.host_route ? "beside it there is "
                                       : "announced by ",
                    "aggregate ", view_.aggregate->ToString());
    if (reason.rule != Rule::kEligible) return reason;
    if (refused) reason.rule = Rule::kAggregateRefused;
    if (!view_.host_route) reason.rule = Rule::kAggregate;
    return reason;
  }

  EndpointState BestState(const std::string& node) const {
    EndpointState best = EndpointState::kNotReady;
    for (const std::string& key : view_.services) {
      const auto& nodes = model_.services.at(key).endpoints[family_].nodes;
      if (const auto it = nodes.find(node); it != nodes.end()) best = std::max(best, it->second);
    }
    return best;
  }

  // Whether the address would be announced for the node, had it an address of the family.
  bool IsWanted(const std::string& name, const NodeView& node) const {
    if (view_.kind == AddressView::Kind::kCluster || view_.kind == AddressView::Kind::kLastResort)
      return true;
    if (view_.nodes.contains(name)) return true;
    if (CanBeNextHop(model_, node, family_)) return false;
    return std::any_of(view_.services.begin(), view_.services.end(), [&](const std::string& key) {
      return model_.services.at(key).policy == kube::TrafficPolicy::kCluster ||
             BestState(name) != EndpointState::kNotReady;
    });
  }

  // Whether only endpoints that serve while terminating make the node a next hop.
  bool IsTerminating(const std::string& node) const {
    if (view_.kind == AddressView::Kind::kOwn)
      return BestState(node) == EndpointState::kServingWhileTerminating;
    return std::none_of(view_.services.begin(), view_.services.end(), [&](const std::string& key) {
      const ServiceView& service = model_.services.at(key);
      return service.policy == kube::TrafficPolicy::kCluster && service.endpoints[family_].ready;
    });
  }

  Reason ThroughExits(const Exits& exits, const std::string& name, const NodeView& node,
                      Reason reason) const {
    if (exits.usable.empty()) {
      reason.rule = Rule::kNoPeer;
      reason.detail = exits.others.empty() ? "no speaker in the rack has a BGP peer"
                                           : absl::StrJoin(exits.others, "; ");
      return reason;
    }
    const std::optional<IpAddress>& own = node.next_hops[family_];
    std::optional<IpAddress> ipv6;
    bool included = false;
    bool unknown = false;
    bool by_label = false;
    bool routed = false;  // by some router that is told addresses
    std::vector<std::string> away;
    std::vector<std::string> parts;
    for (const Exit& exit : exits.usable) {
      const NodeHops hops = HopsInScope(*exit.scope, name, node, family_);
      if (exit.scope->IsLinkLocal(family_)) {
        const std::string links =
            absl::StrCat("of \"", exit.scope->link_of, "\" to ", absl::StrJoin(exit.peers, ", "));
        if (hops.any()) {
          included = true;
          parts.push_back(absl::StrCat("next hop: its link-local address on the link ", links));
        } else {
          away.push_back(absl::StrCat("not on the link ", links));
        }
        continue;
      }
      routed = true;
      if (hops.ipv6.has_value()) ipv6 = hops.ipv6;
      if (!own.has_value()) continue;
      const std::set<IpPrefix>& subnets = exit.scope->subnets[family_];
      const bool on_subnet =
          subnets.empty() || std::any_of(subnets.begin(), subnets.end(),
                                         [&](const IpPrefix& s) { return s.Contains(*own); });
      if (!on_subnet) {
        away.push_back(absl::StrCat("not on ", Text(subnets), ", which is shared with ",
                                    absl::StrJoin(exit.peers, ", ")));
      }
      if (!hops.own.has_value()) continue;
      included = true;
      unknown |= exit.subnet_unknown;
      by_label |= !on_subnet;
    }
    if (own.has_value() && (routed || parts.empty())) {
      parts.push_back(absl::StrCat("next hop ", own->ToString(), away.empty() ? "" : " is ",
                                   absl::StrJoin(away, ", ")));
    }
    if (ipv6.has_value()) {
      parts.push_back(
          absl::StrCat("next hop ", ipv6->ToString(), " for routers that take IPv6 ones"));
    }
    reason.detail = parts.empty() ? NoAddressText() : absl::StrJoin(parts, "; ");
    if (!included && !ipv6.has_value())
      reason.rule = own.has_value() ? Rule::kNotOnSubnet : Rule::kNoAddressOfFamily;
    else if (node.drain != Drain::kNone)
      reason.rule = !stays_                          ? Rule::kNothingElse
                    : node.drain == Drain::kDraining ? Rule::kDraining
                                                     : Rule::kDrained;
    else if (view_.last_resort)
      reason.rule = Rule::kLastResort;
    else if (IsTerminating(reason.node))
      reason.rule = Rule::kServingWhileTerminating;
    else if (!included)
      reason.rule = Rule::kIpv6NextHop;
    else if (unknown)
      reason.rule = Rule::kSubnetUnknown;
    else if (by_label)
      reason.rule = Rule::kRackLabel;
    return reason;
  }

  const Model& model_;
  const IpAddress address_;
  const Family family_;
  const AddressView& view_;
  bool usable_ = false;  // some Service has a usable endpoint somewhere
  bool stays_ = true;    // some next hop is not to be drained
};

// Whether the rack is one node's that is in none.
bool IsNoRack(const Model& model, const std::set<std::string>& nodes) {
  return !model.nodes.at(*nodes.begin()).InRack();
}

// The racks that are asked about, but those of nodes that are in none.
std::vector<std::string> RacksAsked(const Model& model, const Question& question) {
  std::vector<std::string> racks;
  for (const auto& [rack, members] : model.racks) {
    if (IsNoRack(model, members)) continue;
    if (!question.rack.has_value() || *question.rack == rack) racks.push_back(rack);
  }
  return racks;
}

// The answers about nodes in racks that they are not in. All racks have the same answer, so where
// neither rack nor node is asked about the first one has it for all: else a large cluster would
// have racks times nodes of them for each address.
void AskOtherRacks(const Model& model, const Question& question, const Explainer& explainer,
                   const std::vector<std::string>& racks, std::vector<Reason>* reasons) {
  const bool all = question.rack.has_value() || question.node.has_value();
  for (const auto& [name, node] : model.nodes) {
    if (question.node.has_value() && *question.node != name) continue;
    Reason* first = nullptr;
    size_t more = 0;
    for (const std::string& rack : racks) {
      if (rack == node.rack) continue;
      if (first == nullptr || all) {
        first = &reasons->emplace_back(explainer.Ask(rack, {}, name));
      } else {
        ++more;
      }
    }
    if (more > 0)
      absl::StrAppend(&first->detail, "; the same in ", more, " more rack", more > 1 ? "s" : "");
  }
}

void ExplainAddress(const Model& model, const Question& question, const IpAddress& address,
                    const AddressView& view, std::vector<Reason>* reasons) {
  const Explainer explainer(model, address, view);
  for (const auto& [rack, members] : model.racks) {
    const bool no_rack = IsNoRack(model, members);
    if (no_rack && !model.speakers.contains(*members.begin())) continue;
    if (question.rack.has_value() && *question.rack != (no_rack ? "" : rack)) continue;
    const Exits exits = ExitsOf(model, rack, address.family());
    for (const std::string& name : members) {
      if (question.node.has_value() && *question.node != name) continue;
      Reason& reason = reasons->emplace_back(explainer.Ask(rack, exits, name));
      if (no_rack) reason.rack.clear();
    }
  }
  AskOtherRacks(model, question, explainer, RacksAsked(model, question), reasons);
}

}  // namespace

std::vector<Reason> Explain(const Model& model, const Question& question) {
  std::vector<Reason> reasons;
  if (question.address.has_value()) {
    const auto it = model.addresses.find(*question.address);
    if (it != model.addresses.end())
      ExplainAddress(model, question, it->first, it->second, &reasons);
  } else {
    for (const auto& [address, view] : model.addresses)
      ExplainAddress(model, question, address, view, &reasons);
  }
  std::stable_sort(reasons.begin(), reasons.end(), [](const Reason& a, const Reason& b) {
    return std::tie(a.address, a.rack, a.node) < std::tie(b.address, b.rack, b.node);
  });
  return reasons;
}

}  // namespace openelb::plan
