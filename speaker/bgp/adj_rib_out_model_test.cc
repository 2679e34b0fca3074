// Any changes, at any moment of a burst, end with what the plan says: the Adj-RIB-Out keeps only
// what differs from it, so a change that it takes note of wrongly would never be noticed again.

#include <algorithm>
#include <set>

#include "api/base/random.h"
#include "speaker/bgp/test_rib.h"

namespace openelb::bgp {
namespace {

// What a peer knows of one path. MED and communities stand for all attributes.
struct Known {
  IpAddress next_hop;
  std::optional<uint32_t> med;
  std::vector<uint32_t> communities;
  auto operator<=>(const Known&) const = default;
};
using View = std::map<IpPrefix, std::vector<Known>>;  // sorted

uint32_t Number(std::span<const uint8_t> octets) {
  uint32_t number = 0;
  for (const uint8_t octet : octets) number = number << 8 | octet;
  return number;
}

// Believes what it is told.
class ModelPeer final : public UpdateVisitor {
 public:
  void OnWithdrawn(const IpPrefix& prefix, uint32_t id) override {
    EXPECT_EQ(paths_[prefix].erase(id), 1u) << "never announced: " << prefix.ToString();
    if (paths_[prefix].empty()) paths_.erase(prefix);
  }
  void OnAttribute(uint8_t, uint8_t type, std::span<const uint8_t> value) override {
    if (type == attribute::kNextHop) known_.next_hop = IpAddress::FromBytes(value);
    if (type == attribute::kMed) known_.med = Number(value);
    for (; type == attribute::kCommunities && !value.empty(); value = value.subspan(4)) {
      known_.communities.push_back(Number(value.first(4)));
    }
  }
  void OnAnnounced(const IpPrefix& prefix, uint32_t id,
                   const std::optional<IpAddress>& next_hop) override {
    if (next_hop.has_value()) known_.next_hop = *next_hop;
    announced_.emplace_back(prefix, id);
  }
  // Attributes may come after the prefixes that they are of. Returns what was announced.
  std::vector<std::pair<IpPrefix, uint32_t>> EndMessage() {
    for (const auto& [prefix, id] : announced_) paths_[prefix][id] = known_;
    announcements_ += announced_.size();
    known_ = {};
    return std::exchange(announced_, {});
  }

  bool Has(const IpPrefix& prefix) const { return paths_.contains(prefix); }
  View view() const {
    View view;
    for (const auto& [prefix, paths] : paths_) {
      for (const auto& [id, known] : paths) view[prefix].push_back(known);
      std::sort(view[prefix].begin(), view[prefix].end());
    }
    return view;
  }
  size_t TakeAnnouncements() { return std::exchange(announcements_, 0); }

 private:
  std::map<IpPrefix, std::map<uint32_t, Known>> paths_;
  std::vector<std::pair<IpPrefix, uint32_t>> announced_;  // by this message
  Known known_;
  size_t announcements_ = 0;
};

class AdjRibOutModelTest : public ::testing::TestWithParam<uint64_t> {  // seed
 protected:
  // Short, so that a burst of a few prefixes is many messages.
  static constexpr size_t kMessage = 160;

  AdjRibOutModelTest() : random_(GetParam()) {
    for (uint32_t i = 0; i < 40; ++i) prefixes_.push_back(Host(i));
    for (uint32_t i = 0; i < 40; i += 8) prefixes_.emplace_back(Host(i).address(), 29);
    for (int i = 0; i < 12; ++i) {
      prefixes_.push_back(Prefix(absl::StrCat("2001:db8::", i, "/128")));
    }
  }

  uint64_t Pick(uint64_t n) { return random_.Next64() % n; }
  bool Chance(uint64_t in) { return Pick(in) == 0; }
  std::string PickGroup() { return absl::StrCat("g", Pick(4)); }
  std::string PickNode() { return std::string(1, static_cast<char>('a' + Pick(5))); }
  // Many kinds, so that sets of paths are swept.
  plan::PathAttributes PickAttributes() {
    plan::PathAttributes attributes;
    if (Chance(2)) attributes.med = static_cast<uint32_t>(Pick(25));
    if (Chance(3)) attributes.communities = {static_cast<uint32_t>(Pick(3))};
    return attributes;
  }

