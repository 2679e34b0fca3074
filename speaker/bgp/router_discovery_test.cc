#include "speaker/bgp/router_discovery.h"

#include <gmock/gmock.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/base/scheduler.h"

namespace openelb::bgp {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const IpAddress kRouter = IpAddress::Parse("fe80::1").value();

// Writes down what is sent, with its time in seconds.
class FakeRouterIo final : public io::RouterIo {
 public:
  explicit FakeRouterIo(const Clock* clock) : clock_(clock) {}

  void SetHandler(io::RouterHandler*) override {}
  absl::Status Send(const std::string& interface, const IpAddress& group,
                    std::span<const uint8_t> message) override {
    const auto type = ndp::ParseRouterMessage(message, kRouter, 255);
    said.push_back(absl::StrCat(absl::ToInt64Seconds(clock_->Monotonic()), " ", interface, " ",
                                type == ndp::RouterMessage::kSolicitation ? "solicit" : "advertise",
                                " ", group.ToString()));
    return answer;
  }
  void Close(const std::string& interface) override { said.push_back("close " + interface); }

  std::vector<std::string> Take() { return std::exchange(said, {}); }

  std::vector<std::string> said;
  absl::Status answer;

 private:
  const Clock* clock_;
};

class CountingSink final : public LogSink {
 public:
  void Write(const LogRecord&) override { ++records; }
  int records = 0;
};

// Advertisements come at their longest interval.
class Late final : public Random {
 public:
  uint64_t Next64() override { return UINT64_MAX; }
};

class RouterDiscoveryTest : public ::testing::Test {
 protected:
  void Run(absl::Duration time) {
    const absl::Duration end = scheduler_.Monotonic() + time;
    while (discovery_.NextWakeup() <= end) {
      scheduler_.RunUntil(std::max(discovery_.NextWakeup(), scheduler_.Monotonic()));
      discovery_.Tick();
    }
    scheduler_.RunUntil(end);
  }
  void Hear(const char* interface, ndp::RouterMessage type, int hop_limit = 255) {
    const Bytes message = ndp::SerializeRouterMessage(type);
    discovery_.OnRouterPacket({interface, kRouter, hop_limit, message});
  }

  Scheduler scheduler_;
  FakeRouterIo io_{&scheduler_};
  Late random_;
  CountingSink sink_;
  Logger logger_{&sink_, &scheduler_};
  std::vector<std::string> found_;
  RouterDiscovery discovery_{&io_, &scheduler_, &random_, &logger_,
                             [this](const std::string& interface, const IpAddress& router) {
                               found_.push_back(absl::StrCat(interface, " ", router.ToString()));
                             }};
};

TEST_F(RouterDiscoveryTest, AsksThreeTimesAndAdvertisesOn) {
  discovery_.Configure({"eth1"});
  Run(absl::Seconds(25));
  EXPECT_THAT(io_.Take(), ElementsAre("0 eth1 solicit ff02::2", "0 eth1 advertise ff02::1",
                                      "4 eth1 solicit ff02::2", "8 eth1 solicit ff02::2",
                                      "10 eth1 advertise ff02::1", "20 eth1 advertise ff02::1"));
  discovery_.Configure({});
  EXPECT_THAT(io_.Take(), ElementsAre("close eth1"));
  EXPECT_EQ(discovery_.NextWakeup(), absl::InfiniteDuration());
}

TEST_F(RouterDiscoveryTest, FindsRoutersAndAsksNoMore) {
  discovery_.Configure({"eth1"});
  Run(absl::Seconds(1));
  io_.Take();
  Hear("eth1", ndp::RouterMessage::kAdvertisement);
  Hear("eth1", ndp::RouterMessage::kAdvertisement, 254);
  Hear("eth2", ndp::RouterMessage::kAdvertisement);
  Hear("eth1", ndp::RouterMessage::kSolicitation);
  EXPECT_THAT(found_, ElementsAre("eth1 fe80::1"));
  Run(absl::Seconds(1));
  EXPECT_THAT(io_.Take(), IsEmpty()) << "no two advertisements within 3 s";
  Run(absl::Seconds(3));
  EXPECT_THAT(io_.Take(), ElementsAre("3 eth1 advertise ff02::1"));
}

TEST_F(RouterDiscoveryTest, StartsAnewWhenInterfacesChange) {
  discovery_.Configure({"eth1"});
  Run(absl::Seconds(5));
  Hear("eth1", ndp::RouterMessage::kAdvertisement);
  io_.Take();
  discovery_.OnInterfacesChanged();
  Run(absl::Seconds(1));
  EXPECT_THAT(io_.Take(), ElementsAre("5 eth1 solicit ff02::2", "5 eth1 advertise ff02::1"));
}

TEST_F(RouterDiscoveryTest, TriesAgainWhatCannotBeSent) {
  io_.answer = absl::UnavailableError("router discovery on eth1: No such device");
  discovery_.Configure({"eth1"});
  Run(absl::Milliseconds(1500));
  io_.Take();
  EXPECT_EQ(sink_.records, 1);
  io_.answer = absl::OkStatus();
  Run(absl::Seconds(1));
  EXPECT_THAT(io_.Take(), ElementsAre("2 eth1 solicit ff02::2", "2 eth1 advertise ff02::1"));
}

}  // namespace
}  // namespace openelb::bgp
