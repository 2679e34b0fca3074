// Random histories of VIP mode: what holds of virtual routers at every step, and that a planner
// which starts anew goes on with the same plans to the byte.

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "controller/plan/model.h"
#include "controller/plan/planner.h"
#include "controller/plan/test_world.h"
#include "controller/plan/vip_table.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

#if defined(OPENELB_SANITIZED)
constexpr int kSteps = 1000;
#else
constexpr int kSteps = 50000;
#endif
constexpr int kNodes = 6;
constexpr int kServices = 10;
// Some have to wait for an id.
constexpr VrrpOptions kOptions{.first_vrid = 40, .last_vrid = 43};

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }
std::string NodeName(int i) { return absl::StrCat("n", i); }
std::string ServiceName(int i) { return absl::StrCat("s", i); }

class History {
 public:
  explicit History(uint64_t seed) : engine_(seed), planner_({.vrrp = kOptions}) {
    for (int i = 0; i < kNodes; ++i) {
      SetNode(i, kube::ConditionStatus::kTrue);
      Report(i);
    }
    for (int i = 0; i < kServices; ++i) SetService(i);
    SetPool("eth0");
  }

  void Act() {
    const int node = Pick(kNodes);
    const int service = Pick(kServices);
    switch (Pick(12)) {
      case 0:
      case 1:
        SetNode(node, Chance(0.7)   ? kube::ConditionStatus::kTrue
                      : Chance(0.5) ? kube::ConditionStatus::kFalse
                                    : kube::ConditionStatus::kUnknown);
        break;
      case 2:
        if (Chance(0.3)) {
          world_.erase({kube::Node::kKind, "", NodeName(node)});
          planner_.Remove(KeyOfNode(NodeName(node)));
        }
        break;
      case 3:
        Report(node);
        break;
      case 4:
      case 5:
        Put(MakeSlice(ServiceName(service), SomeNodes()));
        break;
      case 6:
        Put(MakeSlice(ServiceName(service), SomeNodes(), "IPv6"));
        break;
      case 7:
        SetService(service);
        break;
      case 8:
      case 9:
        SetAddresses(service);
        break;
      case 10:
        Hear(node);
        break;
      default:
        if (Chance(0.1)) SetPool(Chance(0.5) ? "eth0" : "can_reach:192.168.0.200");
        break;
    }
  }

  void Step() {
    const std::map<IpAddress, VipView> before = planner_.model().vips;
    planner_.Step();
    CheckRouters();
    CheckPlans();
    CheckStickiness(before);
  }

  void CompareWithFresh() {
    Planner fresh({.vrrp = kOptions});
    for (const auto& [key, object] : world_) fresh.Upsert(object);
    for (const auto& [service, addresses] : addresses_) fresh.SetVip(service, "pool", addresses);
    for (const Fact& fact : planner_.facts()) fresh.SetFact(fact);
    const std::vector<Assignment> saved = planner_.assignments();
    fresh.LoadAssignments(saved);
    fresh.Step();
    ASSERT_EQ(fresh.assignments(), saved);
    ASSERT_EQ(fresh.Problems(), planner_.Problems());
    for (int i = 0; i < kNodes; ++i) ASSERT_EQ(Bodies(fresh, i), Bodies(planner_, i));
  }

  int moved() const { return moved_; }
  int kept() const { return kept_; }
  int waited() const { return waited_; }
  int shared() const { return shared_; }

 private:
  int Pick(int below) { return static_cast<int>(engine_() % static_cast<uint64_t>(below)); }
  bool Chance(double p) { return std::uniform_real_distribution<>()(engine_) < p; }

  std::vector<std::string> SomeNodes() {
    // Few sets, so that several Services have the same.
    const int first = Pick(3);
    std::vector<std::string> nodes;
    for (int i = 0; i < Pick(4); ++i) nodes.push_back(NodeName(first + i));
    return nodes;
  }

