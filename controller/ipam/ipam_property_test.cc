// Random steps against an oracle that knows the rules but nothing of the implementation: it reads
// all objects each time and searches by brute force.

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <tuple>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/ipam/ipam_testing.h"
#include "controller/ipam/request.h"

namespace openelb::ipam {
namespace {

// Per seed.
#if defined(OPENELB_SANITIZED)
constexpr int kSteps = 1000;
#else
constexpr int kSteps = 10000;
#endif
constexpr int kServices = 28;
constexpr int kEips = 7;

// The cluster as the test made it.
struct World {
  std::map<std::string, network::Eip> eips;
  std::map<std::string, kube::Service> services;
  std::map<std::string, kube::Namespace> namespaces;
  // As the last step left it.
  std::map<std::string, IpRange> usable;
  std::string default_;
  std::set<std::string> in_use;  // Eips
};

using Held = std::map<std::string, Allocation>;  // by Service

std::optional<IpRange> RangeOf(const network::Eip& eip) {
  const auto range = IpRange::Parse(eip.address);
  return range.ok() ? std::optional(*range) : std::nullopt;
}

// The first of two Eips that both want something: by age, or else by who `has` it.
template <typename Rank>
bool Before(const World& world, const Rank& rank, const network::Eip* a, const network::Eip* b) {
  const auto key = [&](const network::Eip* eip) {
    absl::Time age = eip->meta.creation_timestamp;
    if (age == absl::InfinitePast() && rank(*eip) > 0) age = absl::InfiniteFuture();
    return std::tuple(age, rank(*eip), !world.in_use.contains(eip->meta.name), eip->meta.name);
  };
  return key(a) < key(b);
}

std::vector<const network::Eip*> Usable(const World& world) {
  std::vector<const network::Eip*> order;
  for (const auto& [name, eip] : world.eips) order.push_back(&eip);
  const auto rank = [&](const network::Eip& eip) {
    const auto before = world.usable.find(eip.meta.name);
    if (before == world.usable.end()) return 2;
    return RangeOf(eip) == before->second ? 0 : 1;
  };
  std::sort(order.begin(), order.end(),
            [&](const auto* a, const auto* b) { return Before(world, rank, a, b); });
  std::vector<const network::Eip*> usable;
  for (const network::Eip* eip : order) {
    const auto range = RangeOf(*eip);
    if (range && std::none_of(usable.begin(), usable.end(), [&](const auto* other) {
          return RangeOf(*other)->Overlaps(*range);
        })) {
      usable.push_back(eip);
    }
  }
  return usable;
}

const network::Eip* DefaultOf(const World& world) {
  const network::Eip* best = nullptr;
  const auto rank = [&](const network::Eip& eip) {
    return eip.meta.name == world.default_ ? 0 : 1;
  };
  for (const network::Eip* eip : Usable(world)) {
    if (!eip->meta.annotations.contains(network::kDefaultEip.openelb) ||
        eip->meta.deletion_timestamp) {
      continue;
    }
    if (best == nullptr || Before(world, rank, eip, best)) best = eip;
  }
  return best;
}

// What the next step is decided by.
void Settle(World* world) {
  const network::Eip* best = DefaultOf(*world);
  std::map<std::string, IpRange> usable;
  for (const network::Eip* eip : Usable(*world)) usable.emplace(eip->meta.name, *RangeOf(*eip));
  world->usable = std::move(usable);
  world->default_ = best != nullptr ? best->meta.name : "";
}

bool Gives(const network::Eip& eip, const Request& request) {
  return !eip.disable && !eip.meta.deletion_timestamp &&
         request.families.Has(RangeOf(eip)->family());
}

// The Eips that may give `service` something now, whether or not they have it.
std::vector<const network::Eip*> Sources(const World& world, const kube::Service& service) {
  const Request request = ReadRequest(service);
  std::vector<const network::Eip*> out;
  for (const network::Eip* eip : Usable(world)) {
    const bool is_default = eip->meta.name == world.default_;
    if (!Gives(*eip, request)) continue;
    if (!request.pool.empty()) {
      if (eip->meta.name == request.pool) out.push_back(eip);
      continue;
    }
    if (request.address) {
      out.push_back(eip);
      continue;
    }
    bool bound =
        std::count(eip->namespaces.begin(), eip->namespaces.end(), service.meta.namespace_) > 0;
    const auto ns = world.namespaces.find(service.meta.namespace_);
    if (!eip->namespace_selector.empty() && ns != world.namespaces.end()) {
      bound = bound || kube::LabelSelector{.match_labels = eip->namespace_selector}.Matches(
                           ns->second.meta.labels);
    }
    if ((bound || is_default) && (!request.protocol || request.protocol == eip->protocol))
      out.push_back(eip);
  }
  return out;
}

bool Clashes(const World& world, const Held& held, const std::string& key,
             const IpAddress& address) {
  const std::vector<Port> ports = ReadRequest(world.services.at(key)).ports;
  for (const auto& [other, allocation] : held) {
    if (other == key || allocation.addresses[0] != address) continue;
    for (const Port& port : ReadRequest(world.services.at(other)).ports) {
      if (std::count(ports.begin(), ports.end(), port) > 0) return true;
    }
  }
  return false;
}

bool HasFree(const IpRange& range, const Held& held) {
  std::set<IpAddress> used;
  for (const auto& [key, allocation] : held) {
    if (range.Contains(allocation.addresses[0])) used.insert(allocation.addresses[0]);
  }
  return absl::uint128(used.size()) < range.Size();
}

bool CouldBeServed(const World& world, const Held& held, const std::string& key) {
  const kube::Service& service = world.services.at(key);
  const Request request = ReadRequest(service);
  if (!request.error.empty()) return false;
  for (const network::Eip* eip : Sources(world, service)) {
    const IpRange range = *RangeOf(*eip);
    if (request.address
            ? range.Contains(*request.address) && !Clashes(world, held, key, *request.address)
            : HasFree(range, held)) {
      return true;
    }
  }
  return false;
}

bool Contradicts(const Request& request, const Allocation& held) {
  const IpAddress& address = held.addresses[0];
  return (request.address && *request.address != address) ||
         (!request.pool.empty() && request.pool != held.pool) ||
         !request.families.Has(address.family());
}

class PropertyTest : public ::testing::TestWithParam<int> {
 protected:
  int Pick(int n) { return static_cast<int>(random_() % n); }
  bool OneIn(int n) { return Pick(n) == 0; }
  std::string AnEip() { return absl::StrCat("eip", Pick(kEips)); }
  std::string ANamespace() { return absl::StrCat("ns", Pick(3)); }

