// Real frames between two network namespaces: packet sockets hear what they should and nothing
// else, and groups reach the interface's filter.
#include "speaker/io/epoll_packet.h"

#include <fcntl.h>
#include <net/if.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/base/clock.h"
#include "api/base/test_bytes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "speaker/io/recording_handler.h"
#include "speaker/io/test_namespace.h"

namespace openelb::io {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

class RecordingPacketHandler final : public PacketHandler {
 public:
  void OnFrame(int interface, std::span<const uint8_t> frame) override {
    frames.push_back(ToHex(frame));
    interfaces.push_back(interface);
    if (on_frame) on_frame();
  }
  void OnInterfacesChanged() override { ++interface_changes; }
  std::vector<std::string> frames;
  std::vector<int> interfaces;
  int interface_changes = 0;
  std::function<void()> on_frame;
};

// Octets after the Ethernet header; the codecs are not asked here.
constexpr char kArp[] = "0806 0001080006040001020000000002c0000202000000000000c0000201";
constexpr char kIpv6To[] = "86dd 60000000 0018 3aff fe800000000000000000000000000002 ";

class EpollPacketTest : public testing::Test {
 protected:
  // Ours is "near" with MAC ...01 here; "far" with ...02 is in a namespace where nothing but our
  // sender lives.
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(EnterNewNetworkNamespace());
    const UniqueFd near(open("/proc/thread-self/ns/net", O_RDONLY));
    ASSERT_NO_FATAL_FAILURE(EnterNewNetworkNamespace());
    RunShell("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
    RunShell(
        absl::StrCat("ip link add far address 02:00:00:00:00:02 type veth peer name near "
                     "address 02:00:00:00:00:01 netns /proc/",
                     getpid(), "/fd/", near.get()));
    RunShell("ip link set far up");
    far_loop = EpollIo::Create(&clock).value();
    far_loop->SetHandler(&unused);
    far = std::make_unique<EpollPacket>(far_loop.get());
    far->SetHandler(&far_handler);
    ASSERT_EQ(far->Open(static_cast<int>(if_nametoindex("far"))), absl::OkStatus());
    far_index = static_cast<int>(if_nametoindex("far"));
    ASSERT_EQ(setns(near.get(), CLONE_NEWNET), 0);
    RunShell("ip link set near up");
    near_index = static_cast<int>(if_nametoindex("near"));
    loop = EpollIo::Create(&clock).value();
    loop->SetHandler(&unused);
    packet = std::make_unique<EpollPacket>(loop.get());
    packet->SetHandler(&handler);
    // Until the kernel has noticed the cable, it drops what is sent.
    for (EpollIo* each : {loop.get(), far_loop.get()}) {
      for (int round = 0; round < 2000 && !each->Interfaces()[0].carrier; ++round) {
        each->RunOnce(absl::Milliseconds(1));
      }
      ASSERT_TRUE(each->Interfaces()[0].carrier);
    }
    handler = RecordingPacketHandler();
  }

  absl::Status SendFromFar(absl::string_view frame) { return far->Send(far_index, Hex(frame)); }
  void RunUntil(const std::function<bool()>& done) {
    for (int round = 0; round < 2000 && !done(); ++round) loop->RunOnce(absl::Milliseconds(1));
    EXPECT_TRUE(done()) << "nothing more happens";
  }
  static std::string Groups() { return ReadShell("cat /proc/net/igmp6"); }