  void Put(const Object& object) {
    world_[KeyOf(object)] = object;
    planner_.Upsert(object);
  }
  void SetNode(int i, kube::ConditionStatus ready) {
    kube::Node node = MakeNode(NodeName(i), absl::StrCat("192.168.0.", i + 1));
    node.ready = ready;
    Put(node);
  }
  void SetService(int i) {
    Put(MakeService(ServiceName(i),
                    Chance(0.5) ? kube::TrafficPolicy::kLocal : kube::TrafficPolicy::kCluster));
  }
  void SetPool(const std::string& interface) {
    network::Eip eip;
    eip.meta.name = "pool";
    eip.protocol = network::Protocol::kVip;
    eip.interface = interface;
    Put(eip);
  }
  void SetAddresses(int i) {
    std::vector<IpAddress>& held = addresses_[absl::StrCat("default/", ServiceName(i))];
    held.clear();
    // Now and then two Services share one.
    if (Chance(0.9)) held.push_back(Ip(absl::StrCat("192.168.0.", 100 + i - Pick(2))));
    if (Chance(0.5)) held.push_back(Ip(absl::StrCat("2001:db8::", 100 + i)));
    planner_.SetVip(absl::StrCat("default/", ServiceName(i)), "pool", held);
  }
  void SetFact(int i, const char* kind, std::vector<std::string> values) {
    planner_.SetFact({NodeName(i), kind, std::move(values), absl::FromUnixSeconds(++now_)});
  }
  void Report(int i) {
    const std::string interface = Chance(0.9) ? "eth0" : "eth1";
    planner_.SetFact(MakeSpeaker(NodeName(i), Chance(0.9), ++now_));
    planner_.SetFact(MakePrefixes(NodeName(i),
                                  {absl::StrCat(interface, " 192.168.0.", i + 1, "/24"),
                                   absl::StrCat(interface, " 2001:db8::", i + 1, "/64")},
                                  ++now_));
    SetFact(i, kModesFact,
            Chance(0.9) ? std::vector<std::string>{kVipMode} : std::vector<std::string>{});
    SetFact(i, kNoCarrierFact,
            Chance(0.9) ? std::vector<std::string>{} : std::vector<std::string>{"eth0"});
  }
  // A router of others, which one node or all of them hear, or nothing.
  void Hear(int i) {
    std::vector<std::string> heard;
    if (Chance(0.6)) heard.push_back(absl::StrCat("eth0 4 ", 40 + Pick(5)));
    const bool all = Chance(0.3);
    for (int node = 0; node < kNodes; ++node) {
      if (all || node == i) SetFact(node, kVrrpHeardFact, heard);
    }
  }

  void CheckRouters() {
    const Model& model = planner_.model();
    std::map<IpAddress, int> on;
    for (const auto& [id, router] : model.routers) {
      ASSERT_GE(id.vrid, kOptions.first_vrid);
      ASSERT_LE(id.vrid, kOptions.last_vrid);
      ASSERT_FALSE(router.addresses.empty());
      for (const IpAddress& address : router.addresses) {
        ++on[address];
        const VipView& view = model.vips.at(address);
        ASSERT_EQ(view.vrid, id.vrid);
        ASSERT_TRUE(view.links->empty() || view.links == router.links);
      }
      std::set<int> numbers;
      for (const auto& [node, priority] : router.priorities) numbers.insert(priority);
      ASSERT_EQ(numbers.size(), router.priorities.size());
      ASSERT_TRUE(numbers.empty() || *numbers.begin() >= 1);
      ASSERT_TRUE(numbers.empty() || *numbers.rbegin() <= kHighestPriority);
      for (const auto& [node, interface] : *router.links)
        ASSERT_TRUE(router.priorities.contains(node));
      shared_ += router.addresses.size() > 1;
    }
    std::set<int> ids;
    for (const auto& [address, view] : model.vips) {
      ASSERT_EQ(on[address], view.vrid == 0 ? 0 : 1) << address.ToString();
      if (view.vrid != 0 || view.links->empty()) continue;
      ++waited_;
      for (int vrid = kOptions.first_vrid; vrid <= kOptions.last_vrid; ++vrid)
        ASSERT_FALSE(IsFree({address.family(), vrid}, *view.links)) << address.ToString();
    }
  }

