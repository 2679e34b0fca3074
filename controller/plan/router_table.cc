#include "controller/plan/router_table.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace openelb::plan {
namespace {

// Groups of assignments. Of an address: the id of its router. Of a router: priorities by node, the
// nodes whose hearing does not count, the id it left.
constexpr absl::string_view kVipGroup = "vip/";
constexpr absl::string_view kPriorityGroup = "vrrp/";
constexpr absl::string_view kHeardOursGroup = "vrrp-heard-ours/";
constexpr absl::string_view kLeftGroup = "vrrp-left/";
constexpr const char* kVrid = "vrid";

std::string Group(absl::string_view group, const RouterId& id) {
  return absl::StrCat(group, static_cast<int>(id.family), "/", id.vrid);
}

std::optional<RouterId> ParseId(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  int family = 0;
  RouterId id;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &family) || (family != 4 && family != 6) ||
      !absl::SimpleAtoi(parts[1], &id.vrid) || id.vrid < 1 || id.vrid > 255) {
    return std::nullopt;
  }
  id.family = static_cast<Family>(family);
  return id;
}

bool Hears(const Model& model, const std::string& node, const std::string& interface,
           const RouterId& id) {
  const auto it = model.nodes.find(node);
  return it != model.nodes.end() && it->second.heard.contains({interface, id});
}

// How many routers each node leads.
std::map<std::string, size_t> Leads(const Model& model) {
  std::map<std::string, size_t> leads;
  for (const auto& [id, router] : model.routers) {
    if (!router.links->empty()) ++leads[InOrder(router.priorities, *router.links).front()];
  }
  return leads;
}

}  // namespace

// ---- assignments ----

bool RouterTable::IsOurs(const Assignment& assignment) {
  return absl::StartsWith(assignment.group, kVipGroup) ||
         absl::StartsWith(assignment.group, "vrrp");
}

void RouterTable::Load(const Assignment& assignment) {
  absl::string_view name = assignment.group;
  if (absl::ConsumePrefix(&name, kVipGroup)) {
    const absl::StatusOr<IpAddress> address = IpAddress::Parse(name);
    int vrid = 0;
    if (!address.ok() || !absl::SimpleAtoi(assignment.node, &vrid)) return;
    loaded_.vrids[*address] = vrid;
    return;
  }
  const bool priority = absl::ConsumePrefix(&name, kPriorityGroup);
  const bool heard_ours = absl::ConsumePrefix(&name, kHeardOursGroup);
  if (!priority && !heard_ours && !absl::ConsumePrefix(&name, kLeftGroup)) return;
  const std::optional<RouterId> id = ParseId(name);
  int number = 0;
  if (!id || (!heard_ours && !absl::SimpleAtoi(assignment.node, &number))) return;
  RouterView& router = loaded_.routers[*id];
  if (priority) {
    router.priorities[assignment.speaker] = std::clamp(number, 1, kHighestPriority);
  } else if (heard_ours) {
    router.heard_ours.insert(assignment.speaker);
  } else {
    router.left_vrid = number;
  }
}

void RouterTable::Load(const IpAddress& address, int vrid, const std::string& node, int priority) {
  const bool valid = vrid >= 1 && vrid <= 255 && priority >= 1 && priority <= kHighestPriority;
  if (!valid) return;
  loaded_.vrids[address] = vrid;
  auto& priorities = loaded_.routers[{address.family(), vrid}].priorities;
  // Plans of different age may give two nodes the same one.
  std::erase_if(priorities, [&](const auto& entry) { return entry.second == priority; });
  priorities[node] = priority;
}

void RouterTable::AddAssignments(const Model& model, std::vector<Assignment>* out) const {
  const auto add_address = [&](const IpAddress& address, int vrid) {
    out->push_back({absl::StrCat(kVipGroup, address.ToString()), kVrid, absl::StrCat(vrid)});
  };
  const auto add_router = [&](const RouterId& id, const RouterView& router) {
    for (const auto& [node, priority] : router.priorities)
      out->push_back({Group(kPriorityGroup, id), node, absl::StrCat(priority)});
    for (const std::string& node : router.heard_ours)
      out->push_back({Group(kHeardOursGroup, id), node, node});
    if (router.left_vrid != 0)
      out->push_back({Group(kLeftGroup, id), kVrid, absl::StrCat(router.left_vrid)});
  };
  for (const auto& [address, view] : model.vips) {
    if (view.vrid != 0) add_address(address, view.vrid);
  }
  for (const auto& [id, router] : model.routers) add_router(id, router);
  for (const auto& [address, vrid] : loaded_.vrids) add_address(address, vrid);
  for (const auto& [id, router] : loaded_.routers) add_router(id, router);
}

