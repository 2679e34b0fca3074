// Who answers for a Layer 2 address, as the controller shows it: speakers are what they say.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/network/v1alpha2/names.h"
#include "controller/controller.h"
#include "controller/plan/fact.h"
#include "controller/plan/model.h"
#include "e2e/simulation/sim_cluster.h"

namespace openelb::simulation {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kVip = "192.168.0.91";

// Takes every plan in.
class FakeLink final : public push::PlanLink {
 public:
  void Send(push::StreamId stream, std::shared_ptr<const plan::v1::Plan> plan) override {
    sent.emplace_back(stream, std::move(plan));
  }
  void Close(push::StreamId stream, const absl::Status& why) override {
    ADD_FAILURE() << "stream " << stream << " is closed: " << why;
  }
  std::vector<std::pair<push::StreamId, std::shared_ptr<const plan::v1::Plan>>> sent;
};

class OwnerStatusTest : public testing::Test {
 protected:
  OwnerStatusTest() {
    network::Eip eip;
    eip.meta.name = "pool";
    eip.address = "192.168.0.91-192.168.0.100";
    eip.protocol = network::Protocol::kLayer2;
    eip.interface = "eth0";
    cluster_.Apply(eip);
    kube::Service service;
    service.meta.name = "web";
    service.meta.namespace_ = "default";
    service.meta.annotations = {{network::kLoadBalancer.openelb, "openelb"},
                                {network::kEipName.openelb, "pool"}};
    service.type = "LoadBalancer";
    service.ports = {{.name = "http", .protocol = "TCP", .port = 80}};
    cluster_.Apply(service);
    kube::EndpointSlice slice;
    slice.meta.name = "web";
    slice.meta.namespace_ = "default";
    slice.meta.labels[kube::kServiceNameLabel] = "web";
    slice.address_type = "IPv4";
    slice.endpoints.push_back(
        {.addresses = {"10.244.0.1"}, .node_name = std::string("n1"), .ready = true});
    cluster_.Apply(slice);
    for (const char* node : {"n1", "n2", "n3"}) cluster_.Apply(Node(node));
    StartController();
  }

  static std::string AddressOf(const std::string& node) { return "192.168.0." + node.substr(1); }
  static kube::Node Node(const std::string& name) {
    kube::Node node;
    node.meta.name = name;
    node.internal_ips = {IpAddress::Parse(AddressOf(name)).value()};
    return node;
  }

  void StartController() {
    cluster_.Detach();
    controller_.reset();
    streams_.clear();
    epoch_ = std::make_unique<DiskEpoch>(&disk_);
    controller_ = std::make_unique<Controller>(
        ControllerOptions{}, Controller::Seams{.clock = &scheduler_,
                                               .disk = &disk_,
                                               .epoch = epoch_.get(),
                                               .open_link =
                                                   [this](auto*) {
                                                     auto link = std::make_unique<FakeLink>();
                                                     link_ = link.get();
                                                     return link;
                                                   },
                                               .status = &cluster_,
                                               .log = &log_});
    cluster_.Start(controller_.get());
  }

  // The speaker of `node` comes and answers for these addresses.
  void Attach(const std::string& node, const std::vector<std::string>& owned = {}) {
    streams_[node] = ++last_stream_;
    controller_->OnAttached(last_stream_, {node});
    plan::v1::Report hello;
    hello.mutable_hello()->set_node(node);
    hello.mutable_hello()->set_instance(node + "-1");
    Tell(node, hello);
    plan::v1::Report facts;
    const auto add = [&](const char* kind, const std::string& value) {
      plan::v1::Fact* fact = facts.mutable_facts()->add_facts();
      fact->set_subject(node);
      fact->set_kind(kind);
      fact->add_values(value);
    };
    add(plan::kPrefixesFact, "eth0 " + AddressOf(node) + "/24");
    add(plan::kModesFact, plan::kLayer2Mode);
    add(plan::kSpeakerFact, "test");
    Tell(node, facts);
    Owned(node, owned);
    plan::v1::Report observed;
    observed.mutable_observed();
    Tell(node, observed);
  }
  void Cut(const std::string& node) {
    controller_->OnDetached(streams_.at(node), absl::UnavailableError("cut"));
    streams_.erase(node);
  }
  void Owned(const std::string& node, const std::vector<std::string>& owned) {
    plan::v1::Report report;
    report.mutable_layer2_owned();
    for (const std::string& address : owned) {
      plan::v1::OwnedAddress* entry = report.mutable_layer2_owned()->add_addresses();
      entry->set_address(address);
      entry->mutable_since()->set_seconds(absl::ToUnixSeconds(scheduler_.Wall()));
    }
    Tell(node, report);
  }
  void Tell(const std::string& node, const plan::v1::Report& report) {
    controller_->OnReport(streams_.at(node), report);
  }

  void RunFor(absl::Duration time) {
    for (const absl::Duration end = scheduler_.Monotonic() + time; scheduler_.Monotonic() < end;) {
      scheduler_.RunFor(absl::Milliseconds(100));
      for (const auto& [node, stream] : streams_) {
        plan::v1::Report heartbeat;
        heartbeat.mutable_heartbeat();
        Tell(node, heartbeat);
      }
      controller_->Turn();
      for (const auto& [stream, plan] : std::exchange(link_->sent, {})) {
        controller_->OnWritable(stream);
        if (!plan->has_snapshot_end() && !plan->has_delta()) continue;
        plan::v1::Report ack;
        *ack.mutable_ack()->mutable_generation() = plan->generation();
        controller_->OnReport(stream, ack);
      }
    }
  }

