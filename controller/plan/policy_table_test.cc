#include "controller/plan/policy_table.h"

#include <string>
#include <vector>

#include "controller/plan/announce.h"
#include "controller/plan/test_world.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace openelb::plan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kRoute = "192.168.0.2: 172.22.0.2/32 via 192.168.0.3 192.168.0.4";

kube::ConfigMap Map(const std::string& name, std::optional<std::string> text,
                    const std::string& ns = "openelb-system") {
  kube::ConfigMap map;
  map.meta.name = name;
  map.meta.namespace_ = ns;
  map.gobgp_conf = std::move(text);
  return map;
}

std::string Policy(const std::string& actions) {
  return "[[policy-definitions]]\nname = \"p\"\n[[policy-definitions.statements]]\nname = \"s\"\n"
         "actions = " +
         actions + "\n[global.apply-policy.config]\nexport-policy-list = [\"p\"]\n";
}
std::string Mark(int med) {
  return Policy("{bgp-actions = {set-med = " + std::to_string(med) + "}}");
}

class PolicyTableTest : public testing::Test {
 protected:
  PolicyTableTest() { Fill(&planner_); }

  static void Fill(Planner* planner) {
    FillDocumentedTopology(planner);
    planner->Upsert(Conf("policy"));
  }
  static network::BgpConf Conf(const std::string& policy) {
    network::BgpConf conf = MakeConf(50001);
    conf.policy = policy;
    return conf;
  }
  static ObjectKey Key(const std::string& name) {
    return {kube::ConfigMap::kKind, "openelb-system", name};
  }
  // The MED of each route that master1 announces.
  static std::vector<std::optional<uint32_t>> Meds(const Planner& planner) {
    std::vector<std::optional<uint32_t>> meds;
    for (const auto& [address, peer] : Announcements(planner, "master1", true)) {
      for (const AnnouncedRoute& route : peer.routes) meds.push_back(route.attributes.med);
    }
    return meds;
  }
  std::vector<std::optional<uint32_t>> Meds() {
    planner_.Step();
    return Meds(planner_);
  }
  std::string Problem(const std::string& reason) {
    for (const plan::Problem& problem : planner_.Problems()) {
      if (problem.reason == reason) return problem.message;
    }
    return "";
  }

  Planner planner_;
};

TEST_F(PolicyTableTest, AppliesTheNamedConfigMapAndEachOfItsChanges) {
  planner_.Upsert(Map("policy", Mark(7)));
  planner_.Upsert(Map("other", Mark(8)));
  EXPECT_THAT(Meds(), ElementsAre(7u));
  EXPECT_EQ(Problem("PolicyNotApplied"), "");
  planner_.Upsert(Map("policy", Mark(9)));
  EXPECT_THAT(Meds(), ElementsAre(9u));
  planner_.Upsert(Conf("other"));
  EXPECT_THAT(Meds(), ElementsAre(8u));
  planner_.Upsert(Conf(""));
  EXPECT_THAT(Meds(), ElementsAre(std::nullopt));
}

TEST_F(PolicyTableTest, KeepsFromARouterWhatThePolicyRejects) {
  planner_.Upsert(Map("policy", Mark(7)));
  planner_.Step();
  EXPECT_THAT(Announced(planner_, "master1"), ElementsAre(kRoute));
  planner_.Upsert(Map("policy", Policy("{route-disposition = \"reject-route\"}")));
  planner_.Step();
  EXPECT_THAT(Announced(planner_, "master1"), IsEmpty());
  const AnnouncedPeer peer = Announcements(planner_, "master1", true).begin()->second;
  EXPECT_THAT(peer.rejected,
              ElementsAre(testing::Pair(IpPrefix::Parse("172.22.0.2/32").value(), "p/s")));
}

