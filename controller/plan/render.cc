#include "controller/plan/render.h"

#include <algorithm>
#include <functional>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
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

// Sorted as text.
std::vector<IpAddress> Addresses(const Model& model) {
  std::vector<std::pair<std::string, IpAddress>> texts;
  for (const auto& [address, view] : model.addresses)
    texts.emplace_back(address.ToString(), address);
  std::sort(texts.begin(), texts.end());
  std::vector<IpAddress> addresses;
  for (const auto& [text, address] : texts) addresses.push_back(address);
  return addresses;
}

// For one node: what is said about it, and about the rack it speaks for.
std::vector<Reason> Reasons(const RenderInput& input, const IpAddress& address) {
  const Model& model = input.planner.model();
  std::vector<Reason> reasons =
      Explain(model, {.address = address, .rack = {}, .node = input.node});
  if (!input.node.has_value()) return reasons;
  const auto node = model.nodes.find(*input.node);
  if (!model.speakers.contains(*input.node) || !node->second.InRack()) return reasons;
  for (Reason& reason :
       Explain(model, {.address = address, .rack = node->second.rack, .node = {}})) {
    if (reason.node != *input.node) reasons.push_back(std::move(reason));
  }
  std::sort(reasons.begin(), reasons.end(), [](const Reason& a, const Reason& b) {
    return std::tie(a.rack, a.node) < std::tie(b.rack, b.node);
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

// A table with a blank line after it, or nothing where there are no rows below the first.
void PrintSection(const std::vector<Row>& rows, const Out& out) {
  if (rows.size() == 1) return;
  PrintTable([&](const auto& row) { std::for_each(rows.begin(), rows.end(), row); }, out);
  out("\n");
}

void PrintAggregates(const Model& model, const Out& out) {
  std::vector<Row> rows = {{"AGGREGATE", "EIP", "ADDRESSES", "ANNOUNCED", "HOST ROUTES"}};
  for (const auto& [prefix, view] : model.aggregates) {
    const bool announced = view.route.kind != AddressView::Kind::kNone;
    rows.push_back({prefix.ToString(), absl::StrJoin(view.pools, ","), absl::StrCat(view.addresses),
                    announced ? "yes" : "refused", HostRoutes(view)});
  }
  PrintSection(rows, out);
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

// Owners first, then who stands by.
void PrintLayer2(const RenderInput& input, const Out& out) {
  std::vector<Row> rows = {{"LAYER 2 ADDRESS", "POOL", "OWNER", "STANDBYS"}};
  for (const auto& [address, view] : input.planner.model().layer2) {
    const std::vector<std::string>& ranks = view.ranks;
    if (input.node && std::find(ranks.begin(), ranks.end(), *input.node) == ranks.end()) continue;
    const size_t standbys = std::min<size_t>(1, ranks.size());
    rows.push_back(
        {address.ToString(), view.pool, ranks.empty() ? "-" : ranks.front(),
         OrDash(absl::StrJoin(ranks.begin() + static_cast<int>(standbys), ranks.end(), " "))});
  }
  PrintSection(rows, out);
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

// By address, the nodes in the order in which they take over.
void PrintVip(const RenderInput& input, const Out& out) {
  const Model& model = input.planner.model();
  std::vector<Row> rows = {{"VIP ADDRESS", "POOL", "VRID", "NODES"}};
  for (const auto& [address, view] : model.vips) {
    if (input.node && !view.links->contains(*input.node)) continue;
    const auto router = model.routers.find({address.family(), view.vrid});
    const bool held = router != model.routers.end() && !view.links->empty();
    rows.push_back(
        {address.ToString(), view.pool, held ? absl::StrCat(view.vrid) : "-",
         held ? absl::StrJoin(InOrder(router->second.priorities, *view.links), " ") : "-"});
  }
  PrintSection(rows, out);
}

Value ReasonValue(const Reason& reason) {
  Value::Map map = {{"address", reason.address.ToString()},
                    {"rack", reason.rack},
                    {"node", reason.node},
                    {"included", reason.included()},
                    {"rule", TextOf(reason.rule).name},
                    {"detail", reason.detail}};
  if (reason.aggregate.has_value()) map["aggregate"] = reason.aggregate->ToString();
  return map;
}

Value ProblemsValue(const std::vector<Problem>& problems) {
  Value::List list;
  for (const Problem& problem : problems) {
    list.push_back(Value::Map{{"object", problem.about.ToString()},
                              {"reason", problem.reason},
                              {"message", problem.message}});
  }
  return list;
}

void ServiceRows(const RenderInput& input, const std::function<void(const Row&)>& row) {
  row({"SERVICE", "ADDRESSES", "POOL", "PENDING"});
  for (const auto& [key, service] : input.services)
    row({key, OrDash(absl::StrJoin(service.addresses, ",")), OrDash(service.pool),
         service.pending});
}

// Whether some route says more than its next hops.
bool AnyAttributes(const RenderInput& input) {
  for (const std::string& name : Speakers(input)) {
    for (const auto& [neighbor, peer] : Announcements(input.planner, name, input.add_path)) {
      if (std::any_of(peer.routes.begin(), peer.routes.end(),
                      [](const auto& route) { return !AttributesText(route).empty(); }))
        return true;
    }
  }
  return false;
}

void SpeakerRows(const RenderInput& input, bool attributes,
                 const std::function<void(const Row&)>& row) {
  Row header = {"SPEAKER", "RACK", "PEER", "ROUTER", "PREFIX", "NEXT HOPS"};
  if (attributes) header.push_back("ATTRIBUTES");
  row(header);
  for (const std::string& name : Speakers(input)) {
    const std::string rack = OrDash(ShownRack(input.planner.model().nodes.at(name)));
    const auto peers = Announcements(input.planner, name, input.add_path);
    if (peers.empty()) row({name, rack, "-", "-", "-", "no BGP peer"});
    for (const auto& [neighbor, peer] : peers) {
      for (const auto& [prefix, statement] : peer.rejected) {
        row({name, rack, peer.peer, neighbor.ToString(), prefix.ToString(),
             absl::StrCat("rejected by ", statement)});
      }
      if (peer.routes.empty() && peer.rejected.empty()) {
        row({name, rack, peer.peer, neighbor.ToString(), "-",
             peer.down.empty() ? "nothing" : "stays down: " + peer.down});
      }
      for (const AnnouncedRoute& route : peer.routes) {
        row({name, rack, peer.peer, neighbor.ToString(), route.prefix.ToString(),
             absl::StrJoin(Texts(route.next_hops), " "), AttributesText(route)});
      }
    }
  }
}

void ReasonRows(const RenderInput& input, const std::function<void(const Row&)>& row) {
  row({"ADDRESS", "RACK", "NODE", "NEXT HOP", "RULE", "WHY"});
  for (const IpAddress& address : Addresses(input.planner.model())) {
    for (const Reason& reason : Reasons(input, address)) {
      row({reason.address.ToString(), OrDash(reason.rack), reason.node,
           reason.included() ? "yes" : "no", TextOf(reason.rule).name, reason.detail});
    }
  }
}

}  // namespace

void RenderJson(const RenderInput& input, const Out& out) {
  const Model& model = input.planner.model();
  JsonStream json(out);
  if (!model.aggregates.empty()) json.Member("aggregates", AggregatesValue(model));
  json.Member("problems", ProblemsValue(input.planner.Problems()));
  json.BeginList("reasons");
  for (const IpAddress& address : Addresses(model)) {
    for (const Reason& reason : Reasons(input, address)) json.Item(ReasonValue(reason));
  }
  json.End();
  json.BeginMap("services");
  for (const auto& [key, row] : input.services) {
    json.Member(key, Value::Map{{"addresses", Texts(row.addresses, /*sort=*/true)},
                                {"pool", row.pool},
                                {"pending", row.pending}});
  }
  json.End();
  json.BeginMap("speakers");
  for (const std::string& name : Speakers(input)) {
    json.Member(name, Value::Map{{"rack", ShownRack(model.nodes.at(name))},
                                 {"bgpPeers", PeersValue(input, name)},
                                 {"layer2", Layer2Value(model, name)},
                                 {"vrrp", VrrpValue(model, name)}});
  }
  json.End();
  json.End();
}

void RenderTable(const RenderInput& input, const Out& out) {
  PrintTable([&](const auto& row) { ServiceRows(input, row); }, out);
  out("\n");
  const bool attributes = AnyAttributes(input);
  PrintTable([&](const auto& row) { SpeakerRows(input, attributes, row); }, out);
  out("\n");
  PrintAggregates(input.planner.model(), out);
  PrintLayer2(input, out);
  PrintVip(input, out);
  PrintTable([&](const auto& row) { ReasonRows(input, row); }, out);
  const std::vector<Problem> problems = input.planner.Problems();
  if (problems.empty()) return;
  out("\n");
  PrintTable(
      [&](const auto& row) {
        row({"OBJECT", "PROBLEM", "MESSAGE"});
        for (const Problem& problem : problems)
          row({problem.about.ToString(), problem.reason, problem.message});
      },
      out);
}

}  // namespace openelb::plan
