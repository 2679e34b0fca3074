// Several routers of one rack, and routers of several racks that have one address.

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/plan/v1/plan.pb.h"
#include "controller/plan/planner.h"
#include "controller/plan/test_world.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr char kRack[] = "openelb.kubesphere.io/rack";

class SeveralPeersTest : public testing::Test {
 protected:
  void SetUp() override {
    planner_.Upsert(MakeConf(65000));
    planner_.Upsert(MakeService("web"));
    planner_.SetAddresses("default/web", {*IpAddress::Parse("172.22.0.1")});
  }
  void AddSpeaker(const std::string& name, const std::string& ip, std::vector<std::string> prefixes,
                  kube::Labels labels = {}) {
    planner_.Upsert(MakeNode(name, ip, std::move(labels)));
    planner_.SetFact(MakeSpeaker(name));
    planner_.SetFact(MakePrefixes(name, std::move(prefixes)));
  }
  std::vector<std::string> Lines(const std::string& node) {
    planner_.Step();
    return Announced(planner_, node);
  }
  // The bodies of a speaker's sessions, by name of their BgpPeer.
  std::map<std::string, std::string> Sessions(const std::string& node) {
    planner_.Step();
    std::map<std::string, std::string> sessions;
    for (const std::string& set : planner_.SetsOf(node)) {
      const ResourceSet* resources = planner_.Find(set);
      if (resources == nullptr) continue;
      for (const auto& [key, resource] : resources->resources()) {
        v1::ResourceBody body;
        body.ParseFromString(*resource.body);
        if (body.has_peer()) sessions[body.peer().name()] = *resource.body;
      }
    }
    return sessions;
  }
  // "PEER AS", by what the speaker on `node` is told.
  std::vector<std::string> Peers(const std::string& node) {
    std::vector<std::string> peers;
    for (const auto& [name, text] : Sessions(node)) {
      v1::ResourceBody body;
      body.ParseFromString(text);
      peers.push_back(absl::StrCat(name, " ", body.peer().remote_as()));
    }
    return peers;
  }
  std::vector<std::string> Problems() {
    planner_.Step();
    std::vector<std::string> problems;
    for (const Problem& problem : planner_.Problems())
      problems.push_back(absl::StrCat(problem.about.name, " ", problem.reason));
    return problems;
  }

  Planner planner_;
};