  SystemClock clock;
  RecordingHandler unused;
  RecordingPacketHandler handler;
  RecordingPacketHandler far_handler;
  std::unique_ptr<EpollIo> loop;
  std::unique_ptr<EpollIo> far_loop;
  std::unique_ptr<EpollPacket> packet;
  std::unique_ptr<EpollPacket> far;
  int near_index = 0;
  int far_index = 0;
};

TEST_F(EpollPacketTest, HearsArpAndNeighbourDiscoveryForThisNodeAlone) {
  ASSERT_EQ(packet->Open(near_index), absl::OkStatus());
  RunShell("ip link set near promisc on");  // so that the filter alone is in the way
  const std::string us = "020000000001 020000000002 ";
  const std::string all = "ffffffffffff 020000000002 ";
  const std::string icmp = "00 0000 00000000 fe800000000000000000000000000001";
  const std::string to_us = std::string(kIpv6To) + "fe800000000000000000000000000001";
  const std::string heard[] = {all + kArp, us + kArp, us + to_us + "87" + icmp,
                               us + to_us + "88" + icmp};
  const std::string unheard[] = {
      "020000000003 020000000002 " + std::string(kArp),         // another station's
      all + "8100000a" + kArp,                                  // of a VLAN
      us + to_us + "80" + icmp,                                 // an echo request
      us + to_us + "85" + icmp,                                 // a router solicitation
      us + "86dd 60000000 0018 11ff " + std::string(114, '0'),  // UDP
      all + "0800 4500" + std::string(60, '0'),
  };
  for (const std::string& frame : unheard) ASSERT_EQ(SendFromFar(frame), absl::OkStatus());
  std::vector<std::string> expected;
  for (const std::string& frame : heard) {
    ASSERT_EQ(SendFromFar(frame), absl::OkStatus());
    expected.push_back(ToHex(Hex(frame)));
    // One kind at a time: there are two sockets, and frames of one do not wait for the other's.
    RunUntil([&] { return handler.frames.size() == expected.size(); });
  }
  EXPECT_EQ(handler.frames, expected);
  EXPECT_THAT(handler.interfaces, Each(near_index));
}

TEST_F(EpollPacketTest, DoesNotHearItself) {
  ASSERT_EQ(packet->Open(near_index), absl::OkStatus());
  const std::string ours = absl::StrCat("ffffffffffff 020000000001 ", kArp);
  ASSERT_EQ(packet->Send(near_index, Hex(ours)), absl::OkStatus());
  for (int round = 0; round < 2000 && far_handler.frames.empty(); ++round) {
    far_loop->RunOnce(absl::Milliseconds(1));
  }
  EXPECT_THAT(far_handler.frames, ElementsAre(ToHex(Hex(ours))));
  ASSERT_EQ(SendFromFar(absl::StrCat("ffffffffffff 020000000002 ", kArp)), absl::OkStatus());
  RunUntil([&] { return !handler.frames.empty(); });
  EXPECT_THAT(handler.frames, ElementsAre(testing::StartsWith("ffffffffffff020000000002")));
}

TEST_F(EpollPacketTest, ClosesFromWithinTheHandler) {
  ASSERT_EQ(packet->Open(near_index), absl::OkStatus());
  handler.on_frame = [this] { packet->Close(near_index); };
  const std::string frame = absl::StrCat("ffffffffffff 020000000002 ", kArp);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(SendFromFar(frame), absl::OkStatus());
  RunUntil([&] { return !handler.frames.empty(); });
  loop->RunOnce(absl::ZeroDuration());
  EXPECT_EQ(handler.frames.size(), 1u);
  EXPECT_EQ(packet->Send(near_index, Hex(frame)).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(EpollPacketTest, JoinsThousandsOfGroups) {
  ASSERT_EQ(packet->Open(near_index), absl::OkStatus());
  constexpr uint64_t kGroups = 5000;
  const auto group = [](uint64_t i) {
    return IpAddress::FromOrdinal(Family::kV6, Ip("ff02::1:ff10:0").Ordinal() + i);
  };
  const auto in_hex = [](const IpAddress& address) { return ToHex(address.bytes()); };
  for (uint64_t i = 0; i < kGroups; ++i) {
    ASSERT_EQ(packet->JoinGroup(near_index, group(i)), absl::OkStatus());
    ASSERT_EQ(packet->JoinGroup(near_index, group(i)), absl::OkStatus()) << "again";
  }
  const std::string joined = Groups();
  for (uint64_t i = 0; i < kGroups; i += 99) EXPECT_THAT(joined, HasSubstr(in_hex(group(i))));
  packet->LeaveGroup(near_index, group(0));
  EXPECT_THAT(Groups(), Not(HasSubstr(in_hex(group(0)))));
  EXPECT_THAT(Groups(), HasSubstr(in_hex(group(1))));
  packet->Close(near_index);
  EXPECT_THAT(Groups(), Not(HasSubstr(in_hex(group(1)))));
  EXPECT_FALSE(packet->JoinGroup(near_index, group(0)).ok()) << "closed";
}

TEST_F(EpollPacketTest, HearsAllGroupsWhereNoneCanBeJoined) {
  ASSERT_EQ(packet->Open(near_index), absl::OkStatus());
  const auto flags = [] { return ReadShell("ip -d link show near"); };
  EXPECT_THAT(flags(), HasSubstr("allmulti 0"));
  RunShell("ip link set near mtu 1000");  // too small for IPv6
  ASSERT_EQ(packet->JoinGroup(near_index, Ip("ff02::1:ff00:64")), absl::OkStatus());
  ASSERT_EQ(packet->JoinGroup(near_index, Ip("ff02::1:ff00:65")), absl::OkStatus());
  EXPECT_THAT(flags(), HasSubstr("allmulti 1"));
  packet->LeaveGroup(near_index, Ip("ff02::1:ff00:64"));
  EXPECT_THAT(flags(), HasSubstr("allmulti 1"));
  packet->LeaveGroup(near_index, Ip("ff02::1:ff00:65"));
  EXPECT_THAT(flags(), HasSubstr("allmulti 0"));
}

TEST_F(EpollPacketTest, SurvivesAnInterfaceThatGoesAndComesBack) {
  ASSERT_EQ(packet->Open(near_index), absl::OkStatus());
  const std::string frame = absl::StrCat("ffffffffffff 020000000002 ", kArp);
  RunShell("ip link set near down");
  RunUntil([&] { return handler.interface_changes > 0 && !packet->Interfaces()[0].up; });
  EXPECT_THAT(packet->Send(near_index, Hex(frame)).message(), HasSubstr("near"));
  RunShell("ip link set near up");
  RunUntil([&] { return packet->Interfaces()[0].up && packet->Interfaces()[0].carrier; });
  ASSERT_EQ(SendFromFar(frame), absl::OkStatus());
  RunUntil([&] { return handler.frames.size() == 1; });
  RunShell("ip link del near");
  RunUntil([&] { return packet->Interfaces().empty(); });
  EXPECT_FALSE(packet->Send(near_index, Hex(frame)).ok());
  packet->Close(near_index);
  EXPECT_EQ(packet->Open(near_index).code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace openelb::io