// Nodes that have a priority count as having taken part until now.
void RouterTable::TakeLoaded(Model* model, std::set<IpAddress>* addresses) {
  Loaded loaded = std::exchange(loaded_, {});
  for (const auto& [address, vrid] : loaded.vrids) {
    const RouterId id{address.family(), vrid};
    const auto [it, added] = model->routers.try_emplace(id);
    RouterView& router = it->second;
    if (added) {
      router = std::move(loaded.routers[id]);  // no priorities: all its nodes are gone
      Links before;
      for (const auto& [node, priority] : router.priorities) before[node];
      router.links = Intern(std::move(before));
    }
    router.addresses.insert(address);
    model->vips[address].vrid = vrid;
    addresses->insert(address);
  }
}

// ---- routers ----

void RouterTable::SetPatient(bool patient) {
  resumed_ |= patient_ && !patient && !waiting_.empty();
  patient_ = patient;
}

bool RouterTable::TakeResumed() { return std::exchange(resumed_, false); }

std::shared_ptr<const Links> RouterTable::Intern(Links links) {
  std::weak_ptr<const Links>& known = known_links_[links];
  std::shared_ptr<const Links> held = known.lock();
  if (held == nullptr) known = held = std::make_shared<const Links>(std::move(links));
  return held;
}

std::set<RouterId> RouterTable::Update(const std::set<IpAddress>& looked_at,
                                       const std::set<std::string>& hear_otherwise, Model* model) {
  std::set<RouterId> routers;
  for (const IpAddress& address : looked_at) {
    const auto it = model->vips.find(address);
    const VipView& view = it->second;
    waiting_.erase(address);
    const RouterId id{address.family(), view.vrid};
    if (view.vrid != 0) routers.insert(id);
    if (view.services.empty()) {
      if (view.vrid != 0) model->routers.at(id).addresses.erase(address);
      model->vips.erase(it);
    } else if (view.vrid == 0 && !view.links->empty()) {
      waiting_.insert(address);
    }
  }
  for (const RouterId& id : routers) Settle(id, model);
  routers.insert(conflicts_.begin(), conflicts_.end());
  for (const auto& [id, router] : model->routers) {
    const auto& links = *router.links;
    if (std::any_of(hear_otherwise.begin(), hear_otherwise.end(),
                    [&links](const std::string& node) { return links.contains(node); }))
      routers.insert(id);
  }
  std::erase_if(conflicts_, [&](const RouterId& id) { return !model->routers.contains(id); });
  changed_ = routers;
  // A move gives an id back, which another one may have waited for.
  for (bool moved = true; moved;) {
    moved = false;
    for (const RouterId& id : routers)
      moved |= model->routers.contains(id) && AvoidForeign(id, model);
  }
  if (!patient_)
    std::erase_if(waiting_, [&](const IpAddress& address) { return Place(address, model); });
  std::erase_if(known_links_, [](const auto& entry) { return entry.second.expired(); });
  return std::exchange(changed_, {});
}

