// VIP mode in a whole speaker: plans of a controller in, addresses on the NIC and reports out.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/base/disk.h"
#include "api/base/random.h"
#include "api/base/scheduler.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "speaker/io/sim_network.h"
#include "speaker/io/sim_segment.h"
#include "speaker/io/sim_vrrp.h"
#include "speaker/lan/local_lan.h"
#include "speaker/layer2/test_frames.h"
#include "speaker/observe/metrics.h"
#include "speaker/speaker.h"
#include "speaker/testing/fake_controller.h"

namespace openelb {
namespace {

using layer2::Ip;
using layer2::Mac;
using plan::v1::ResourceBody;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kKey[] = "vrrp/eth0/4/51";
const IpAddress kAddress = Ip("192.168.50.100");

// One speaker on node n1, a controller, and another VRRP router on the segment.
class SpeakerVipTest : public testing::Test, public vrrp::Observer {
 protected:
  SpeakerVipTest() {
    for (int i = 1; i <= 2; ++i) {
      const std::string name = absl::StrCat("n", i);
      const std::vector<InterfaceAddress> addresses = {
          {"eth0", Ip(absl::StrCat("192.168.50.", i)), 24}};
      network.AddHost(name, addresses);
      segment.AddStation(name, Mac(static_cast<uint8_t>(i)), addresses);
      std::vector<InterfaceAddress> with_link_local = addresses;
      with_link_local.push_back({"eth0", Ip(absl::StrCat("fe80::", i)), 64});
      wire.AddHost(name, with_link_local);
    }
    neighbour_io = wire.Start("n2");
    neighbour = std::make_unique<vrrp::Instance>(neighbour_io.get(), &scheduler, &log, this);
  }

  void StartSpeaker() {
    io = network.Start("n1");
    vrrp = wire.Start("n1");
    packets = segment.Start("n1");
    lan.emplace(layer2::OwnerOptions(), lan::LocalLan::Seams{.clock = &scheduler,
                                                             .random = &random,
                                                             .log = &log,
                                                             .vrrp = vrrp.get(),
                                                             .vip_packets = packets.get()});
    SpeakerOptions options;
    options.link.node = "n1";
    options.link.kernel_boot_id = "boot-1";
    options.link.version = "test";
    options.link.controllers = {"controller:50050"};
    speaker = std::make_unique<Speaker>(
        options,
        Speaker::Seams{.clock = &scheduler,
                       .random = &random,
                       .disk = &disk,
                       .io = io.get(),
                       .open_link = [this](auto* handler) { return controller.Connect(handler); },
                       .log = &log,
                       .lan = &*lan});
    speaker->Start();
  }
  // As kill -9 ends it.
  void KillSpeaker() {
    speaker.reset();
    lan.reset();
    packets.reset();
    vrrp.reset();
    io.reset();
  }
  void RunFor(absl::Duration time) {
    const absl::Duration end = scheduler.Monotonic() + time;
    while (scheduler.Monotonic() < end) {
      absl::Duration next = end;
      if (speaker != nullptr) {
        speaker->Turn();
        next = std::min(next, speaker->NextWakeup());
      }
      if (neighbour->NextWakeup() <= scheduler.Monotonic()) neighbour->Tick();
      next = std::min(next, neighbour->NextWakeup());
      if (!scheduler.Step(next)) scheduler.RunUntil(next);
    }
  }

  void PutRouter(const std::string& address) {
    ResourceBody body;
    plan::v1::VrrpInstance* router = body.mutable_vrrp_instance();
    router->set_interface("eth0");
    router->set_family(4);
    router->set_vrid(51);
    router->set_version(3);
    router->set_priority(200);
    router->set_interval_ms(100);
    router->add_addresses(address);
    router->set_name("vip-eip");
    plan::v1::AnnouncedAddress* announced = router->add_services();
    announced->set_address(address);
    announced->add_services("default/web");
    controller.Put(kKey, body);
  }
  // A router on n2 of that VRID and address.
  void RunNeighbour(uint8_t vrid, const IpAddress& address) {
    vrrp::RouterConfig config;
    config.interface = "eth0";
    config.vrid = vrid;
    config.name = "other";
    config.interval = absl::Milliseconds(100);
    config.addresses = {address};
    EXPECT_THAT(neighbour->Apply({config}, {}), IsEmpty());
  }
  const plan::v1::VrrpObserved& Observed() const { return controller.observed->vrrp(0); }
  std::vector<std::string> Fact(absl::string_view kind) const {
    for (const plan::v1::Fact& fact : controller.facts->facts()) {
      if (fact.kind() == kind) return {fact.values().begin(), fact.values().end()};
    }
    return {"no such fact"};
  }
  std::string Metric(const std::string& line_start) {
    metrics.emplace(SpeakerMetricTable());
    SpeakerMetrics("test", &*metrics).Export(*speaker);
    const std::string text = metrics->Expose();
    const size_t begin = text.find("\n" + line_start + " ");
    if (begin == std::string::npos) return "no series " + line_start;
    const size_t value = begin + line_start.size() + 2;
    return text.substr(value, text.find('\n', value) - value);
  }