  network::Eip RandomEip(const std::string& name) {
    static constexpr const char* kAddresses[] = {
        "10.0.0.0/29",   "10.0.0.4-10.0.0.9", "10.0.0.8/30",    "10.0.0.16",
        "10.0.0.12/31",  "10.0.0.0/32",       "2001:db8::/126", "2001:db8::2-2001:db8::9",
        "2001:db8::/64", "10.0.0.20/30",      "10.0.0.0/33"};
    network::Eip eip = MakeEip(name, kAddresses[Pick(11)], Pick(3));
    if (OneIn(4)) eip.meta.creation_timestamp = absl::InfinitePast();
    if (OneIn(3)) eip = Default(eip);
    if (OneIn(2)) eip = Bound(eip, {ANamespace()}, Pick(3));
    if (OneIn(4)) eip.namespace_selector = {{"team", "a"}};
    eip.disable = OneIn(5);
    if (OneIn(8)) eip.meta.deletion_timestamp = absl::UnixEpoch();
    if (OneIn(3)) eip.protocol = network::Protocol::kLayer2;
    return eip;
  }

  kube::Service RandomService(const std::string& key) {
    kube::Service service = MakeService(key, Pick(4));
    service.ports.clear();
    for (int i = Pick(3); i >= 0; --i) {
      service.ports.push_back(
          {.name = "", .protocol = OneIn(4) ? "UDP" : "TCP", .port = 80 + Pick(3)});
    }
    if (OneIn(4)) service = FromEip(service, AnEip());
    if (OneIn(4)) service = WithIp(service, absl::StrCat("10.0.0.", Pick(24)));
    if (OneIn(8)) service = WithIp(service, absl::StrCat("2001:db8::", Pick(9)));
    if (OneIn(20)) service = WithIp(service, "abc");
    if (OneIn(6)) service.ip_families = {OneIn(2) ? "IPv4" : "IPv6"};
    if (OneIn(8))
      service.meta.annotations[network::kProtocol.openelb] = OneIn(2) ? "bgp" : "layer2";
    if (OneIn(12)) service.meta.annotations[network::kNodeProxyType.openelb] = "deployment";
    if (OneIn(8)) service.meta.annotations.erase("lb.kubesphere.io/v1alpha1");
    if (OneIn(12)) service.meta.deletion_timestamp = absl::UnixEpoch();
    if (OneIn(3)) service.external_traffic_policy = kube::TrafficPolicy::kLocal;
    return service;
  }

