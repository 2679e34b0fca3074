// Several owners and plain hosts on one simulated segment.
#include <algorithm>
#include <functional>

#include "api/base/scheduler.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "speaker/io/sim_segment.h"
#include "speaker/layer2/layer2.h"
#include "speaker/layer2/sim_neighbor.h"
#include "speaker/layer2/test_frames.h"

namespace openelb::layer2 {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const IpAddress kV4 = Ip("192.168.0.100");
const IpAddress kV6 = Ip("2001:db8::64");

// A node that owns addresses. Where two hear each other, the one that `stays` announces and the
// other stops, as plans have it.
class Node final : public Layer2Observer {
 public:
  Node(io::SimSegment* segment, Scheduler* scheduler, const std::string& name, uint8_t last,
       std::function<bool(const MacAddress& rival)> stays, Timing timing = {})
      : stays_(std::move(stays)) {
    segment->AddStation(name, Mac(last),
                        {{"eth0", IpAddress::FromV4(0xc0a80000 + last), 16},
                         {"eth0", Ip("fe80::" + std::to_string(last)), 64}});
    io = segment->Start(name);
    layer2 = std::make_unique<Layer2>(io.get(), scheduler, &random_, this, std::move(timing));
  }
  void OnProbed(const std::string&, const ProbeResult& result) override {
    probed.push_back(result);
  }
  void OnConflict(const std::string& interface, const Conflict& conflict) override {
    if (conflict.phase == ConflictPhase::kBegun) conflicts.push_back(conflict);
    if (conflict.phase == ConflictPhase::kOver || !stays_) return;
    if (stays_(conflict.mac)) {
      layer2->Announce(interface, conflict.address);
    } else {
      layer2->Stop(interface, conflict.address);
    }
  }
  void OnInterfacesChanged() override { ++interface_changes; }

  std::unique_ptr<io::PacketIo> io;
  std::unique_ptr<Layer2> layer2;
  std::vector<ProbeResult> probed;
  std::vector<Conflict> conflicts;
  int interface_changes = 0;

 private:
  SeededRandom random_{7};
  std::function<bool(const MacAddress&)> stays_;
};

class SegmentTest : public testing::Test {
 protected:
  // Lets time pass; nodes are woken when they ask for it and after every frame.
  void Run(absl::Duration duration) {
    const absl::Duration end = scheduler.Monotonic() + duration;
    while (true) {
      for (Node* node : nodes) node->layer2->Tick();
      absl::Duration next = scheduler.Next();
      for (Node* node : nodes) next = std::min(next, node->layer2->NextWakeup());
      if (next > end) break;
      if (!scheduler.Step(next)) scheduler.RunUntil(next);
    }
    scheduler.RunUntil(end);
  }
  bool Reachable(const IpAddress& address) {
    client.Resolve(address);
    Run(absl::Milliseconds(1));
    return !client.Answers(address).empty();
  }
  // Once the client knows `addresses` from `a`, at rest, they become those of another node.
  void Move(const std::vector<IpAddress>& addresses, Node* to) {
    for (const IpAddress& address : addresses) {
      ASSERT_TRUE(a.layer2->Own("eth0", address).ok());
      client.Resolve(address);
    }
    Run(absl::Seconds(10));
    for (const IpAddress& address : addresses) {
      a.layer2->Stop("eth0", address);
      ASSERT_TRUE(to->layer2->Own("eth0", address).ok());
    }
  }