  void Announce(int, const std::vector<IpAddress>&) override {}
  void Release(int, const std::vector<IpAddress>&) override {}

  Scheduler scheduler;
  SeededRandom random{1};
  MemoryDisk disk;
  NullLogSink sink;
  Logger log{&sink, &scheduler};
  io::SimNetwork network{&scheduler, 1};
  io::SimSegment segment{&scheduler};
  io::SimVrrpSegment wire{&scheduler};
  FakeController controller{&scheduler};
  std::unique_ptr<io::VrrpIo> neighbour_io;
  std::unique_ptr<vrrp::Instance> neighbour;
  std::optional<Metrics> metrics;
  std::unique_ptr<io::Io> io;
  std::unique_ptr<io::VrrpIo> vrrp;
  std::unique_ptr<io::PacketIo> packets;
  std::optional<lan::LocalLan> lan;
  std::unique_ptr<Speaker> speaker;
};

TEST_F(SpeakerVipTest, TellsOfItsDefaultRoutesAndTheirChanges) {
  StartSpeaker();
  RunFor(absl::Seconds(1));
  EXPECT_THAT(Fact("default-routes"), IsEmpty());
  network.SetDefaultRoutes("n1", {{Family::kV4, "eth0"}, {Family::kV6, "eth1"}});
  RunFor(absl::Seconds(1));
  EXPECT_THAT(Fact("default-routes"), ElementsAre("eth0 4", "eth1 6"));
}

TEST_F(SpeakerVipTest, APlannedRouterHoldsItsAddressAndIsReported) {
  PutRouter("192.168.50.100");
  StartSpeaker();
  RunFor(absl::Seconds(2));
  EXPECT_THAT(wire.Held("n1"), ElementsAre(kAddress));
  EXPECT_THAT(Fact("modes"), ElementsAre("vip", "tcp-ao"));
  ASSERT_EQ(controller.observed->vrrp_size(), 1);
  EXPECT_EQ(Observed().interface(), "eth0");
  EXPECT_EQ(Observed().family(), 4U);
  EXPECT_EQ(Observed().vrid(), 51U);
  EXPECT_EQ(Observed().state(), "ACTIVE");
  EXPECT_EQ(Observed().active(), "192.168.50.1");
  EXPECT_EQ(Observed().active_priority(), 200U);
  EXPECT_EQ(Observed().problem(), "");
  EXPECT_EQ(controller.observed->layer2_problems_size(), 0);
  EXPECT_EQ(Metric("openelb_speaker_vrrp_router_state{name=\"vip-eip\",router=\"eth0/4/51\"}"),
            "2");
  EXPECT_EQ(Metric("openelb_speaker_vrrp_addresses"), "1");
  EXPECT_EQ(
      Metric("openelb_speaker_vrrp_transitions_total{reason=\"active_silent\",state=\"ACTIVE\"}"),
      "1");

  // Another plan for the same router moves nothing.
  PutRouter("192.168.50.101");
  RunFor(absl::Seconds(1));
  EXPECT_THAT(wire.Held("n1"), ElementsAre(Ip("192.168.50.101")));
  EXPECT_EQ(lan->routers()->routers().counters().became_active, 1U);
  controller.Remove(kKey);
  RunFor(absl::Seconds(1));
  EXPECT_THAT(wire.Held("n1"), IsEmpty());
  EXPECT_EQ(controller.observed->vrrp_size(), 0);
}

// What a controller asks for whose store forgot which address is whose.
TEST_F(SpeakerVipTest, SaysWhoseAddressesItHolds) {
  PutRouter("192.168.50.100");
  StartSpeaker();
  RunFor(absl::Seconds(2));
  plan::v1::Plan ask;
  ask.mutable_heartbeat();
  ask.set_want_announced(true);
  controller.Send(ask);
  RunFor(absl::Seconds(1));
  ASSERT_TRUE(controller.announced.has_value());
  EXPECT_TRUE(controller.announced->last());
  ASSERT_EQ(controller.announced->addresses_size(), 1);
  EXPECT_EQ(controller.announced->addresses(0).address(), "192.168.50.100");
  EXPECT_THAT(controller.announced->addresses(0).services(), ElementsAre("default/web"));
  EXPECT_EQ(controller.announced->addresses(0).vrid(), 51u);
  EXPECT_EQ(controller.announced->addresses(0).priority(), 200u);
}

// From the first moment on, and whatever becomes of the cable: without it the node would take no
// part with --vrrp-unicast.
TEST_F(SpeakerVipTest, SaysFromWhereItSends) {
  StartSpeaker();
  EXPECT_THAT(lan->state().vrrp_sources, SizeIs(2));
  RunFor(absl::Seconds(1));
  EXPECT_THAT(Fact("vrrp-sources"), ElementsAre("eth0 192.168.50.1", "eth0 fe80::1"));
  wire.SetCarrier("n1", false);
  segment.SetInterface("n1", [](io::Interface* interface) { interface->carrier = false; });
  RunFor(absl::Seconds(1));
  EXPECT_THAT(Fact("vrrp-sources"), ElementsAre("eth0 192.168.50.1", "eth0 fe80::1"));
}

// In this mode alone, too.
TEST_F(SpeakerVipTest, SaysWhichInterfacesHaveNoCarrier) {
  StartSpeaker();
  RunFor(absl::Seconds(1));
  EXPECT_THAT(Fact("no-carrier"), IsEmpty());
  EXPECT_THAT(Fact("taken-over"), IsEmpty()) << "what a process before it said is over";
  for (const bool carrier : {false, true}) {
    segment.SetInterface("n1", [=](io::Interface* interface) { interface->carrier = carrier; });
    RunFor(absl::Seconds(1));
    EXPECT_THAT(Fact("no-carrier"), SizeIs(carrier ? 0 : 1));
  }
}

TEST_F(SpeakerVipTest, ProblemsAreThoseOfTheAddress) {
  PutRouter("192.168.50.100");
  StartSpeaker();
  RunFor(absl::Seconds(2));
  wire.SetCarrier("n1", false);
  RunFor(absl::Seconds(1));
  EXPECT_EQ(Observed().state(), "INITIALIZE");
  EXPECT_THAT(Observed().problem(), HasSubstr("no carrier"));
  ASSERT_EQ(controller.observed->layer2_problems_size(), 1);
  EXPECT_EQ(controller.observed->layer2_problems(0).address(), "192.168.50.100");
  EXPECT_EQ(controller.observed->layer2_problems(0).message(), Observed().problem());
  EXPECT_FALSE(controller.observed->layer2_problems(0).duplicate());
  EXPECT_EQ(Metric("openelb_speaker_vrrp_problems{kind=\"unanswered\"}"), "1");
  EXPECT_EQ(Metric("openelb_speaker_vrrp_problems{kind=\"duplicate\"}"), "0");
}

TEST_F(SpeakerVipTest, SaysWhichRoutersOfOthersItHears) {
  StartSpeaker();
  RunFor(absl::Seconds(1));
  EXPECT_THAT(Fact("vrrp-heard"), IsEmpty());
  RunNeighbour(77, kAddress);
  RunFor(absl::Seconds(2));
  EXPECT_THAT(Fact("vrrp-heard"), ElementsAre("eth0 4 77"));
  EXPECT_EQ(Metric("openelb_speaker_vrrp_others"), "1");
}

// Without a controller, before and after the end of a process and a plan's best days.
TEST_F(SpeakerVipTest, ANewProcessGoesOnFromDiskWhateverThePlansAge) {
  PutRouter("192.168.50.100");
  StartSpeaker();
  RunFor(absl::Seconds(5));
  controller.SetAway(true);
  RunFor(absl::Hours(1));
  EXPECT_THAT(wire.Held("n1"), ElementsAre(kAddress));
  for (const absl::Duration pause : {absl::Seconds(1), absl::Hours(25)}) {
    KillSpeaker();
    RunFor(pause);
    EXPECT_THAT(wire.Held("n1"), ElementsAre(kAddress)) << "as after a crash";
    StartSpeaker();
    EXPECT_THAT(wire.Held("n1"), IsEmpty()) << "another may have it now";
    RunFor(absl::Seconds(1));
    EXPECT_THAT(wire.Held("n1"), ElementsAre(kAddress));
  }
  // Another has it: it stays there.
  KillSpeaker();
  RunNeighbour(51, kAddress);
  RunFor(absl::Seconds(1));
  StartSpeaker();
  RunFor(absl::Seconds(5));
  EXPECT_THAT(wire.Holders(kAddress), ElementsAre("n2"));
}

TEST_F(SpeakerVipTest, AStopHandsOverBeforeItReturns) {
  PutRouter("192.168.50.100");
  StartSpeaker();
  RunFor(absl::Seconds(2));
  RunNeighbour(51, kAddress);
  RunFor(absl::Seconds(2));
  ASSERT_THAT(wire.Holders(kAddress), ElementsAre("n1"));
  speaker->Stop();
  EXPECT_THAT(wire.Held("n1"), IsEmpty());
  KillSpeaker();
  RunFor(absl::Milliseconds(100));
  EXPECT_THAT(wire.Holders(kAddress), ElementsAre("n2"));
}

}  // namespace
}  // namespace openelb