  // One event.
  void Disturb() {
    const int kind = Pick(12);
    if (kind == 0) {
      const std::string name = AnEip();
      if (OneIn(3)) {
        world_.eips.erase(name);
        ipam_.Remove(EipKey(name));
      } else {
        world_.eips[name] = RandomEip(name);
        ipam_.Upsert(world_.eips[name]);
      }
      eips_changed_ = true;
    } else if (kind == 1) {
      const kube::Namespace object =
          MakeNamespace(ANamespace(), OneIn(2) ? kube::Labels{{"team", "a"}} : kube::Labels{});
      world_.namespaces[object.meta.name] = object;
      ipam_.Upsert(object);
    } else {
      const int number = Pick(kServices);
      const std::string key = absl::StrCat("ns", number % 3, "/s", number);
      edited_.insert(key);
      if (OneIn(4)) {
        world_.services.erase(key);
        ipam_.Remove(ServiceKey(key));
        return;
      }
      kube::Service service = RandomService(key);
      // Most edits are small.
      if (const auto old = world_.services.find(key); old != world_.services.end() && !OneIn(3)) {
        const auto ports = service.ports;
        service = old->second;
        if (OneIn(2)) service.ports = ports;
      }
      world_.services[key] = service;
      ipam_.Upsert(service);
    }
  }

  Held Collect(const Ipam& ipam) const {
    Held held;
    for (const auto& [key, service] : world_.services) {
      const ServiceState* state = ipam.Find(key);
      EXPECT_EQ(state != nullptr, IsServed(service)) << key;
      if (state != nullptr && state->allocation) held[key] = *state->allocation;
    }
    return held;
  }

  static bool IsDefault(const Ipam& ipam, const std::string& eip) {
    const auto& conditions = ipam.PoolStatus(eip)->conditions;
    return std::any_of(conditions.begin(), conditions.end(),
                       [](const auto& c) { return c.type == "Default" && c.status; });
  }

  void CheckAllocations(const Held& held) {
    for (const auto& [key, allocation] : held) {
      const IpAddress& address = allocation.addresses[0];
      EXPECT_FALSE(Clashes(world_, held, key, address)) << key << " " << address.ToString();
      const auto eip = world_.eips.find(allocation.pool);
      ASSERT_NE(eip, world_.eips.end()) << key << " holds from Eip " << allocation.pool;
      const auto range = RangeOf(eip->second);
      EXPECT_TRUE(!range || range->Contains(address)) << key;
      EXPECT_EQ(allocation.protocol, eip->second.protocol) << key;
    }
  }