// Two leaves on one subnet and a third one on another: what each is told is its own.
TEST_F(SeveralPeersTest, EachLeafOfARackGetsTheNextHopsItReaches) {
  AddSpeaker("n1", "10.0.0.1", {"eth0 10.0.0.1/24", "eth1 10.1.0.1/24"});
  planner_.Upsert(MakeNode("n2", "10.0.0.2"));
  planner_.Upsert(MakeNode("n3", "10.1.0.3"));
  planner_.Upsert(MakeSlice("web", {"n2"}));
  planner_.Upsert(MakePeer("leaf-a", "10.0.0.251", 65001));
  planner_.Upsert(MakePeer("leaf-b", "10.0.0.252", 65002));
  planner_.Upsert(MakePeer("leaf-c", "10.1.0.251", 65003));
  EXPECT_THAT(Lines("n1"), ElementsAre("10.0.0.251: 172.22.0.1/32 via 10.0.0.1 10.0.0.2",
                                       "10.0.0.252: 172.22.0.1/32 via 10.0.0.1 10.0.0.2",
                                       "10.1.0.251: 172.22.0.1/32 via 10.1.0.3"));
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(SeveralPeersTest, OneLeafComesAndGoesWithoutTheOthersNotice) {
  AddSpeaker("n1", "10.0.0.1", {"eth0 10.0.0.1/24"});
  planner_.Upsert(MakeSlice("web", {"n1"}));
  planner_.Upsert(MakePeer("leaf-a", "10.0.0.251", 65001));
  const auto alone = Sessions("n1");
  planner_.Upsert(MakePeer("leaf-b", "10.0.0.252", 65002));
  network::BgpPeer internal = MakePeer("spine", "10.9.0.1", 65000);
  planner_.Upsert(internal);
  EXPECT_THAT(Sessions("n1"),
              UnorderedElementsAre(Pair("leaf-a", alone.at("leaf-a")), Pair("leaf-b", testing::_),
                                   Pair("spine", testing::_)));
  EXPECT_THAT(Lines("n1"), ElementsAre("10.0.0.251: 172.22.0.1/32 via 10.0.0.1",
                                       "10.0.0.252: 172.22.0.1/32 via 10.0.0.1",
                                       "10.9.0.1: 172.22.0.1/32 via 10.0.0.1"));
  planner_.Remove({network::BgpPeer::kKind, "", "leaf-b"});
  planner_.Remove({network::BgpPeer::kKind, "", "spine"});
  EXPECT_EQ(Sessions("n1"), alone);
}

// Every rack has its leaf at the same address: the links repeat, the nodes' own addresses do not.
TEST_F(SeveralPeersTest, RacksHaveLeavesOfOneAddress) {
  const std::vector<std::string> link = {"eth0 169.254.1.2/30"};
  AddSpeaker("a1", "10.0.1.1", link, {{kRack, "a"}});
  AddSpeaker("b1", "10.0.2.1", link, {{kRack, "b"}});
  planner_.Upsert(MakeSlice("web", {"a1", "b1"}));
  planner_.Upsert(MakePeer("leaf-a", "169.254.1.1", 65001, {{kRack, "a"}}));
  planner_.Upsert(MakePeer("leaf-b", "169.254.1.1", 65002, {{kRack, "b"}}));
  EXPECT_THAT(Peers("a1"), ElementsAre("leaf-a 65001"));
  EXPECT_THAT(Peers("b1"), ElementsAre("leaf-b 65002"));
  EXPECT_THAT(Lines("a1"), ElementsAre("169.254.1.1: 172.22.0.1/32 via 10.0.1.1"));
  EXPECT_THAT(Lines("b1"), ElementsAre("169.254.1.1: 172.22.0.1/32 via 10.0.2.1"));
  EXPECT_THAT(Problems(), IsEmpty());

  // One rack's leaf goes down for work; the other rack's stays as it is.
  const auto before = Sessions("b1");
  network::BgpPeer down = MakePeer("leaf-a", "169.254.1.1", 65001, {{kRack, "a"}});
  down.admin_down = true;
  planner_.Upsert(down);
  EXPECT_THAT(Lines("a1"), IsEmpty());
  EXPECT_EQ(Sessions("b1"), before);

  // A node that moves has the other rack's leaf at once.
  planner_.Upsert(MakeNode("a1", "10.0.1.1", {{kRack, "b"}}));
  EXPECT_THAT(Peers("a1"), ElementsAre("leaf-b 65002"));
  EXPECT_THAT(Lines("b1"), ElementsAre("169.254.1.1: 172.22.0.1/32 via 10.0.2.1 10.0.1.1"));
}

TEST_F(SeveralPeersTest, OfTwoForOneAddressOnANodeTheNextOneFollows) {
  AddSpeaker("a1", "10.0.0.1", {"eth0 10.0.0.1/24"}, {{kRack, "a"}});
  AddSpeaker("b1", "10.0.0.2", {"eth0 10.0.0.2/24"}, {{kRack, "b"}});
  planner_.Upsert(MakePeer("everywhere", "10.0.0.251", 65001));
  planner_.Upsert(MakePeer("rack-b", "10.0.0.251", 65002, {{kRack, "b"}}));
  EXPECT_THAT(Peers("a1"), ElementsAre("everywhere 65001"));
  EXPECT_THAT(Peers("b1"), ElementsAre("everywhere 65001"));
  EXPECT_THAT(Problems(), ElementsAre("rack-b DuplicatePeer"));
  planner_.Remove({network::BgpPeer::kKind, "", "everywhere"});
  EXPECT_THAT(Peers("a1"), IsEmpty());
  EXPECT_THAT(Peers("b1"), ElementsAre("rack-b 65002"));
  EXPECT_THAT(Problems(), IsEmpty());
}

}  // namespace
}  // namespace openelb::plan
