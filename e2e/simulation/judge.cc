#include "e2e/simulation/judge.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace openelb::simulation {
namespace {

// How long a speaker may take to have its session up and every path announced, once it runs and
// reaches the router.
constexpr absl::Duration kPresent = absl::Seconds(10);
constexpr absl::Duration kPresenceInterval = absl::Seconds(1);

}  // namespace

void Judge::AddSpeaker(const std::string& node, const std::string& address) {
  oracle_.AddSpeaker(node, absl::StrCat(address, "/24"));
  nodes_[IpAddress::Parse(address).value()] = node;
}

void Judge::AddRouter(const std::string& name, const std::string& address) {
  routers_[IpAddress::Parse(address).value()] = {.name = name};
}

void Judge::ForgiveLoss(const std::string& node) {
  std::erase_if(given_, [&](const auto& entry) { return entry.first.node == node; });
}

void Judge::Violation(const std::string& what) {
  violations_.push_back(
      absl::StrCat(absl::FormatDuration(world_->scheduler().Monotonic()), " ", what));
  world_->log().Add("judge", what);
}

void Judge::Check() {
  oracle_.Update();
  CheckAddresses();
  CheckWell();
  for (auto& [address, router] : routers_) CheckRouter(address, &router);
  const absl::Duration now = world_->scheduler().Monotonic();
  if (now >= presence_checked_ + kPresenceInterval) {
    presence_checked_ = now;
    CheckPresence();
  }
}

void Judge::CheckAddresses() {
  std::map<std::string, ObjectKey> holders;
  for (const auto& [service, status] : world_->cluster().services()) {
    if (!world_->cluster().objects().contains(service)) continue;
    for (const std::string& ip : status.ips) {
      const auto [holder, first] = holders.emplace(ip, service);
      if (!first) {
        Violation(absl::StrCat(ip, " is held by ", holder->second.ToString(), " and ",
                               service.ToString()));
      }
      const auto [held, is_new] = held_.emplace(service, ip);
      if (!is_new && held->second != ip) {
        Violation(absl::StrCat(service.ToString(), " had ", held->second, " and now has ", ip));
        held->second = ip;
      }
    }
  }
  std::erase_if(
      held_, [&](const auto& entry) { return !world_->cluster().objects().contains(entry.first); });
}

void Judge::CheckRouter(const IpAddress& address, Watched* router) {
  using Kind = bgp::TestRouter::Change::Kind;
  const auto& changes = world_->router(router->name).changes();
  for (; router->seen < changes.size(); ++router->seen) {
    const bgp::TestRouter::Change& change = changes[router->seen];
    const auto node = nodes_.find(change.neighbor);
    if (node == nodes_.end()) continue;
    const Path path{node->second, address, change.prefix, change.next_hop};
    switch (change.kind) {
      case Kind::kSessionUp:
        up_.insert({address, change.neighbor});
        break;
      case Kind::kSessionDown:
        up_.erase({address, change.neighbor});
        std::erase_if(announced_, [&](const auto& entry) {
          return entry.first.node == node->second && entry.first.peer == address;
        });
        break;
      case Kind::kAnnounced:
        announced_.emplace(path, change.time);
        break;
      case Kind::kWithdrawn: {
        ++withdrawals_;
        const auto since = announced_.find(path);
        if (since != announced_.end() && oracle_.WantedSince(path, since->second)) {
          Violation(absl::StrCat("withdrawn without a reason: ", path.ToString()));
        }
        announced_.erase(path);
        break;
      }
    }
  }
}

void Judge::CheckWell() {
  for (const auto& [router_address, router] : routers_) {
    for (const auto& [address, node] : nodes_) {
      if (world_->speaker(node) == nullptr || world_->network().IsCut(node, router.name)) {
        well_since_.erase({router_address, address});
      } else {
        well_since_.emplace(std::pair{router_address, address}, world_->scheduler().Monotonic());
      }
    }
  }
}

void Judge::CheckPresence() {
  const absl::Duration now = world_->scheduler().Monotonic();
  for (auto& [router_address, router] : routers_) {
    for (const auto& [address, node] : nodes_) {
      std::set<Path> held;
      if (up_.contains({router_address, address})) {
        for (const auto& [prefix, paths] : world_->router(router.name).table(address)) {
          for (const auto& [id, route] : paths) {
            held.insert({node, router_address, prefix, route.next_hop});
          }
        }
      }
      for (const Path& path : held) {
        if (oracle_.wanted().contains(path)) given_.emplace(path, Given{now});
      }
      const auto well = well_since_.find({router_address, address});
      if (well == well_since_.end() || well->second + kPresent > now) continue;
      for (const auto& [path, given] : given_) {
        if (path.node != node || path.peer != router_address || held.contains(path)) continue;
        if (oracle_.WantedSince(path, given.since))
          Violation(absl::StrCat("lost: ", path.ToString()));
      }
    }
  }
  std::erase_if(given_, [&](const auto& entry) {
    return !oracle_.WantedSince(entry.first, entry.second.since);
  });
}

void Judge::CheckQuiet() {
  Controller* controller = world_->controller();
  if (controller == nullptr) return Violation("quiet: no controller runs");
  std::set<Path> held;
  for (const auto& [address, node] : nodes_) {
    Speaker* speaker = world_->speaker(node);
    if (speaker == nullptr) return Violation(absl::StrCat("quiet: no speaker runs on ", node));
    uint64_t planned = 0;
    for (const std::string& name : controller->planner().SetsOf(node)) {
      const plan::ResourceSet* set = controller->planner().Find(name);
      if (set != nullptr) planned += set->hash();
    }
    if (speaker->store().state().hash != planned) {
      Violation(absl::StrCat("quiet: the speaker on ", node,
                             " holds another plan than the controller's"));
    }
    for (const auto& [router_address, router] : routers_) {
      if (!up_.contains({router_address, address})) continue;
      for (const auto& [prefix, paths] : world_->router(router.name).table(address)) {
        for (const auto& [id, route] : paths)
          held.insert({node, router_address, prefix, route.next_hop});
      }
    }
  }
  for (const Path& path : oracle_.wanted()) {
    if (!held.contains(path)) Violation(absl::StrCat("quiet: missing ", path.ToString()));
  }
  for (const Path& path : held) {
    if (!oracle_.wanted().contains(path))
      Violation(absl::StrCat("quiet: too much ", path.ToString()));
  }
}

}  // namespace openelb::simulation
