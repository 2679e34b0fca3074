// When a speaker counts as ready for a roll.

#include "controller/install/speaker_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace openelb::install {
namespace {

class SpeakerFactsTest : public ::testing::Test {
 protected:
  void Add(const std::string& name, const std::string& rack = "leaf1") {
    plan::NodeView& node = model_.nodes[name];
    node.rack = rack;
    node.speaker = true;
    model_.peered.insert(name);
    attached_[name] = {.attached = true, .instance = "i-" + name};
    Hear(name, {{"192.168.0.2", true}});
  }
  void Hear(const std::string& name, const std::map<std::string, bool>& sessions) {
    plan::v1::Observed observed;
    for (const auto& [address, up] : sessions) {
      plan::v1::PeerObserved* peer = observed.add_peers();
      peer->set_address(address);
      peer->set_session_state(up ? "ESTABLISHED" : "ACTIVE");
    }
    board_.Update(name, observed, absl::ZeroDuration());
  }
  SpeakerFact FactOf(const std::string& name) const {
    const Speakers speakers = SpeakersOf(model_, board_, attached_);
    const SpeakerFact fact = speakers.at(name);
    EXPECT_EQ(fact.ready, fact.lacks.empty());
    return fact;
  }

  plan::Model model_;
  observe::SessionBoard board_;
  std::map<std::string, push::SpeakerStatus> attached_;
};

TEST_F(SpeakerFactsTest, Ready) {
  Add("a");
  const SpeakerFact fact = FactOf("a");
  EXPECT_EQ(fact.lacks, "");
  EXPECT_EQ(fact.rack, "leaf1");
  EXPECT_EQ(fact.instance, "i-a");
  EXPECT_TRUE(fact.expected);
  EXPECT_TRUE(fact.reachable);
}

TEST_F(SpeakerFactsTest, NeedsItsStreamAndItsPlan) {
  Add("a");
  attached_["a"].pending_since = absl::ZeroDuration();
  EXPECT_EQ(FactOf("a").lacks, "it has not acknowledged its plan");
  attached_["a"].attached = false;
  EXPECT_EQ(FactOf("a").lacks, "it has no stream to the controller");
  attached_.clear();
  EXPECT_EQ(FactOf("a").lacks, "it has no stream to the controller");
  Add("a");
  board_.OnSilent("a");
  EXPECT_EQ(FactOf("a").lacks, "it has no stream to the controller");
}

TEST_F(SpeakerFactsTest, NeedsTheSessionsThatOthersOfItsRackHave) {
  for (const char* node : {"a", "b"}) Add(node);
  Add("c", "leaf2");
  Hear("a", {{"192.168.0.2", true}, {"192.168.0.3", false}});
  EXPECT_EQ(FactOf("a").lacks, "");  // nobody of the rack has the other one
  Hear("c", {{"192.168.0.3", true}});
  EXPECT_EQ(FactOf("a").lacks, "");
  Hear("b", {{"192.168.0.3", true}});
  EXPECT_EQ(FactOf("a").lacks, "no BGP session with 192.168.0.3");
  Hear("a", {{"192.168.0.2", false}});
  EXPECT_EQ(FactOf("a").lacks, "none of its BGP sessions is established");
}

TEST_F(SpeakerFactsTest, ASpeakerWithoutPeersNeedsNone) {
  Add("a");
  Hear("a", {});
  EXPECT_EQ(FactOf("a").lacks, "none of its BGP sessions is established");
  model_.peered.clear();
  EXPECT_EQ(FactOf("a").lacks, "");
}

TEST_F(SpeakerFactsTest, DeadNodesAreTold) {
  Add("a");
  for (const plan::Health health : {plan::Health::kNotReady, plan::Health::kUnknown}) {
    model_.nodes["a"].health = health;
    EXPECT_FALSE(FactOf("a").reachable);
  }
  model_.nodes["a"].health = plan::Health::kExcludedByLabel;
  EXPECT_TRUE(FactOf("a").reachable);
}

}  // namespace
}  // namespace openelb::install
