// Statuses over a real Ipam and Planner, in virtual time.

#include "controller/observe/statuses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "api/base/scheduler.h"
#include "controller/ipam/ipam_testing.h"

namespace openelb::observe {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::Pair;
using ::testing::SizeIs;

class FakeSink final : public StatusSink {
 public:
  void WriteService(const ObjectKey&, const ServiceStatus&) override {}
  void WriteEip(const std::string& name, const network::EipStatus& status) override {
    eips[name].push_back(status);
  }
  void WriteBgpPeer(const std::string& name, const network::BgpPeerStatus& status) override {
    peers[name].push_back(status);
  }
  void WriteBgpConf(const std::string& name, const network::BgpConfStatus& status) override {
    confs[name].push_back(status);
  }
  void Forget(const ObjectKey&) override {}
  void Record(const ClusterEvent& event) override { events.push_back(event); }

  std::map<std::string, std::vector<network::EipStatus>> eips;
  std::map<std::string, std::vector<network::BgpPeerStatus>> peers;
  std::map<std::string, std::vector<network::BgpConfStatus>> confs;
  std::vector<ClusterEvent> events;
};

class StatusesTest : public testing::Test {
 protected:
  StatusesTest() { clock_.RunFor(absl::Minutes(1)); }

  // Does what is due then, as a controller's turns would.
  void RunFor(absl::Duration time) {
    const absl::Duration end = clock_.Monotonic() + time;
    statuses_.WriteDue(clock_.Monotonic());
    for (absl::Duration next = statuses_.NextDue(); next <= end; next = statuses_.NextDue()) {
      clock_.RunUntil(next);
      statuses_.WriteDue(clock_.Monotonic());
    }
    clock_.RunUntil(end);
  }
  void Put(const Object& object) {
    std::visit(
        [this](const auto& o) {
          if constexpr (requires { ipam_.Upsert(o); }) ipam_.Upsert(o);
        },
        object);
    planner_.Upsert(object);
    statuses_.OnObject(object);
  }
  void PutConf() {
    network::BgpConf conf;
    conf.meta.name = network::kBgpConfName;
    conf.meta.generation = 3;
    conf.as = 65001;
    Put(conf);
  }
  // Nodes n000, n001 and so on without a rack, beside one that has one.
  void PutNodes(int count) {
    kube::Node labelled;
    labelled.meta.name = "labelled";
    labelled.meta.labels = {{"openelb.kubesphere.io/rack", "leaf1"}};
    labelled.internal_ips = {IpAddress::Parse("10.2.0.1").value()};
    Put(labelled);
    for (int i = 0; i < count; ++i) {
      kube::Node node;
      node.meta.name = absl::StrCat("n", absl::Dec(i, absl::kZeroPad3));
      node.internal_ips = {
          IpAddress::Parse(absl::StrCat("10.1.", i / 200, ".", i % 200 + 1)).value()};
      Put(node);
    }
    Plan();
  }
  void Plan() {
    const plan::PlanChange change = planner_.Step();
    if (change.problems) statuses_.OnProblems(clock_.Monotonic());
    if (change.racks) statuses_.OnRacks(clock_.Monotonic());
  }
  void Allocate() {
    for (const std::string& pool : ipam_.TakeChanges().pools) statuses_.WriteEip(pool);
  }
  void PutServices(int from, int to) {
    for (int i = from; i < to; ++i)
      Put(ipam::FromEip(ipam::MakeService(absl::StrCat("ns/s", i)), "pool"));
    Allocate();
  }
  // The condition of a type of what was written last; null: it is not there.
  template <typename Status>
  static const kube::Condition* Find(const std::vector<Status>& written, const std::string& type) {
    if (written.empty()) return nullptr;
    const auto& conditions = written.back().conditions;
    const auto it = std::find_if(conditions.begin(), conditions.end(),
                                 [&](const kube::Condition& c) { return c.type == type; });
    return it == conditions.end() ? nullptr : &*it;
  }

