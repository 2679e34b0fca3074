#include "controller/plan/render.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "api/codec/write.h"
#include "api/network/v1alpha2/community.h"
#include "controller/plan/aggregate_table.h"
#include "controller/plan/announce.h"
#include "controller/plan/explain.h"
#include "controller/plan/model.h"
#include "controller/plan/vip_table.h"

namespace openelb::plan {
namespace {

using codec::Value;

Value Texts(std::vector<std::string> texts, bool sort) {
  if (sort) std::sort(texts.begin(), texts.end());
  Value::List list(texts.begin(), texts.end());
  return list;
}

std::vector<std::string> Texts(const std::vector<IpAddress>& addresses) {
  std::vector<std::string> texts;
  for (const IpAddress& address : addresses) texts.push_back(address.ToString());
  return texts;
}

// A node that is in no rack is shown without one.
std::string ShownRack(const NodeView& node) { return node.InRack() ? node.rack : ""; }

std::vector<std::string> Speakers(const RenderInput& input) {
  std::vector<std::string> names;
  for (const auto& [name, speaker] : input.planner.model().speakers) {
    if (!input.node.has_value() || *input.node == name) names.push_back(name);
  }
  return names;
}

// For one node: what is said about it, and about the rack it speaks for.
std::vector<Reason> Reasons(const RenderInput& input) {
  const Model& model = input.planner.model();
  std::vector<Reason> reasons = Explain(model);
  if (input.node.has_value()) {
    const auto node = model.nodes.find(*input.node);
    const bool speaks = model.speakers.contains(*input.node) && node->second.InRack();
    std::erase_if(reasons, [&](const Reason& reason) {
      return reason.node != *input.node && !(speaks && reason.rack == node->second.rack);
    });
  }
  std::stable_sort(reasons.begin(), reasons.end(), [](const Reason& a, const Reason& b) {
    return a.address.ToString() < b.address.ToString();
  });
  return reasons;
}

std::vector<std::string> CommunityTexts(const PathAttributes& attributes) {
  std::vector<std::string> texts;
  for (const uint32_t value : attributes.communities)
    texts.push_back(FormatCommunity(network::StandardCommunity{value}));
  for (const uint64_t value : attributes.extended_communities)
    texts.push_back(FormatCommunity(network::ExtendedCommunity{value}));
  for (const LargeCommunity& parts : attributes.large_communities)
    texts.push_back(FormatCommunity(network::LargeCommunity{parts}));
  return texts;
}

// What the route says beyond its next hops, in the words of spec.advertise.
Value AttributesValue(const PathAttributes& attributes) {
  Value::Map map;
  if (std::vector<std::string> texts = CommunityTexts(attributes); !texts.empty())
    map["communities"] = Texts(std::move(texts), /*sort=*/false);
  if (attributes.med) map["med"] = *attributes.med;
  if (attributes.local_pref) map["localPref"] = *attributes.local_pref;
  if (attributes.prepend) map["prepend"] = *attributes.prepend;
  return map;
}

// The same in one line.
std::string AttributesText(const AnnouncedRoute& route) {
  std::vector<std::string> texts = CommunityTexts(route.attributes);
  const auto add = [&](absl::string_view name, const std::optional<uint32_t>& value) {
    if (value) texts.push_back(absl::StrCat(name, "=", *value));
  };
  add("med", route.attributes.med);
  add("localPref", route.attributes.local_pref);
  add("prepend", route.attributes.prepend);
  if (!route.weights.empty())
    texts.push_back(absl::StrCat("weights=", absl::StrJoin(route.weights, ",")));
  for (const IpAddress& address : route.draining)
    texts.push_back(absl::StrCat("draining=", address.ToString()));
  return absl::StrJoin(texts, " ");
}

std::vector<std::string> Eips(const AggregateView& aggregate) {
  return {aggregate.pools.begin(), aggregate.pools.end()};
}

Value RouteValue(const Model& model, const AnnouncedRoute& route) {
  Value::Map map{{"prefix", route.prefix.ToString()},
                 {"nextHops", Texts(Texts(route.next_hops), /*sort=*/false)},
                 {"service", Texts(route.services, /*sort=*/true)}};
  if (const auto it = model.aggregates.find(route.prefix); it != model.aggregates.end())
    map["eip"] = Texts(Eips(it->second), /*sort=*/true);
  if (!route.attributes.empty()) map["attributes"] = AttributesValue(route.attributes);
  if (!route.weights.empty())
    map["weights"] = Value::List(route.weights.begin(), route.weights.end());
  if (!route.draining.empty())
    map["draining"] = Texts(Texts({route.draining.begin(), route.draining.end()}), /*sort=*/false);
  return map;
}

Value PeersValue(const RenderInput& input, const std::string& speaker) {
  Value::Map peers;
  for (auto& [neighbor, peer] : Announcements(input.planner, speaker, input.add_path)) {
    std::vector<AnnouncedRoute> routes = peer.routes;
    std::sort(routes.begin(), routes.end(), [](const AnnouncedRoute& a, const AnnouncedRoute& b) {
      return a.prefix.ToString() < b.prefix.ToString();
    });
    Value::List list;
    for (const AnnouncedRoute& route : routes) {
      list.push_back(RouteValue(input.planner.model(), route));
    }
    Value::Map map = {{"peer", peer.peer}, {"down", peer.down}, {"routes", std::move(list)}};
    Value::Map rejected;
    for (const auto& [prefix, statement] : peer.rejected) rejected[prefix.ToString()] = statement;
    if (!rejected.empty()) map["rejected"] = std::move(rejected);
    peers[neighbor.ToString()] = std::move(map);
  }
  return peers;
}

// Columns as wide as their widest cell; the last one is not padded.
std::string Table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      absl::StrAppend(&line, row[i], std::string(widths[i] - row[i].size() + 2, ' '));
    }
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&out, line, "\n");
  }
  return out;
}

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