  std::string Planned() const {
    return controller_->planner().model().layer2.at(IpAddress::Parse(kVip).value()).ranks.front();
  }
  // Of the one address in use.
  network::AddressOwner Shown() const {
    const network::EipStatus& status = cluster_.eips().at("pool");
    EXPECT_EQ(status.owners_total, 1);
    return status.owners.empty() ? network::AddressOwner{} : status.owners.front();
  }
  std::vector<std::string> OwnerEvents() const {
    std::vector<std::string> messages;
    for (const ClusterEvent& event : cluster_.events()) {
      if (event.reason == "OwnerChanged") messages.push_back(event.message);
    }
    return messages;
  }

  Scheduler scheduler_;
  SimCluster cluster_{&scheduler_};
  MemoryDisk disk_;
  NullLogSink sink_;
  Logger log_{&sink_, &scheduler_};
  std::unique_ptr<DiskEpoch> epoch_;
  FakeLink* link_ = nullptr;
  std::map<std::string, push::StreamId> streams_;
  push::StreamId last_stream_ = 0;
  std::unique_ptr<Controller> controller_;
};

TEST_F(OwnerStatusTest, ATakeOverFromTheReportToThePlanThatFollows) {
  for (const char* node : {"n1", "n2", "n3"}) Attach(node);
  RunFor(absl::Seconds(15));
  const std::string owner = Planned();
  EXPECT_EQ(Shown(), (network::AddressOwner{kVip, owner, {}, {}}));
  EXPECT_THAT(OwnerEvents(), IsEmpty());

  Owned(owner, {kVip});
  const absl::Time since = absl::FromUnixSeconds(absl::ToUnixSeconds(scheduler_.Wall()));
  RunFor(absl::Seconds(1));
  EXPECT_EQ(Shown(), (network::AddressOwner{kVip, owner, {owner}, since}));
  EXPECT_THAT(OwnerEvents(), ElementsAre("192.168.0.91 is answered for by node " + owner +
                                         " (planned: " + owner + ")"));

  const std::string standby = owner == "n1" ? "n2" : "n1";
  RunFor(absl::Seconds(5));
  Owned(standby, {kVip});
  RunFor(absl::Seconds(1));
  EXPECT_THAT(Shown().actual, ElementsAre(standby, owner)) << "both say so";
  Cut(owner);
  RunFor(absl::Seconds(1));
  EXPECT_EQ(Shown().planned, owner);
  EXPECT_THAT(Shown().actual, ElementsAre(standby));
  EXPECT_THAT(OwnerEvents(), SizeIs(2));

  plan::v1::Report taken;
  plan::v1::Fact* fact = taken.mutable_facts()->add_facts();
  fact->set_subject(standby);
  fact->set_kind(plan::kTakenOverFact);
  fact->add_values(kVip);
  Tell(standby, taken);
  RunFor(absl::Seconds(2));
  EXPECT_EQ(Planned(), standby);
  EXPECT_EQ(Shown().planned, standby);
  EXPECT_THAT(Shown().actual, ElementsAre(standby));
  EXPECT_THAT(OwnerEvents(), SizeIs(2)) << "the plan followed";
}

TEST_F(OwnerStatusTest, ANewControllerShowsWhatIsAndTellsNothing) {
  for (const char* node : {"n1", "n2", "n3"}) Attach(node);
  RunFor(absl::Seconds(15));
  const std::string owner = Planned();
  Owned(owner, {kVip});
  RunFor(absl::Seconds(2));
  const network::AddressOwner before = Shown();
  ASSERT_THAT(OwnerEvents(), SizeIs(1));

  StartController();
  for (const char* node : {"n1", "n2", "n3"})
    Attach(node, node == owner ? std::vector<std::string>{kVip} : std::vector<std::string>{});
  for (int i = 0; i < 150; ++i) {
    RunFor(absl::Milliseconds(100));
    ASSERT_EQ(Shown().actual, before.actual) << "never gone from the status";
  }
  EXPECT_THAT(OwnerEvents(), SizeIs(1));
}

TEST_F(OwnerStatusTest, ASpeakerThatStopsOrANodeThatGoesAnswersNoMore) {
  for (const char* node : {"n1", "n2", "n3"}) Attach(node);
  RunFor(absl::Seconds(15));
  Owned("n1", {kVip});
  Owned("n2", {kVip});
  RunFor(absl::Seconds(1));
  EXPECT_THAT(Shown().actual, SizeIs(2));
  plan::v1::Report goodbye;
  goodbye.mutable_goodbye();
  Tell("n1", goodbye);
  RunFor(absl::Seconds(2));
  EXPECT_THAT(Shown().actual, ElementsAre("n2"));
  Cut("n2");
  RunFor(absl::Seconds(2));
  EXPECT_THAT(Shown().actual, ElementsAre("n2"));
  cluster_.Delete({kube::Node::kKind, "", "n2"});
  RunFor(absl::Seconds(2));
  EXPECT_THAT(Shown().actual, IsEmpty());
}

}  // namespace
}  // namespace openelb::simulation