  Scheduler clock_;
  NullLogSink log_sink_;
  Logger log_{&log_sink_, &clock_};
  ipam::Ipam ipam_;
  plan::Planner planner_;
  SessionBoard board_;
  OwnerBoard owners_;
  FakeSink sink_;
  Statuses statuses_{&ipam_, &planner_, &board_, &owners_, &sink_, &clock_, &log_};
};

constexpr const char* kNoRack =
    "the node has no rack label and its address is on-link for the labelled nodes of no rack; only "
    "its own speaker, if it has one, announces it";

TEST_F(StatusesTest, ConditionsAboutNodesNameThem) {
  PutConf();
  PutNodes(2);
  RunFor(absl::Seconds(3));
  const kube::Condition* found = Find(sink_.confs["default"], "NoRack");
  ASSERT_NE(found, nullptr);
  EXPECT_TRUE(found->status);
  EXPECT_EQ(found->observed_generation, 3);
  EXPECT_EQ(found->message, absl::StrCat("node n000: ", kNoRack, "; node n001: ", kNoRack));
  // The Event is about the node itself.
  EXPECT_THAT(sink_.events, Contains(Field(&ClusterEvent::message, kNoRack)).Times(2));
}

TEST_F(StatusesTest, AThousandNodesGiveAMessageThatFits) {
  PutConf();
  PutNodes(1000);
  RunFor(absl::Seconds(3));
  const kube::Condition* found = Find(sink_.confs["default"], "NoRack");
  ASSERT_NE(found, nullptr);
  EXPECT_LE(found->message.size(), kMaxMessageBytes);
  EXPECT_THAT(found->message, testing::StartsWith("node n000: "));
  EXPECT_THAT(found->message, testing::HasSubstr("; node n019: "));
  EXPECT_THAT(found->message, testing::EndsWith("; and 980 more"));
}

// What a kind's refused object shows, and that its condition goes with the refusal.
TEST_F(StatusesTest, RefusedObjectsSayWhyForAsLongAsTheyAre) {
  PutConf();
  network::Eip eip = ipam::MakeEip("pool", "10.0.0.0/24");
  eip.meta.generation = 1;
  Put(eip);
  network::BgpPeer peer;
  peer.meta.name = "leaf";
  Put(peer);
  ipam_.Start();
  Plan();
  Allocate();
  RunFor(absl::Seconds(3));
  sink_.events.clear();
  const ObjectKey of_eip = KeyOf(Object(eip));
  statuses_.OnRefused(of_eip, {.why = "spec.address: \"x\" is no range", .generation = 2});
  statuses_.OnRefused(KeyOf(Object(peer)), {.why = "spec.conf.peerAs: -1", .generation = 2});
  statuses_.OnRefused({network::BgpConf::kKind, "", "default"}, {.why = "spec.as: -1"});
  statuses_.OnRefused({kube::Node::kKind, "", "n1"}, {.why = "spec.podCIDR: 5"});
  RunFor(absl::Seconds(2));
  const kube::Condition* found = Find(sink_.eips["pool"], "Refused");
  ASSERT_NE(found, nullptr);
  EXPECT_TRUE(found->status);
  EXPECT_EQ(found->reason, "Refused");
  EXPECT_EQ(found->message, "spec.address: \"x\" is no range");
  EXPECT_EQ(found->observed_generation, 2);
  EXPECT_TRUE(Find(sink_.eips["pool"], "Ready")->status) << "the last good state is in force";
  EXPECT_EQ(sink_.eips["pool"].back().pool_size, "256");
  ASSERT_NE(Find(sink_.peers["leaf"], "Refused"), nullptr);
  EXPECT_EQ(Find(sink_.peers["leaf"], "Refused")->message, "spec.conf.peerAs: -1");
  EXPECT_EQ(Find(sink_.confs["default"], "Refused")->message,
            "spec.as: -1; node n1: spec.podCIDR: 5");
  EXPECT_THAT(sink_.events, SizeIs(4));
  EXPECT_THAT(sink_.events, Each(Field(&ClusterEvent::reason, "Refused")));

  RunFor(absl::Hours(2));
  EXPECT_NE(Find(sink_.eips["pool"], "Refused"), nullptr);
  EXPECT_THAT(sink_.events, SizeIs(4));
  Put(eip);
  RunFor(absl::Seconds(2));
  EXPECT_EQ(Find(sink_.eips["pool"], "Refused"), nullptr);
  EXPECT_NE(Find(sink_.peers["leaf"], "Refused"), nullptr);
  statuses_.OnDeleted(KeyOf(Object(peer)));
  RunFor(absl::Seconds(2));
  EXPECT_EQ(statuses_.problem_count(), 2u) << "the BgpConf and the node";
}

TEST_F(StatusesTest, WhatNeverWasGoodShowsItsRefusalAndNothingElse) {
  const ObjectKey key{network::Eip::kKind, "", "pool"};
  statuses_.OnRefused(key, {.why = "spec.address: \"x\"", .generation = 1});
  RunFor(absl::Seconds(2));
  ASSERT_THAT(sink_.eips["pool"], SizeIs(1));
  EXPECT_THAT(sink_.eips["pool"][0].conditions,
              ElementsAre(Field(&kube::Condition::type, "Refused")));
  EXPECT_FALSE(sink_.eips["pool"][0].ready);
  statuses_.OnDeleted(key);
  RunFor(absl::Seconds(2));
  EXPECT_THAT(sink_.eips["pool"], SizeIs(1));
  EXPECT_EQ(statuses_.problem_count(), 0u);
}

class RackRedundancyTest : public StatusesTest {
 protected:
  // A BgpPeer selects rack leaf1, which has n1 with a speaker and n2 without.
  RackRedundancyTest() {
    PutConf();
    network::BgpPeer peer;
    peer.meta.name = "leaf1";
    peer.neighbor_address = "10.1.0.254";
    peer.peer_as = 65002;
    peer.node_selector.emplace();
    peer.node_selector->match_labels = {{"openelb.kubesphere.io/rack", "leaf1"}};
    Put(peer);
    for (const char* name : {"n1", "n2"}) {
      kube::Node node;
      node.meta.name = name;
      node.meta.labels = {{"openelb.kubesphere.io/rack", "leaf1"}};
      node.internal_ips = {IpAddress::Parse(absl::StrCat("10.1.0.", name + 1)).value()};
      Put(node);
    }
    StartSpeaker("n1");
  }
  void StartSpeaker(const std::string& node) {
    planner_.SetFact({node, plan::kSpeakerFact, {"v1"}, clock_.Wall()});
    Plan();
    Report(node, "ESTABLISHED");
  }
  void Report(const std::string& node, const std::string& state) {
    plan::v1::Observed observed;
    plan::v1::PeerObserved* peer = observed.add_peers();
    peer->set_name("leaf1");
    peer->set_address("10.1.0.254");
    peer->set_session_state(state);
    board_.Update(node, observed, clock_.Monotonic());
  }
  const kube::Condition* Told() { return Find(sink_.confs["default"], kRackWithoutRedundancy); }
  // Events about the BgpConf, by reason.
  std::vector<std::string> Events() const {
    std::vector<std::string> reasons;
    for (const ClusterEvent& event : sink_.events) {
      if (event.about == ObjectKey{network::BgpConf::kKind, "", "default"})
        reasons.push_back(absl::StrCat(event.warning ? "Warning " : "Normal ", event.reason));
    }
    return reasons;
  }
};

TEST_F(RackRedundancyTest, LossAndReturnAreAConditionAndEvents) {
  RunFor(Redundancy::kLoss - absl::Seconds(1));
  EXPECT_EQ(Told(), nullptr) << "a roll-out";
  RunFor(absl::Seconds(3));
  ASSERT_NE(Told(), nullptr);
  EXPECT_TRUE(Told()->status);
  EXPECT_THAT(Told()->message, testing::StartsWith("rack \"leaf1\" has one ready speaker, on "
                                                   "node n1: "));
  EXPECT_THAT(Events(), ElementsAre("Warning RackWithoutRedundancy"));
  EXPECT_EQ(statuses_.problem_count(), 1u);

  StartSpeaker("n2");
  RunFor(Redundancy::kReturn + absl::Seconds(3));
  EXPECT_EQ(Told(), nullptr);
  EXPECT_THAT(Events(), ElementsAre("Warning RackWithoutRedundancy", "Normal RackRedundant"));
  EXPECT_EQ(statuses_.problem_count(), 0u);
  RunFor(absl::Hours(1));
  EXPECT_THAT(Events(), SizeIs(2));

  Report("n1", "IDLE");
  RunFor(absl::Seconds(20));
  Report("n1", "ESTABLISHED");
  RunFor(absl::Minutes(1));
  EXPECT_THAT(Events(), SizeIs(2)) << "a router that restarted";
  board_.OnSilent("n2");
  RunFor(Redundancy::kLoss + absl::Seconds(3));
  ASSERT_NE(Told(), nullptr);
  EXPECT_THAT(Told()->message, testing::EndsWith("mend what keeps the others from it, on n2"));
  EXPECT_THAT(Events(), SizeIs(3));
}

TEST_F(RackRedundancyTest, WithoutTheBgpConfNothingIsSaid) {
  planner_.Remove({network::BgpConf::kKind, "", "default"});
  statuses_.OnDeleted({network::BgpConf::kKind, "", "default"});
  Plan();
  RunFor(absl::Hours(1));
  EXPECT_THAT(Events(), SizeIs(0));
  EXPECT_EQ(statuses_.problem_count(), 1u) << "the BgpPeer's";
}

TEST_F(StatusesTest, DuplicatesAreCountedByEip) {
  for (const char* eip : {"pool", "quiet"}) {
    Put(ipam::MakeEip(eip, "10.0.0.0/24"));
  }
  const auto ip = [](const char* text) { return IpAddress::Parse(text).value(); };
  planner_.SetLayer2("ns/a", "pool", {ip("10.0.0.1"), ip("10.0.0.2"), ip("10.0.0.3")});
  planner_.SetLayer2("ns/b", "quiet", {ip("10.0.0.4")});
  Plan();
  statuses_.OnSpeakersPlanned();
  RunFor(absl::Seconds(1));
  plan::v1::Observed observed;
  for (const char* address : {"10.0.0.1", "10.0.0.2", "10.0.0.99"}) {
    plan::v1::Layer2Problem* problem = observed.add_layer2_problems();
    problem->set_address(address);
    problem->set_message("another station answers for it");
    problem->set_duplicate(true);
  }
  board_.Update("n1", observed, clock_.Monotonic());
  observed.mutable_layer2_problems()->DeleteSubrange(1, 2);
  plan::v1::Layer2Problem* down = observed.add_layer2_problems();
  down->set_address("10.0.0.3");
  down->set_message("no such interface");
  board_.Update("n2", observed, clock_.Monotonic());
  EXPECT_THAT(statuses_.CountDuplicates(), ElementsAre(Pair("pool", 2), Pair("quiet", 0)));
  statuses_.OnDeleted({network::Eip::kKind, "", "quiet"});
  EXPECT_THAT(statuses_.CountDuplicates(), ElementsAre(Pair("pool", 2)));
}

class UseTest : public StatusesTest {
 protected:
  // 3,000 addresses in use, which are written.
  UseTest() {
    eip_ = ipam::MakeEip("pool", "10.0.0.0/16");
    Put(eip_);
    ipam_.Start();
    PutServices(0, 3000);
    RunFor(absl::Milliseconds(1));
    EXPECT_THAT(Written(), SizeIs(1));
    EXPECT_EQ(Written().back().usage, 3000);
  }
  const std::vector<network::EipStatus>& Written() { return sink_.eips["pool"]; }