// Which host routes of an aggregate's addresses there are.
const char* HostRoutes(const AggregateView& view) {
  if (view.route.kind == AddressView::Kind::kNone) return "only";
  return view.host_routes ? "beside" : "none";
}

Value AggregatesValue(const Model& model) {
  Value::Map aggregates;
  for (const auto& [prefix, view] : model.aggregates) {
    Value::Map map = {{"eip", Texts(Eips(view), /*sort=*/true)},
                      {"addresses", static_cast<int64_t>(view.addresses)},
                      {"announced", view.route.kind != AddressView::Kind::kNone},
                      {"hostRoutes", HostRoutes(view)}};
    if (view.refusal != AggregateView::Refusal::kNone) map["refused"] = RefusalText(model, prefix);
    aggregates[prefix.ToString()] = std::move(map);
  }
  return aggregates;
}

// Empty: there are none.
std::string AggregatesText(const Model& model) {
  std::vector<std::vector<std::string>> rows = {
      {"AGGREGATE", "EIP", "ADDRESSES", "ANNOUNCED", "HOST ROUTES"}};
  for (const auto& [prefix, view] : model.aggregates) {
    const bool announced = view.route.kind != AddressView::Kind::kNone;
    rows.push_back({prefix.ToString(), absl::StrJoin(view.pools, ","), absl::StrCat(view.addresses),
                    announced ? "yes" : "refused", HostRoutes(view)});
  }
  return rows.size() == 1 ? "" : absl::StrCat(Table(rows), "\n");
}

// The Layer 2 addresses that a node answers for, or stands by for.
Value Layer2Value(const Model& model, const std::string& node) {
  Value::Map addresses;
  for (const auto& [address, view] : model.layer2) {
    if (std::find(view.ranks.begin(), view.ranks.end(), node) == view.ranks.end()) continue;
    addresses[address.ToString()] = Value::Map{{"pool", view.pool},
                                               {"ranks", Texts(view.ranks, /*sort=*/false)},
                                               {"service", Texts(view.services, /*sort=*/true)}};
  }
  return addresses;
}

// Owners first, then who stands by; empty: there are no such addresses.
std::string Layer2Text(const RenderInput& input) {
  std::vector<std::vector<std::string>> rows = {{"LAYER 2 ADDRESS", "POOL", "OWNER", "STANDBYS"}};
  for (const auto& [address, view] : input.planner.model().layer2) {
    const std::vector<std::string>& ranks = view.ranks;
    if (input.node && std::find(ranks.begin(), ranks.end(), *input.node) == ranks.end()) continue;
    const size_t standbys = std::min<size_t>(1, ranks.size());
    rows.push_back(
        {address.ToString(), view.pool, ranks.empty() ? "-" : ranks.front(),
         OrDash(absl::StrJoin(ranks.begin() + static_cast<int>(standbys), ranks.end(), " "))});
  }
  return rows.size() == 1 ? "" : absl::StrCat(Table(rows), "\n");
}

// The virtual routers that a node takes part in, by interface, family and id.
Value VrrpValue(const Model& model, const std::string& node) {
  Value::Map routers;
  for (const auto& [id, router] : model.routers) {
    const auto link = router.links->find(node);
    if (link == router.links->end()) continue;
    const std::vector<IpAddress> addresses = HeldBy(model, router);
    const int family = static_cast<int>(id.family);
    routers[absl::StrCat(link->second, "/", family, "/", id.vrid)] =
        Value::Map{{"priority", router.priorities.at(node)},
                   {"nodes", Texts(InOrder(router.priorities, *router.links), /*sort=*/false)},
                   {"addresses", Texts(Texts(addresses), /*sort=*/true)}};
  }
  return routers;
}

// By address, the nodes in the order in which they take over; empty: there are no such addresses.
std::string VipText(const RenderInput& input) {
  const Model& model = input.planner.model();
  std::vector<std::vector<std::string>> rows = {{"VIP ADDRESS", "POOL", "VRID", "NODES"}};
  for (const auto& [address, view] : model.vips) {
    if (input.node && !view.links->contains(*input.node)) continue;
    const auto router = model.routers.find({address.family(), view.vrid});
    const bool held = router != model.routers.end() && !view.links->empty();
    rows.push_back(
        {address.ToString(), view.pool, held ? absl::StrCat(view.vrid) : "-",
         held ? absl::StrJoin(InOrder(router->second.priorities, *view.links), " ") : "-"});
  }
  return rows.size() == 1 ? "" : absl::StrCat(Table(rows), "\n");
}

}  // namespace