  void CheckWaiting(const Held& held) {
    size_t waiting = 0;
    for (const auto& [key, service] : world_.services) {
      const ServiceState* state = ipam_.Find(key);
      if (state == nullptr) continue;
      const Request request = ReadRequest(service);
      const auto holds = held.find(key);
      const bool satisfied =
          holds != held.end() && request.error.empty() && !Contradicts(request, holds->second);
      EXPECT_EQ(state->pending.empty(), satisfied) << key << ": " << state->pending;
      EXPECT_TRUE(satisfied || !CouldBeServed(world_, held, key)) << key << ": " << state->pending;
      waiting += satisfied ? 0 : 1;
    }
    EXPECT_EQ(ipam_.WaitingCount(), waiting);
  }

  // Who held an address and has another or none now must have asked for that, or lost its Eip.
  void CheckSticky(const Held& before, const Held& held) {
    for (const auto& [key, old] : before) {
      const auto service = world_.services.find(key);
      if (service == world_.services.end() || !IsServed(service->second)) continue;
      const auto now = held.find(key);
      const IpAddress& address = old.addresses[0];
      if (now != held.end() && now->second.addresses[0] == address) continue;
      const Request request = ReadRequest(service->second);
      const bool covered = std::any_of(world_.eips.begin(), world_.eips.end(), [&](const auto& e) {
        const auto range = RangeOf(e.second);
        return range ? range->Contains(address) : e.first == old.pool;
      });
      // The Eip that it names may have been edited to lie elsewhere.
      const auto named = world_.eips.find(request.pool);
      const auto named_range = named != world_.eips.end() ? RangeOf(named->second) : std::nullopt;
      const bool elsewhere = eips_changed_ && named_range && !named_range->Contains(address);
      const bool asked = Contradicts(request, old) || request.node_proxy || elsewhere;
      const bool edited_into_clash = edited_.contains(key) && Clashes(world_, held, key, address);
      EXPECT_TRUE(asked || edited_into_clash || (eips_changed_ && !covered))
          << key << " lost " << address.ToString() << " of Eip " << old.pool;
      // It moves on request, but never gives up an address for nothing.
      EXPECT_TRUE(now != held.end() || request.node_proxy || edited_into_clash || !covered) << key;
    }
  }

  void CheckPools(const Held& held) {
    for (const auto& [name, eip] : world_.eips) {
      const network::EipStatus* status = ipam_.PoolStatus(name);
      ASSERT_NE(status, nullptr) << name;
      std::map<std::string, std::set<std::string>> holders;
      for (const auto& [key, allocation] : held) {
        if (allocation.pool == name) holders[allocation.addresses[0].ToString()].insert(key);
      }
      std::map<std::string, std::string> used;
      for (const auto& [address, keys] : holders) used[address] = absl::StrJoin(keys, ";");
      EXPECT_EQ(status->used, used) << name;
      EXPECT_EQ(status->usage, static_cast<int64_t>(used.size())) << name;
      const auto range = RangeOf(eip);
      EXPECT_EQ(status->occupied, range && used.size() >= range->Size()) << name;
      const auto usable = Usable(world_);
      EXPECT_EQ(status->ready, std::count(usable.begin(), usable.end(), &eip) > 0) << name;
      EXPECT_EQ(IsDefault(ipam_, name), name == world_.default_) << name;
    }
  }

  // Whatever differs from what was last told is told.
  void CheckChanges(const Changes& changes) {
    std::map<std::string, std::optional<ServiceState>> states;
    for (const auto& [key, service] : world_.services) {
      if (const ServiceState* state = ipam_.Find(key)) states[key] = *state;
    }
    for (const std::string& key : changes.services) {
      told_.erase(key);
      if (const ServiceState* state = ipam_.Find(key)) told_[key] = *state;
    }
    EXPECT_EQ(told_, states);
    std::map<std::string, network::EipStatus> statuses;
    for (const auto& [name, eip] : world_.eips) statuses[name] = *ipam_.PoolStatus(name);
    for (const std::string& name : changes.pools) {
      told_pools_.erase(name);
      if (const network::EipStatus* status = ipam_.PoolStatus(name)) told_pools_[name] = *status;
    }
    EXPECT_EQ(told_pools_, statuses);
  }

