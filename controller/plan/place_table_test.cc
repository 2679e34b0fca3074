#include "controller/plan/place_table.h"

#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "controller/plan/test_world.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

std::vector<MemberView> Members(const std::vector<std::string>& nodes) {
  std::vector<MemberView> members;
  for (const std::string& node : nodes) members.push_back({node, IpAddress()});
  return members;
}

TEST(DealTest, OwnNodeFirst) {
  EXPECT_THAT(Deal(Members({"a", "b"}), {"a", "b"}, {}), IsEmpty());
  EXPECT_THAT(Deal(Members({"a", "b"}), {"a", "s"}, {}), ElementsAre(Pair("s", "b")));
}

TEST(DealTest, OnlyWhoMustMoves) {
  const Choices before = {{"s", "b"}, {"t", "c"}};
  EXPECT_EQ(Deal(Members({"a", "b", "c", "d"}), {"s", "t"}, before), before);
  EXPECT_THAT(Deal(Members({"a", "b", "d"}), {"s", "t"}, before),
              ElementsAre(Pair("s", "b"), Pair("t", "a")))
      << "c is gone";
  EXPECT_THAT(Deal(Members({"a", "b", "c", "t"}), {"s", "t"}, before), ElementsAre(Pair("s", "b")))
      << "t became a member";
  EXPECT_THAT(Deal(Members({"a", "b", "c"}), {"s", "t", "b"}, before),
              ElementsAre(Pair("s", "a"), Pair("t", "c")))
      << "b's own speaker came";
}

TEST(DealTest, WhoLeavesKeepsItsNextHopButHoldsNoneBack) {
  EXPECT_THAT(Deal(Members({"a", "b"}), {"s", "t"}, {{"gone", "a"}}),
              ElementsAre(Pair("gone", "a"), Pair("s", "a"), Pair("t", "b")));
}

TEST(DealTest, MoreSpeakersThanMembersShareEvenly) {
  EXPECT_THAT(Deal(Members({"x", "y"}), {"a", "b", "c", "d"}, {}),
              ElementsAre(Pair("a", "x"), Pair("b", "y"), Pair("c", "x"), Pair("d", "y")));
}

// As many different next hops as there can be, no member twice as popular as fair, stable, and
// dealing again changes nothing.
TEST(DealTest, RandomGroups) {
  const uint64_t seed = std::random_device()();
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  Choices current;
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::string> nodes;
    std::set<std::string> speakers;
    for (char c = 'a'; c < 'j'; ++c) {
      if (random() % 2 == 0) nodes.push_back(std::string(1, c));
      if (random() % 3 == 0) speakers.insert(std::string(1, c));
    }
    if (nodes.empty() || speakers.empty()) continue;
    std::erase_if(current, [&](const auto& choice) { return !speakers.contains(choice.first); });
    const Choices dealt = Deal(Members(nodes), speakers, current);
    EXPECT_EQ(Deal(Members(nodes), speakers, dealt), dealt) << "round " << round;
    std::map<std::string, size_t> load;
    for (const std::string& speaker : speakers) {
      if (std::find(nodes.begin(), nodes.end(), speaker) != nodes.end())
        ++load[speaker];
      else if (const auto it = dealt.find(speaker); it != dealt.end())
        ++load[it->second];
    }
    EXPECT_EQ(load.size(), std::min(nodes.size(), speakers.size())) << "round " << round;
    const size_t fair = (speakers.size() + nodes.size() - 1) / nodes.size();
    for (const auto& [node, count] : load) EXPECT_LE(count, fair) << "round " << round;
    current = dealt;
  }
}