std::string RenderJson(const RenderInput& input) {
  Value::Map services;
  for (const auto& [key, row] : input.services) {
    services[key] = Value::Map{{"addresses", Texts(row.addresses, /*sort=*/true)},
                               {"pool", row.pool},
                               {"pending", row.pending}};
  }
  Value::Map speakers;
  for (const std::string& name : Speakers(input)) {
    speakers[name] = Value::Map{{"rack", ShownRack(input.planner.model().nodes.at(name))},
                                {"bgpPeers", PeersValue(input, name)},
                                {"layer2", Layer2Value(input.planner.model(), name)},
                                {"vrrp", VrrpValue(input.planner.model(), name)}};
  }
  Value::List reasons;
  for (const Reason& reason : Reasons(input)) {
    Value::Map map = {{"address", reason.address.ToString()},
                      {"rack", reason.rack},
                      {"node", reason.node},
                      {"included", reason.included()},
                      {"rule", TextOf(reason.rule).name},
                      {"detail", reason.detail}};
    if (reason.aggregate.has_value()) map["aggregate"] = reason.aggregate->ToString();
    reasons.push_back(std::move(map));
  }
  Value::List problems;
  for (const Problem& problem : input.planner.Problems()) {
    problems.push_back(Value::Map{{"object", problem.about.ToString()},
                                  {"reason", problem.reason},
                                  {"message", problem.message}});
  }
  Value::Map plan = {{"services", std::move(services)},
                     {"speakers", std::move(speakers)},
                     {"reasons", std::move(reasons)},
                     {"problems", std::move(problems)}};
  const Model& model = input.planner.model();
  if (!model.aggregates.empty()) plan["aggregates"] = AggregatesValue(model);
  return codec::ToJson(std::move(plan), /*indent=*/2) + "\n";
}

std::string RenderTable(const RenderInput& input) {
  std::vector<std::vector<std::string>> services = {{"SERVICE", "ADDRESSES", "POOL", "PENDING"}};
  for (const auto& [key, row] : input.services) {
    services.push_back(
        {key, OrDash(absl::StrJoin(row.addresses, ",")), OrDash(row.pool), row.pending});
  }
  std::vector<std::vector<std::string>> speakers = {
      {"SPEAKER", "RACK", "PEER", "ROUTER", "PREFIX", "NEXT HOPS"}};
  const size_t columns = speakers.front().size();
  for (const std::string& name : Speakers(input)) {
    const std::string rack = OrDash(ShownRack(input.planner.model().nodes.at(name)));
    const auto peers = Announcements(input.planner, name, input.add_path);
    if (peers.empty()) speakers.push_back({name, rack, "-", "-", "-", "no BGP peer"});
    for (const auto& [neighbor, peer] : peers) {
      for (const auto& [prefix, statement] : peer.rejected) {
        speakers.push_back({name, rack, peer.peer, neighbor.ToString(), prefix.ToString(),
                            absl::StrCat("rejected by ", statement)});
      }
      if (peer.routes.empty() && peer.rejected.empty()) {
        speakers.push_back({name, rack, peer.peer, neighbor.ToString(), "-",
                            peer.down.empty() ? "nothing" : "stays down: " + peer.down});
      }
      for (const AnnouncedRoute& route : peer.routes) {
        speakers.push_back({name, rack, peer.peer, neighbor.ToString(), route.prefix.ToString(),
                            absl::StrJoin(Texts(route.next_hops), " "), AttributesText(route)});
      }
    }
  }
  const bool any_attributes = std::any_of(speakers.begin(), speakers.end(), [&](const auto& row) {
    return row.size() > columns && !row.back().empty();
  });
  if (any_attributes) speakers.front().push_back("ATTRIBUTES");
  std::vector<std::vector<std::string>> reasons = {
      {"ADDRESS", "RACK", "NODE", "NEXT HOP", "RULE", "WHY"}};
  for (const Reason& reason : Reasons(input)) {
    reasons.push_back({reason.address.ToString(), OrDash(reason.rack), reason.node,
                       reason.included() ? "yes" : "no", TextOf(reason.rule).name, reason.detail});
  }
  std::string out = absl::StrCat(Table(services), "\n", Table(speakers), "\n",
                                 AggregatesText(input.planner.model()), Layer2Text(input),
                                 VipText(input), Table(reasons));
  const std::vector<Problem> problems = input.planner.Problems();
  if (problems.empty()) return out;
  std::vector<std::vector<std::string>> table = {{"OBJECT", "PROBLEM", "MESSAGE"}};
  for (const Problem& problem : problems)
    table.push_back({problem.about.ToString(), problem.reason, problem.message});
  return absl::StrCat(out, "\n", Table(table));
}

}  // namespace openelb::plan