  bool IsFree(const RouterId& id, const Links& links) const {
    const Model& model = planner_.model();
    return !model.routers.contains(id) &&
           std::none_of(links.begin(), links.end(), [&](const auto& link) {
             return model.nodes.at(link.first).heard.contains({link.second, id});
           });
  }

  // Nodes that are told of one id are told the same addresses and different priorities.
  void CheckPlans() {
    std::map<RouterId, std::map<int, std::string>> nodes;  // by priority
    std::map<RouterId, std::vector<std::string>> addresses;
    for (int i = 0; i < kNodes; ++i) {
      for (const auto& [key, bytes] : Bodies(planner_, i)) {
        v1::ResourceBody body;
        body.ParseFromString(bytes);
        if (!body.has_vrrp_instance()) continue;
        const v1::VrrpInstance& told = body.vrrp_instance();
        const RouterId id{static_cast<Family>(told.family()), static_cast<int>(told.vrid())};
        ASSERT_TRUE(nodes[id].emplace(static_cast<int>(told.priority()), NodeName(i)).second);
        const std::vector<std::string> list(told.addresses().begin(), told.addresses().end());
        ASSERT_FALSE(list.empty());
        ASSERT_EQ(addresses.emplace(id, list).first->second, list);
      }
    }
    const Model& model = planner_.model();
    for (const auto& [id, router] : model.routers)
      ASSERT_EQ(nodes[id].size(), router.links->size()) << id.vrid;
  }

  // An address whose nodes stay keeps its router, but for foreign ones.
  void CheckStickiness(const std::map<IpAddress, VipView>& before) {
    for (const auto& [address, view] : planner_.model().vips) {
      const auto was = before.find(address);
      if (was == before.end() || was->second.vrid == 0 || view.links->empty()) continue;
      if (view.vrid == was->second.vrid) {
        ++kept_;
        continue;
      }
      ++moved_;
      if (*was->second.links != *view.links) continue;
      const RouterId id{address.family(), was->second.vrid};
      for (const auto& [node, interface] : *view.links)
        ASSERT_TRUE(planner_.model().nodes.at(node).heard.contains({interface, id}));
    }
  }

  static std::map<std::string, std::string> Bodies(const Planner& planner, int node) {
    std::map<std::string, std::string> bodies;
    for (const std::string& set : planner.SetsOf(NodeName(node))) {
      if (planner.Find(set) == nullptr) continue;
      for (const auto& [key, resource] : planner.Find(set)->resources())
        bodies[key] = *resource.body;
    }
    return bodies;
  }

  std::mt19937_64 engine_;
  Planner planner_;
  std::map<ObjectKey, Object> world_;
  std::map<std::string, std::vector<IpAddress>> addresses_;
  int64_t now_ = 0;
  int moved_ = 0;
  int kept_ = 0;
  int waited_ = 0;
  int shared_ = 0;
};

TEST(VipPropertyTest, AtEveryStep) {
  uint64_t seed = std::random_device()();
  if (const char* given = std::getenv("OPENELB_SEED")) {
    ASSERT_TRUE(absl::SimpleAtoi(given, &seed));
  }
  std::cout << "seed " << seed << " (repeat with OPENELB_SEED=" << seed << ")\n";
  History history(seed);
  for (int step = 1; step <= kSteps; ++step) {
    SCOPED_TRACE(absl::StrCat("step ", step, ", seed ", seed));
    history.Act();
    if (step % 3 == 0) continue;  // several acts may come between two plans
    history.Step();
    if (step % 10 == 0) history.CompareWithFresh();
    if (testing::Test::HasFatalFailure()) return;
  }
  if (kSteps < 50000) return;  // too few to have seen everything
  EXPECT_GT(history.moved(), 10);
  EXPECT_GT(history.kept(), 100);
  EXPECT_GT(history.waited(), 10);
  EXPECT_GT(history.shared(), 10);
}

}  // namespace
}  // namespace openelb::plan