// Two speakers and four members of one rack, peers that take one path.
class PlaceTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"a", "b", "c", "d"})
      planner_.Upsert(MakeNode(name, std::string("10.0.0.") + char('1' + name[0] - 'a')));
    for (const char* name : {"a", "c"}) planner_.SetFact(MakeSpeaker(name));
    planner_.Upsert(MakeConf(65000));
    planner_.Upsert(MakePeer("leaf", "10.0.0.254", 65001));
    planner_.Upsert(MakeService("web"));
    planner_.Upsert(MakeSlice("web", {"a", "b", "c", "d"}));
    planner_.SetAddresses("default/web", {*IpAddress::Parse("172.22.0.1")});
    planner_.Step();
  }
  std::string One(const std::string& speaker) {
    const std::vector<std::string> lines = Announced(planner_, speaker, /*add_path=*/false);
    return lines.empty() ? "" : lines[0].substr(lines[0].rfind(' ') + 1);
  }
  void SetReady(const std::string& name, bool ready) {
    kube::Node node = MakeNode(name, std::string("10.0.0.") + char('1' + name[0] - 'a'));
    node.ready = ready ? kube::ConditionStatus::kTrue : kube::ConditionStatus::kFalse;
    planner_.Upsert(node);
    planner_.Step();
  }
  Planner planner_;
};

TEST_F(PlaceTest, EachSpeakerGivesAnotherNextHop) {
  EXPECT_EQ(One("a"), "10.0.0.1");
  EXPECT_EQ(One("c"), "10.0.0.3");
  EXPECT_THAT(Announced(planner_, "c"),
              ElementsAre("10.0.0.254: 172.22.0.1/32 via 10.0.0.3 10.0.0.4 10.0.0.1 10.0.0.2"));
}

// The subnet becomes known, or grows an IPv6 prefix: another audience, the same next hops.
TEST_F(PlaceTest, ChoicesMoveAlongToAnotherAudience) {
  const auto learn = [&](const std::vector<std::string>& prefixes, int64_t at) {
    for (const char* name : {"a", "c"}) planner_.SetFact(MakePrefixes(name, prefixes, at));
    EXPECT_FALSE(planner_.Step().speakers.empty());
  };
  learn({"eth0 10.0.0.1/24"}, 2);
  SetReady("c", false);
  SetReady("b", false);
  SetReady("b", true);
  EXPECT_EQ(One("c"), "10.0.0.4");
  learn({"eth0 10.0.0.1/24", "eth0 fd00::1/64"}, 3);
  EXPECT_EQ(One("c"), "10.0.0.4");
  EXPECT_THAT(planner_.assignments(), ElementsAre(Assignment{"cluster/v4/connected", "c", "d"}));
}

TEST_F(PlaceTest, ChoicesStickAndSurviveTheController) {
  SetReady("c", false);  // its speaker goes on, for others
  EXPECT_EQ(One("a"), "10.0.0.1");
  EXPECT_EQ(One("c"), "10.0.0.2");
  EXPECT_THAT(planner_.assignments(), ElementsAre(Assignment{"cluster/v4/all", "c", "b"}));
  SetReady("b", false);
  EXPECT_EQ(One("c"), "10.0.0.4");
  SetReady("b", true);
  EXPECT_EQ(One("c"), "10.0.0.4") << "what still works is kept";

  Planner next;
  for (const char* name : {"a", "b", "c", "d"}) {
    kube::Node node = MakeNode(name, std::string("10.0.0.") + char('1' + name[0] - 'a'));
    if (name[0] == 'c') node.ready = kube::ConditionStatus::kFalse;
    next.Upsert(node);
  }
  for (const Fact& fact : planner_.facts()) next.SetFact(fact);
  next.LoadAssignments(planner_.assignments());
  next.LoadAssignments({{"address/172.22.0.9/all", "c", "a"}, {"cluster/v4/all", "z", "a"}});
  next.Upsert(MakeConf(65000));
  next.Upsert(MakePeer("leaf", "10.0.0.254", 65001));
  next.Upsert(MakeService("web"));
  next.Upsert(MakeSlice("web", {"a", "b", "c", "d"}));
  next.SetAddresses("default/web", {*IpAddress::Parse("172.22.0.1")});
  next.Step();
  EXPECT_EQ(Announced(next, "c", false), Announced(planner_, "c", false));
  EXPECT_EQ(next.assignments(), planner_.assignments()) << "those that fit nothing are dropped";
}

}  // namespace
}  // namespace openelb::plan