void RouterTable::Settle(const RouterId& id, Model* model) {
  const auto it = model->routers.find(id);
  RouterView& router = it->second;
  std::vector<std::pair<std::shared_ptr<const Links>, size_t>> parts;  // by their first address
  for (const IpAddress& address : router.addresses) {
    const auto& links = model->vips.at(address).links;
    if (links->empty()) continue;
    const auto part =
        std::find_if(parts.begin(), parts.end(), [&](const auto& p) { return p.first == links; });
    if (part == parts.end())
      parts.emplace_back(links, 1);
    else
      ++part->second;
  }
  const std::shared_ptr<const Links> before = router.links;
  // Those whose links stay, stay; else most of them.
  const auto rank = [&](const auto& part) { return std::pair(part.first == before, part.second); };
  const auto staying = std::max_element(
      parts.begin(), parts.end(), [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  router.links = parts.empty() ? Intern({}) : staying->first;
  std::erase_if(router.addresses, [&](const IpAddress& address) {
    VipView& view = model->vips.at(address);
    if (view.links->empty() || view.links == router.links) return false;
    view.vrid = 0;
    waiting_.insert(address);
    return true;
  });
  if (router.addresses.empty()) {
    model->routers.erase(it);
    return;
  }
  std::erase_if(router.priorities,
                [&](const auto& entry) { return !model->nodes.contains(entry.first); });
  for (const auto& [node, interface] : *router.links) {
    if (!before->contains(node) && Hears(*model, node, interface, id))
      router.heard_ours.insert(node);
    if (!router.priorities.contains(node)) AdmitLast(node, *router.links, &router.priorities);
  }
}

bool RouterTable::AvoidForeign(const RouterId& id, Model* model) {
  const auto it = model->routers.find(id);
  RouterView& router = it->second;
  std::erase_if(router.heard_ours, [&](const std::string& node) {
    const auto link = router.links->find(node);
    return link == router.links->end() || !Hears(*model, node, link->second, id);
  });
  size_t hearing = 0;
  bool left_heard = false;
  for (const auto& [node, interface] : *router.links) {
    hearing += Hears(*model, node, interface, id) && !router.heard_ours.contains(node);
    left_heard |= Hears(*model, node, interface, {id.family, router.left_vrid});
  }
  if (!left_heard) router.left_vrid = 0;
  conflicts_.erase(id);
  if (hearing > 0 || router.left_vrid != 0) conflicts_.insert(id);
  const bool foreign = hearing > 0 && hearing == router.links->size();
  if (!foreign && InRange(id)) return false;
  const auto to = FreeId(*router.addresses.begin(), *router.links, model);
  if (!to) return false;
  auto moving = model->routers.extract(id);
  moving.key() = *to;
  moving.mapped().heard_ours.clear();
  moving.mapped().left_vrid = foreign ? id.vrid : 0;
  for (const IpAddress& address : moving.mapped().addresses)
    model->vips.at(address).vrid = to->vrid;
  model->routers.insert(std::move(moving));
  conflicts_.erase(id);
  if (foreign) conflicts_.insert(*to);
  changed_.insert(*to);
  return true;
}

std::optional<RouterId> RouterTable::FreeId(const IpAddress& start, const Links& links,
                                            Model* model) {
  const auto is_heard = [&](const RouterId& id) {
    return std::any_of(links.begin(), links.end(), [&](const auto& link) {
      return Hears(*model, link.first, link.second, id);
    });
  };
  const int size = options_.last_vrid - options_.first_vrid + 1;
  const int offset = static_cast<int>(absl::Uint128Low64(start.Ordinal() % size));
  for (int i = 0; i < size; ++i) {
    const RouterId id{start.family(), options_.first_vrid + (offset + i) % size};
    if (!model->routers.contains(id) && !is_heard(id)) return id;
  }
  // One that nobody can use now gives way.
  for (auto it = model->routers.begin(); it != model->routers.end(); ++it) {
    const RouterId id = it->first;
    const bool idle = it->second.links->empty() && InRange(id);
    if (id.family != start.family() || !idle || is_heard(id)) continue;
    for (const IpAddress& address : it->second.addresses) model->vips.at(address).vrid = 0;
    model->routers.erase(it);
    return id;
  }
  return std::nullopt;
}

bool RouterTable::Place(const IpAddress& address, Model* model) {
  VipView& view = model->vips.at(address);
  const auto of_family = [&](const auto& entry) { return entry.first.family == address.family(); };
  size_t sharing = 0;
  auto emptiest = model->routers.end();
  for (auto it = model->routers.begin(); it != model->routers.end(); ++it) {
    if (!of_family(*it) || it->second.links != view.links) continue;
    ++sharing;
    if (emptiest == model->routers.end() ||
        it->second.addresses.size() < emptiest->second.addresses.size())
      emptiest = it;
  }
  // Sharing out must not use up the ids that other nodes need.
  const int size = options_.last_vrid - options_.first_vrid + 1;
  const auto used = std::count_if(model->routers.begin(), model->routers.end(), of_family);
  const bool another =
      sharing == 0 || (sharing < std::min(kMostRouters, view.links->size()) && 2 * used < size);
  const auto id = another ? FreeId(address, *view.links, model) : std::nullopt;
  if (id) {
    const std::map<std::string, size_t> leads = Leads(*model);
    const auto led = [&](const std::string& node) {
      const auto it = leads.find(node);
      return it == leads.end() ? size_t{0} : it->second;
    };
    std::vector<std::string> order;
    for (const auto& [node, interface] : *view.links) order.push_back(node);
    std::stable_sort(order.begin(), order.end(),
                     [&](const auto& a, const auto& b) { return led(a) < led(b); });
    RouterView router;
    router.links = view.links;
    router.priorities = SpreadPriorities(order);
    emptiest = model->routers.emplace(*id, std::move(router)).first;
  }
  if (emptiest == model->routers.end()) return false;
  emptiest->second.addresses.insert(address);
  view.vrid = emptiest->first.vrid;
  changed_.insert(emptiest->first);
  return true;
}

}  // namespace openelb::plan