  // A new process that reads the same objects and statuses comes to the same result. It cannot know
  // which of several Eips of the same age was usable, or default, if nobody had an address from it:
  // then all that is sure is that nobody moves.
  void CheckRestart(const Held& held) {
    Ipam fresh;
    for (const auto& [name, eip] : world_.eips) fresh.Upsert(eip);
    for (const auto& [name, object] : world_.namespaces) fresh.Upsert(object);
    for (const auto& [key, service] : world_.services) {
      kube::Service published = service;
      if (const auto holds = held.find(key); holds != held.end()) {
        published = WithStatus(published, holds->second.addresses[0].ToString());
        published.meta.labels[network::kEipName.openelb] = holds->second.pool;
      }
      fresh.Upsert(published);
    }
    fresh.Start();
    fresh.TakeChanges();
    const Held again = Collect(fresh);
    for (const auto& [key, allocation] : held) {
      const bool asks_otherwise = Contradicts(ReadRequest(world_.services.at(key)), allocation);
      EXPECT_TRUE(asks_otherwise || again.at(key) == allocation) << key;
    }
    for (const auto& [name, eip] : world_.eips) {
      if (fresh.PoolStatus(name)->ready != ipam_.PoolStatus(name)->ready ||
          IsDefault(fresh, name) != IsDefault(ipam_, name)) {
        return;
      }
    }
    ++same_restarts_;
    EXPECT_EQ(again, held);
    for (const auto& [key, service] : world_.services) {
      // Of which of several Eips that are in the way, or that are refused, a sentence speaks is a
      // matter of what came first.
      const std::string now = PendingOf(fresh, key);
      const std::string before = PendingOf(ipam_, key);
      const bool both =
          absl::StrContains(now, "is not usable") && absl::StrContains(before, "is not usable");
      EXPECT_TRUE(both || now == before) << key << ": " << now << "\n" << before;
    }
  }

  std::mt19937 random_{static_cast<uint32_t>(GetParam())};
  World world_;
  Ipam ipam_;
  std::set<std::string> edited_;  // in this step
  bool eips_changed_ = false;
  int same_restarts_ = 0;
  std::map<std::string, std::optional<ServiceState>> told_;
  std::map<std::string, network::EipStatus> told_pools_;
};

TEST_P(PropertyTest, RulesHoldAtEveryStep) {
  std::cout << "seed " << GetParam() << "\n";
  ipam_.Start();
  Held held;
  for (int step = 0; step < kSteps; ++step) {
    SCOPED_TRACE(absl::StrCat("seed ", GetParam(), " step ", step));
    edited_.clear();
    eips_changed_ = false;
    for (int events = OneIn(4) ? 1 + Pick(6) : 1; events > 0; --events) Disturb();
    const Changes changes = ipam_.TakeChanges();
    Settle(&world_);
    const Held before = std::exchange(held, Collect(ipam_));
    world_.in_use.clear();
    for (const auto& [key, allocation] : held) world_.in_use.insert(allocation.pool);
    CheckAllocations(held);
    CheckWaiting(held);
    CheckSticky(before, held);
    CheckPools(held);
    CheckChanges(changes);
    if (step % 20 == 0) CheckRestart(held);
    EXPECT_TRUE(ipam_.TakeChanges().empty()) << "quiet when nothing happened";
    if (HasFailure()) return;
  }
  EXPECT_GT(ipam_.counters().assigned, kSteps / 20) << "the steps do not exercise much";
  EXPECT_GT(same_restarts_, kSteps / 100) << "the steps do not exercise much";
}

INSTANTIATE_TEST_SUITE_P(Seeds, PropertyTest, ::testing::Range(1, 6));

}  // namespace
}  // namespace openelb::ipam