TEST_F(PolicyTableTest, HoldsPeersDownWhereNothingWasApplied) {
  EXPECT_THAT(Meds(), IsEmpty());
  EXPECT_EQ(
      Problem("PolicyNotApplied"),
      "spec.policy: there is no ConfigMap \"policy\" with the key gobgp.conf in the namespace "
      "\"openelb-system\"; peers are held down, because they would get routes that the policy "
      "may forbid");
  EXPECT_THAT(Problem("HeldDown"), HasSubstr("there is no ConfigMap \"policy\""));
  planner_.Upsert(Map("policy", Mark(7), "elsewhere"));
  planner_.Upsert(Map("policy", std::nullopt));
  EXPECT_THAT(Meds(), IsEmpty()) << "not that namespace, not that key";
  planner_.Upsert(Map("policy", Policy("{bgp-actions = {set-next-hop = \"self\"}}")));
  EXPECT_THAT(Meds(), IsEmpty());
  EXPECT_THAT(Problem("HeldDown"), HasSubstr("statement p/s: actions[bgp-actions][set-next-hop]"));
  planner_.Upsert(Map("policy", Mark(7)));
  EXPECT_THAT(Meds(), ElementsAre(7u));
  EXPECT_EQ(Problem("HeldDown"), "");
}

TEST_F(PolicyTableTest, ABrokenOrMissingOneLeavesWhatWasApplied) {
  planner_.Upsert(Map("policy", Mark(7)));
  EXPECT_THAT(Meds(), ElementsAre(7u));
  planner_.Upsert(Map("policy", "[["));
  EXPECT_THAT(Meds(), ElementsAre(7u));
  EXPECT_THAT(Problem("PolicyNotApplied"), HasSubstr("gobgp.conf: line 1: "));
  EXPECT_THAT(Problem("PolicyNotApplied"), HasSubstr("applied before stays in force"));
  planner_.Remove(Key("policy"));
  EXPECT_THAT(Meds(), ElementsAre(7u));
  planner_.Upsert(Conf("missing"));
  EXPECT_THAT(Meds(), ElementsAre(7u));

  // Also for a controller that starts anew meanwhile.
  Planner next;
  next.LoadAssignments(planner_.assignments());
  Fill(&next);
  next.Step();
  EXPECT_THAT(Meds(next), ElementsAre(7u));

  planner_.Upsert(Conf(""));
  EXPECT_THAT(Meds(), ElementsAre(std::nullopt));
  planner_.Upsert(Conf("missing"));
  EXPECT_THAT(Meds(), IsEmpty()) << "what was applied last was none, which lets everything out";
}

TEST_F(PolicyTableTest, HoldsDownOnlyPeersThatAStatementCannotServe) {
  const std::string prepend =
      Policy("{bgp-actions = {set-as-path-prepend = {as = \"64999\", repeat-n = 2}}}");
  planner_.Upsert(Map("policy",
                      "[[defined-sets.neighbor-sets]]\nneighbor-set-name = \"one\"\n"
                      "neighbor-info-list = [\"192.168.1.1\"]\n" +
                          prepend.substr(0, prepend.find("actions")) +
                          "conditions = {match-neighbor-set = {neighbor-set = \"one\"}}\n" +
                          prepend.substr(prepend.find("actions"))));
  planner_.Step();
  EXPECT_THAT(Announced(planner_, "master1"), ElementsAre(kRoute));
  EXPECT_THAT(Announced(planner_, "worker-p002"), IsEmpty());
  EXPECT_THAT(Problem("HeldDown"), HasSubstr("statement p/s prepends AS 64999"));
  EXPECT_THAT(Problem("PolicyNotApplied"), IsEmpty());
}

// Offline the namespace is not known: the first that has it.
TEST(PolicyNamespaceTest, OfflineAnyNamespaceWillDo) {
  PolicyTable table("");
  table.Upsert(Map("policy", Mark(8), "b"));
  table.Upsert(Map("policy", Mark(7), "a"));
  EXPECT_TRUE(table.Derive("policy"));
  EXPECT_EQ(table.current().policy->statements.at(0).rule.set.med, 7u);
  EXPECT_FALSE(table.Derive("policy"));
  table.Remove("a", "policy");
  EXPECT_TRUE(table.Derive("policy"));
  EXPECT_EQ(table.current().policy->statements.at(0).rule.set.med, 8u);
  EXPECT_THAT(table.current().problem, Not(HasSubstr("namespace")));
}

}  // namespace
}  // namespace openelb::plan