  Scheduler scheduler;
  io::SimSegment segment{&scheduler};
  // Of two nodes the one with the lower MAC stays.
  Node a{&segment, &scheduler, "a", 0x0a,
         [](const MacAddress& rival) { return Mac(0x0a) < rival; }};
  Node b{&segment, &scheduler, "b", 0x0b,
         [](const MacAddress& rival) { return Mac(0x0b) < rival; }};
  SimNeighbor client{&segment,  &scheduler,         "client",
                     Mac(0x0c), Ip("192.168.0.12"), Ip("2001:db8::c")};
  std::vector<Node*> nodes{&a, &b};
};

TEST_F(SegmentTest, AHostFindsAndConfirmsTheOwner) {
  for (const IpAddress& address : {kV4, kV6}) {
    client.Resolve(address);
    Run(absl::Seconds(1));
    EXPECT_EQ(client.LookUp(address), std::nullopt) << "nobody has it";
    ASSERT_TRUE(a.layer2->Own("eth0", address).ok());
    Run(absl::Minutes(2));
    client.Resolve(address);
    Run(absl::Seconds(1));
    EXPECT_EQ(client.LookUp(address), Mac(0x0a));
    client.Confirm(address);
    Run(absl::Seconds(1));
    EXPECT_THAT(client.Answers(address), ElementsAre(Mac(0x0a))) << "asked directly";
  }
  EXPECT_THAT(a.conflicts, IsEmpty());
}

TEST_F(SegmentTest, ATakeOverReachesWarmCaches) {
  for (const IpAddress& address : {kV4, kV6}) {
    ASSERT_TRUE(a.layer2->Own("eth0", address).ok());
    EXPECT_TRUE(Reachable(address));
    // The entry is as fresh as it can be.
    a.layer2->Stop("eth0", address);
    ASSERT_TRUE(b.layer2->Own("eth0", address).ok());
    Run(absl::Milliseconds(1));
    EXPECT_EQ(client.LookUp(address), Mac(0x0b));
    EXPECT_TRUE(Reachable(address));
    EXPECT_THAT(client.Answers(address), ElementsAre(Mac(0x0b))) << "the old one is silent";
  }
}

TEST_F(SegmentTest, AClientCutOffFromTheFirstAnnouncementHearsALaterOne) {
  ASSERT_TRUE(a.layer2->Own("eth0", kV4).ok());
  EXPECT_TRUE(Reachable(kV4));
  a.layer2->Stop("eth0", kV4);
  segment.Cut("b", "client");
  ASSERT_TRUE(b.layer2->Own("eth0", kV4).ok());
  Run(absl::Milliseconds(700));
  segment.Heal("b", "client");
  Run(absl::Milliseconds(400));
  EXPECT_EQ(client.LookUp(kV4), Mac(0x0b));
}

TEST_F(SegmentTest, AThousandAddressesMoveInATenthOfASecond) {
  for (const IpAddress& first : {Ip("192.168.16.0"), Ip("2001:db8::1000")}) {
    std::vector<IpAddress> addresses;
    for (uint32_t i = 0; i < 1000; ++i) {
      addresses.push_back(IpAddress::FromOrdinal(first.family(), first.Ordinal() + i));
    }
    Move(addresses, &b);
    Run(absl::Milliseconds(100));
    for (const IpAddress& address : addresses) ASSERT_EQ(client.LookUp(address), Mac(0x0b));
    Run(absl::Milliseconds(150));  // groups are joined at a bounded rate
    EXPECT_TRUE(Reachable(addresses.front()));
    EXPECT_TRUE(Reachable(addresses.back()));
  }
}

// Each announcement is made once here, so that none can stand in for another.
TEST_F(SegmentTest, WhatThereIsNoRoomForIsAnnouncedLater) {
  Node once(&segment, &scheduler, "once", 0x0d, nullptr,
            {.announce_after = {absl::ZeroDuration()}, .announce_every = absl::InfiniteDuration()});
  nodes.push_back(&once);
  std::vector<IpAddress> addresses;
  for (uint32_t i = 0; i < 500; ++i) {
    for (const IpAddress& first : {Ip("192.168.16.0"), Ip("2001:db8::1000")})
      addresses.push_back(IpAddress::FromOrdinal(first.family(), first.Ordinal() + i));
  }
  Move(addresses, &once);
  segment.SetSendRoom("once", 30);
  Run(absl::ZeroDuration());
  EXPECT_GT(once.layer2->send_errors(), 0u);
  const IpAddress stopped = addresses.back();
  once.layer2->Stop("eth0", stopped);
  Run(absl::Milliseconds(250));
  addresses.pop_back();
  for (const IpAddress& address : addresses) {
    ASSERT_EQ(client.LookUp(address), Mac(0x0d)) << address.ToString();
  }
  EXPECT_EQ(client.LookUp(stopped), Mac(0x0a)) << "nobody said otherwise";
}

// One that stops before its group was joined is in no group that another one needs.
TEST_F(SegmentTest, GroupsYetToBeJoinedAreForgotten) {
  std::vector<IpAddress> addresses;
  for (uint32_t i = 0; i < 100; ++i) {
    addresses.push_back(IpAddress::FromOrdinal(Family::kV6, kV6.Ordinal() + i));
    ASSERT_TRUE(a.layer2->Own("eth0", addresses.back()).ok());
  }
  Run(absl::Milliseconds(1));
  for (const IpAddress& address : addresses) a.layer2->Stop("eth0", address);
  ASSERT_TRUE(a.layer2->Own("eth0", addresses.back()).ok());
  Run(absl::Milliseconds(20));
  EXPECT_TRUE(Reachable(addresses.back()));
  EXPECT_FALSE(Reachable(addresses[1]));
}

// Both took the address while they could not hear each other.
TEST_F(SegmentTest, TwoOwnersThatMeetBecomeOne) {
  for (const IpAddress& address : {kV4, kV6}) {
    segment.Cut("a", "b");
    for (Node* node : nodes) ASSERT_TRUE(node->layer2->Own("eth0", address).ok());
    Run(absl::Seconds(10));
    EXPECT_TRUE(Reachable(address));
    EXPECT_EQ(client.Answers(address).size(), 2u);
    segment.Heal("a", "b");
    a.layer2->Announce("eth0", address);  // it hears that b is back
    Run(absl::Milliseconds(1));
    EXPECT_TRUE(Reachable(address));
    EXPECT_THAT(client.Answers(address), ElementsAre(Mac(0x0a)));
    EXPECT_EQ(client.LookUp(address), Mac(0x0a)) << "whoever was heard last before";
  }
}

// Even if neither is told of the other.
TEST_F(SegmentTest, TwoOwnersFindEachOtherByThemselves) {
  for (const IpAddress& address : {kV4, kV6}) {
    segment.Cut("a", "b");
    for (Node* node : nodes) ASSERT_TRUE(node->layer2->Own("eth0", address).ok());
    Run(absl::Seconds(10));
    segment.Heal("a", "b");
    Run(absl::Seconds(80));
    EXPECT_TRUE(a.layer2->Owns("eth0", address));
    EXPECT_FALSE(b.layer2->Owns("eth0", address));
  }
}

// A host that has the address configured and never says so of itself.
TEST_F(SegmentTest, ASilentDuplicateIsFound) {
  SimNeighbor stranger(&segment, &scheduler, "stranger", Mac(0x5e), Ip("192.168.0.94"),
                       Ip("2001:db8::5e"));
  for (const IpAddress& address : {kV4, kV6}) {
    stranger.Have(address);
    ASSERT_TRUE(a.layer2->Own("eth0", address).ok());
    Run(absl::Milliseconds(150));
    EXPECT_THAT(a.conflicts, ElementsAre(Conflict{address, Mac(0x5e), ConflictPhase::kBegun}));
    EXPECT_TRUE(a.layer2->Owns("eth0", address));
    // Reported once, however long it lasts.
    Run(absl::Minutes(10));
    EXPECT_EQ(a.conflicts.size(), 1u);
    a.conflicts.clear();
    a.layer2->Stop("eth0", address);
  }
}

TEST_F(SegmentTest, AProbeTellsFreeTakenAndContended) {
  for (const IpAddress& address : {kV4, kV6}) {
    ASSERT_TRUE(b.layer2->Probe("eth0", address).ok());
    Run(absl::Seconds(1));
    EXPECT_THAT(b.probed, ElementsAre(ProbeResult{address, ProbeOutcome::kFree, {}}));
    b.probed.clear();

    ASSERT_TRUE(a.layer2->Own("eth0", address).ok());
    Run(absl::Seconds(5));
    ASSERT_TRUE(b.layer2->Probe("eth0", address).ok());
    Run(absl::Milliseconds(1));
    EXPECT_THAT(b.probed, ElementsAre(ProbeResult{address, ProbeOutcome::kTaken, Mac(0x0a)}));
    EXPECT_THAT(a.conflicts, IsEmpty()) << "asking is no claim";
    b.probed.clear();
    a.layer2->Stop("eth0", address);

    for (Node* node : nodes) ASSERT_TRUE(node->layer2->Probe("eth0", address).ok());
    Run(absl::Seconds(1));
    EXPECT_THAT(a.probed, ElementsAre(ProbeResult{address, ProbeOutcome::kContended, Mac(0x0b)}));
    EXPECT_THAT(b.probed, ElementsAre(ProbeResult{address, ProbeOutcome::kContended, Mac(0x0a)}));
    a.probed.clear();
    b.probed.clear();
  }
}

TEST_F(SegmentTest, AnInterfaceThatComesBackIsAnnouncedAgain) {
  const std::function<void(io::Interface*)> faults[] = {
      [](io::Interface* eth0) { eth0->up = false; },
      [](io::Interface* eth0) { eth0->carrier = false; },
      [](io::Interface* eth0) { eth0->name = "eth9"; },
  };
  for (const IpAddress& address : {kV4, kV6}) ASSERT_TRUE(a.layer2->Own("eth0", address).ok());
  for (const auto& fault : faults) {
    Run(absl::Seconds(10));
    io::Interface before;
    segment.SetInterface("a", [&](io::Interface* eth0) {
      before = *eth0;
      fault(eth0);
    });
    Run(absl::Seconds(10));
    EXPECT_FALSE(Reachable(kV4));
    EXPECT_FALSE(Reachable(kV6));
    const uint64_t announced = a.layer2->counters().announcements;
    segment.SetInterface("a", [&](io::Interface* eth0) { *eth0 = before; });
    Run(absl::Milliseconds(1));
    EXPECT_EQ(a.layer2->counters().announcements, announced + 2);
    EXPECT_TRUE(Reachable(kV4));
    EXPECT_TRUE(Reachable(kV6)) << "its group is joined again";
  }
  EXPECT_EQ(a.interface_changes, 6);
  EXPECT_EQ(a.layer2->send_errors(), 0u);
}

// Whoever waits for NextWakeup alone misses nothing.
TEST_F(SegmentTest, AsksToBeWokenForWhatCameIn) {
  ASSERT_TRUE(a.layer2->Probe("eth0", kV4).ok());
  a.layer2->Tick();
  EXPECT_GT(a.layer2->NextWakeup(), scheduler.Monotonic());
  a.layer2->OnFrame(io::SimSegment::kInterface,
                    SerializePacket(arp::MakeGratuitous(arp::Operation::kRequest, kV4, Mac(0x0d))));
  EXPECT_LE(a.layer2->NextWakeup(), scheduler.Monotonic());
  a.layer2->Tick();
  EXPECT_EQ(a.probed.size(), 1u);
  EXPECT_EQ(a.layer2->NextWakeup(), absl::InfiniteDuration());
}

TEST_F(SegmentTest, NamesWhatCannotBeOwned) {
  EXPECT_EQ(a.layer2->Own("eth7", kV4).message(), "192.168.0.100 on eth7: no such interface");
  EXPECT_EQ(a.layer2->Probe("eth7", kV6).code(), absl::StatusCode::kNotFound);
  for (const char* text : {"0.0.0.0", "::", "224.0.0.18", "ff02::1", "127.0.0.1", "::1"}) {
    EXPECT_EQ(a.layer2->Own("eth0", Ip(text)).code(), absl::StatusCode::kInvalidArgument) << text;
  }
  a.layer2->Stop("eth7", kV4);
  a.layer2->Announce("eth7", kV4);
  EXPECT_FALSE(a.layer2->Owns("eth7", kV4));
  EXPECT_EQ(a.layer2->NextWakeup(), absl::InfiniteDuration());
}

}  // namespace
}  // namespace openelb::layer2
