// Two ends of a link in one namespace, on the real kernel.
#include "speaker/io/epoll_router.h"

#include <gmock/gmock.h>

#include <functional>
#include <memory>
#include <vector>

#include "api/base/clock.h"
#include "speaker/io/recording_handler.h"
#include "speaker/io/test_namespace.h"

namespace openelb::io {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint8_t kSolicitation[8] = {133};
constexpr uint8_t kAdvertisement[16] = {134};

class RecordingRouterHandler final : public RouterHandler {
 public:
  void OnRouterPacket(const RouterPacket& packet) override {
    heard.push_back(packet.interface + " " + packet.source.ToString() + " " +
                    std::to_string(packet.message[0]));
    hop_limit = packet.hop_limit;
    // The kernel has made the checksum.
    checksum = packet.message[2] != 0 || packet.message[3] != 0;
  }
  std::vector<std::string> heard;
  int hop_limit = 0;
  bool checksum = false;
};

class EpollRouterTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(EnterNewNetworkNamespace());
    RunShell("ip link add near type veth peer name far");
    loop = EpollIo::Create(&clock).value();
    loop->SetHandler(&unused);
    near = std::make_unique<EpollRouter>(loop.get());
    far = std::make_unique<EpollRouter>(loop.get());
    near->SetHandler(&at_near);
    far->SetHandler(&at_far);
  }
  // Addresses of the link alone, and of wider scope, which nothing may come from.
  static void Up() {
    RunShell(
        "ip link set near addrgenmode none && ip link set far addrgenmode none && "
        "ip link set near up && ip link set far up && "
        "ip addr add fe80::1/64 dev near nodad && ip addr add fd00::1/64 dev near nodad && "
        "ip addr add fe80::2/64 dev far nodad && ip addr add fd00::2/64 dev far nodad");
  }
  void RunUntil(const std::function<bool()>& done) {
    for (int round = 0; round < 2000 && !done(); ++round) loop->RunOnce(absl::Milliseconds(1));
    EXPECT_TRUE(done()) << "nothing more happens";
  }

  const IpAddress all_nodes = IpAddress::Parse("ff02::1").value();
  const IpAddress all_routers = IpAddress::Parse("ff02::2").value();
  SystemClock clock;
  RecordingHandler unused;
  RecordingRouterHandler at_near;
  RecordingRouterHandler at_far;
  std::unique_ptr<EpollIo> loop;
  std::unique_ptr<EpollRouter> near;
  std::unique_ptr<EpollRouter> far;
};

TEST_F(EpollRouterTest, HearsBothKindsFromTheOtherEndAlone) {
  Up();
  ASSERT_TRUE(far->Send("far", all_nodes, kAdvertisement).ok());
  ASSERT_TRUE(near->Send("near", all_routers, kSolicitation).ok());
  RunUntil([&] { return !at_far.heard.empty(); });
  ASSERT_TRUE(far->Send("far", all_nodes, kAdvertisement).ok());
  RunUntil([&] { return !at_near.heard.empty(); });
  EXPECT_THAT(at_far.heard, ElementsAre("far fe80::1 133"));
  EXPECT_THAT(at_near.heard, ElementsAre("near fe80::2 134"));
  EXPECT_EQ(at_near.hop_limit, 255);
  EXPECT_TRUE(at_near.checksum);

  near->Close("near");
  ASSERT_TRUE(far->Send("far", all_nodes, kAdvertisement).ok());
  ASSERT_TRUE(near->Send("near", all_routers, kSolicitation).ok());
  RunUntil([&] { return at_far.heard.size() == 2; });
  EXPECT_EQ(at_near.heard.size(), 1u);
}

TEST_F(EpollRouterTest, NamesAnInterfaceThatIsNotThereAndFindsItLater) {
  EXPECT_THAT(near->Send("nosuch", all_nodes, kAdvertisement).message(),
              HasSubstr("router discovery on nosuch"));
  Up();
  ASSERT_TRUE(near->Send("near", all_nodes, kAdvertisement).ok());
  RunShell("ip link del near");
  EXPECT_FALSE(near->Send("near", all_nodes, kAdvertisement).ok());
  RunShell("ip link add near type veth peer name far");
  Up();
  EXPECT_TRUE(near->Send("near", all_nodes, kAdvertisement).ok());
}

}  // namespace
}  // namespace openelb::io