  network::Eip eip_;
};

TEST_F(UseTest, AddressesThatComeAndGoAreWrittenTheMoreRarelyTheMoreThereAre) {
  for (int i = 0; i < 29; ++i) {
    PutServices(3000 + i, 3001 + i);
    RunFor(absl::Milliseconds(100));
  }
  EXPECT_THAT(Written(), SizeIs(1));
  RunFor(absl::Milliseconds(100));
  ASSERT_THAT(Written(), SizeIs(2)) << "a millisecond for each";
  EXPECT_EQ(Written().back().usage, 3029);
  EXPECT_THAT(Written().back().used, SizeIs(3029));
  RunFor(absl::Minutes(1));
  EXPECT_THAT(Written(), SizeIs(2));
}

TEST_F(UseTest, WhatElseChangesIsWrittenWithinASecond) {
  PutServices(3000, 3001);
  RunFor(absl::Milliseconds(100));
  EXPECT_THAT(Written(), SizeIs(1));
  eip_.fields_ignored = {"spec.usingKnownIPs"};
  Put(eip_);
  Allocate();
  RunFor(absl::Milliseconds(899));
  ASSERT_THAT(Written(), SizeIs(2)) << "a condition, and all that is known";
  EXPECT_NE(Find(Written(), "FieldsIgnored"), nullptr);
  EXPECT_EQ(Written().back().usage, 3001);
  eip_.disable = true;
  Put(eip_);
  Allocate();
  RunFor(absl::Seconds(1));
  EXPECT_THAT(Written(), SizeIs(3)) << "Ready, while use rests";
  EXPECT_NE(Find(Written(), "Ready")->reason, "Usable");
}

TEST_F(StatusesTest, SecondSpeakersAreToldOncePerNodeAndMinute) {
  const auto all = [this] { return sink_.events.size(); };
  for (int i = 0; i < 3; ++i) statuses_.OnSecondSpeaker("n1", "10.0.0.9");
  statuses_.OnSecondSpeaker("n2", "");
  ASSERT_EQ(all(), 2u);
  EXPECT_EQ(sink_.events[0].about.name, "n1");
  EXPECT_TRUE(sink_.events[0].warning);
  EXPECT_THAT(sink_.events[0].message,
              testing::StartsWith("a second process (at 10.0.0.9) showed"));
  EXPECT_THAT(sink_.events[1].message, testing::StartsWith("a second process showed"));
  clock_.RunFor(absl::Seconds(59));
  statuses_.OnSecondSpeaker("n1", "10.0.0.9");
  EXPECT_EQ(all(), 2u);
  clock_.RunFor(absl::Seconds(1));
  statuses_.OnSecondSpeaker("n1", "10.0.0.9");
  EXPECT_EQ(all(), 3u);
}

}  // namespace
}  // namespace openelb::observe