  void SetRandomRoute() {
    link::Route route;
    for (const char* scope : {"s", "t"}) {
      if (!Chance(4)) route.groups.emplace(scope, PickGroup());
    }
    route.attributes = PickAttributes();
    SetRoute(prefixes_[Pick(prefixes_.size())],
             Chance(3) ? link::RouteRef() : link::RouteRef(std::move(route)), &plan_, &changes_);
  }
  void SetRandomGroup() {
    const std::string group = PickGroup();
    changes_.groups.insert(group);
    if (Chance(6)) {
      plan_.groups.erase(group);
      return;
    }
    std::vector<link::NextHop>& members = plan_.groups[group];
    members.clear();
    for (uint32_t i = 0; i < 5; ++i) {
      if (Chance(2)) continue;
      link::NextHop member{.node = std::string(1, static_cast<char>('a' + i)),
                           .address = IpAddress::FromV4(0x0a640000 + i),
                           .draining = Chance(4)};
      if (!Chance(4)) member.ipv6_address = Ip(absl::StrCat("2001:db8:1::", i));
      if (Chance(3)) member.attributes = PickAttributes();
      members.push_back(std::move(member));
    }
  }
  void SetRandomPlace() {
    const std::string group = PickGroup();
    changes_.places.insert(group);
    if (Chance(4)) {
      plan_.places.erase(group);
    } else {
      plan_.places[group] = PickNode();
    }
  }
  // Also several changes of one name at once.
  void ChangePlan() {
    for (uint64_t i = Chance(10) ? 60 : 1 + Pick(4); i > 0; --i) {
      const uint64_t what = Pick(8);
      if (what == 0) {
        SetRandomGroup();
      } else if (what == 1) {
        SetRandomPlace();
      } else {
        SetRandomRoute();
      }
    }
    Touch();
  }
  void Touch() {
    const std::vector<IpPrefix> touched = index_.Update(plan_, changes_);
    if (rib_) rib_->Touch(changes_, touched);
    changes_ = {};
    Unsteady();
  }

  AdjRibOut::Policy PickPolicy() {
    AdjRibOut::Policy policy;
    policy.scope.assign(Chance(5) ? "t" : "s");
    policy.send_max_v4 = static_cast<uint32_t>(Pick(4));
    policy.send_max_v6 = static_cast<uint32_t>(Pick(3));
    if (Chance(2)) policy.attributes.communities = {100 + static_cast<uint32_t>(Pick(2))};
    if (Chance(3)) {
      plan::ExportRule rule;
      const IpPrefix host = Host(static_cast<uint32_t>(Pick(5)) * 8);
      rule.prefixes = {{IpPrefix(host.address(), 28), 28, static_cast<int>(28 + Pick(5))}};
      rule.verdict =
          Chance(2) ? plan::ExportRule::Verdict::kReject : plan::ExportRule::Verdict::kAccept;
      rule.add_med = 50;
      policy.rules.push_back(std::move(rule));
    }
    return policy;
  }
  void ChangePolicy() {
    policy_ = PickPolicy();
    rib_->SetPolicy(policy_);
    Unsteady();
  }

  void Start() {
    negotiated_ = Negotiated();
    negotiated_.v4 = {!Chance(5), Chance(2), Chance(3)};
    negotiated_.v6 = {!Chance(3), Chance(2)};
    format_ = {true, negotiated_.v4.add_path, negotiated_.v6.add_path};
    policy_ = PickPolicy();
    peer_ = ModelPeer();
    steady_.clear();
    rib_ = std::make_unique<AdjRibOut>(&plan_, AttributeContext{true, 65000, true, {}}, negotiated_,
                                       policy_, kMessage);
  }

  std::vector<Known> PathsOf(const IpPrefix& prefix, const link::Route& route) const {
    const FamilyUse& use = negotiated_.use(prefix.family());
    const auto target = route.groups.find(policy_.scope);
    if (!use.negotiated || target == route.groups.end()) return {};
    const auto group = plan_.groups.find(target->second);
    const auto attributes =
        plan::Export(policy_.rules, prefix, Merge(policy_.attributes, route.attributes));
    if (!attributes.has_value() || group == plan_.groups.end()) return {};
    const auto place = plan_.places.find(target->second);
    std::vector<std::pair<const link::NextHop*, Known>> paths;
    for (const link::NextHop& member : group->second) {
      const bool v6 = member.ipv6_address.has_value() && use.ipv6_next_hops;
      if (prefix.family() == Family::kV6 && !v6) continue;
      const auto merged = Merge(*attributes, member.attributes);
      paths.push_back(
          {&member, {v6 ? *member.ipv6_address : member.address, merged.med, merged.communities}});
    }
    const auto own = std::find_if(paths.begin(), paths.end(), [&](const auto& path) {
      return place != plan_.places.end() && path.first->node == place->second;
    });
    if (own != paths.end()) std::rotate(paths.begin(), own, paths.end());
    std::stable_partition(paths.begin(), paths.end(),
                          [](const auto& path) { return !path.first->draining; });
    const bool v4 = prefix.family() == Family::kV4;
    const size_t most = !use.add_path ? 1 : v4 ? policy_.send_max_v4 : policy_.send_max_v6;
    if (most != 0 && paths.size() > most) paths.resize(most);
    std::vector<Known> known;
    for (const auto& path : paths) known.push_back(path.second);
    std::sort(known.begin(), known.end());
    return known;
  }
  View Desired() const {
    View view;
    for (const auto& [prefix, route] : plan_.routes) {
      std::vector<Known> paths = PathsOf(prefix, *route);
      if (!paths.empty()) view[prefix] = std::move(paths);
    }
    return view;
  }

  void Unsteady() {
    const View desired = Desired();
    std::erase_if(steady_, [&](const IpPrefix& prefix) { return !desired.contains(prefix); });
  }
  // Hands out at least `limit` octets, or all; no prefix that stays is ever without a path.
  void Send(size_t limit) {
    const View desired = Desired();
    Bytes out;
    rib_->Fill(limit, &out);
    Framer framer;
    framer.Append(out);
    std::optional<MessageError> error;
    while (const auto message = framer.Next(&error)) {
      const auto wrong = CheckUpdate(message->body, format_, &peer_);
      ASSERT_FALSE(wrong.has_value()) << wrong->reason;
      for (const auto& [prefix, id] : peer_.EndMessage()) {
        if (desired.contains(prefix)) steady_.insert(prefix);
      }
      for (const IpPrefix& prefix : steady_) {
        ASSERT_TRUE(peer_.Has(prefix)) << prefix.ToString() << " was withdrawn for a moment";
      }
    }
    ASSERT_FALSE(error.has_value());
  }
  void Settle() {
    ASSERT_NO_FATAL_FAILURE(Send(SIZE_MAX));
    ASSERT_TRUE(rib_->idle());
    const View desired = Desired();
    ASSERT_EQ(peer_.view(), desired);
    size_t paths = 0;
    for (const auto& [prefix, known] : desired) paths += known.size();
    ASSERT_EQ(rib_->paths(), paths);
    ASSERT_EQ(rib_->prefixes(), desired.size());
    peer_.TakeAnnouncements();
    if (Chance(2)) return;
    // Once more is once more, and no more than that.
    const Family family = Chance(2) ? Family::kV4 : Family::kV6;
    rib_->Resend(family);
    ASSERT_NO_FATAL_FAILURE(Send(SIZE_MAX));
    size_t of_family = 0;
    for (const auto& [prefix, known] : desired) {
      if (prefix.family() == family) of_family += known.size();
    }
    ASSERT_EQ(peer_.TakeAnnouncements(), of_family);
    ASSERT_EQ(peer_.view(), desired);
  }

  SeededRandom random_;
  std::vector<IpPrefix> prefixes_;
  link::PlanState plan_;
  link::PlanChanges changes_;
  RouteIndex index_;
  AdjRibOut::Policy policy_;
  Negotiated negotiated_;
  UpdateFormat format_;
  std::unique_ptr<AdjRibOut> rib_;
  ModelPeer peer_;
  std::set<IpPrefix> steady_;  // announced, and to be had ever since
};

TEST_P(AdjRibOutModelTest, AnyChangesEndWithThePlan) {
  for (int i = 0; i < 4; ++i) SetRandomGroup();
  Start();
  for (int step = 0; step < 4000; ++step) {
    SCOPED_TRACE(step);
    const uint64_t what = Pick(40);
    if (what < 16) {
      ChangePlan();
    } else if (what < 18) {
      ChangePolicy();
    } else if (what < 20) {
      rib_->Resend(Chance(2) ? Family::kV4 : Family::kV6);
    } else if (what < 35) {
      ASSERT_NO_FATAL_FAILURE(Send(Pick(Chance(2) ? 2 : 1500)));
    } else if (what < 39) {
      ASSERT_NO_FATAL_FAILURE(Settle());
    } else if (Chance(3)) {
      Start();
    }
  }
  // In the end nothing is held for what is gone.
  for (const IpPrefix& prefix : prefixes_) SetRoute(prefix, link::RouteRef(), &plan_, &changes_);
  for (const auto& [group, members] : plan_.groups) changes_.groups.insert(group);
  Touch();
  ASSERT_NO_FATAL_FAILURE(Settle());
  EXPECT_EQ(peer_.view(), View());
  EXPECT_EQ(rib_->path_sets(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, AdjRibOutModelTest, ::testing::Range<uint64_t>(1, 13));

}  // namespace
}  // namespace openelb::bgp
