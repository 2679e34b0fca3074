// What somebody who reaches the controller's port can do without a speaker's token, and with one:
// nothing that another speaker feels.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "api/base/log.h"
#include "controller/push/grpc_server.h"
#include "controller/push/token_file_authenticator.h"
#include "speaker/link/grpc_client.h"
#include "speaker/link/grpc_test_bed.h"

namespace openelb::link {
namespace {

class ControllerSide final : public push::PlanLink::Handler {
 public:
  void OnAttached(push::StreamId stream, const push::Origin& origin) override {
    origins[stream] = origin;
  }
  void OnReport(push::StreamId stream, const plan::v1::Report&) override { ++reports[stream]; }
  void OnWritable(push::StreamId) override {}
  void OnDetached(push::StreamId stream, const absl::Status&) override { origins.erase(stream); }

  std::map<push::StreamId, push::Origin> origins;  // of the streams that are open
  std::map<push::StreamId, int> reports;
};

class SpeakerSide final : public PlanLink::Handler {
 public:
  void OnUp(const std::string&) override { up = true; }
  void OnPlan(const plan::v1::Plan& plan) override { last = plan.generation().counter(); }
  void OnDown(const absl::Status& why) override { down.push_back(why); }
  bool up = false;
  uint64_t last = 0;
  std::vector<absl::Status> down;
};

class GrpcHostileTest : public ::testing::Test {
 protected:
  GrpcHostileTest() {
    files_.Issue("openelb-controller.openelb-system.svc");
    files_.Write("tokens", "n1 token-1\nn2 token-2\n");
    files_.Write("token", "token-1\n");
    files_.Write("forged", "token-3\n");
    EXPECT_TRUE(authenticator_.Load().ok());
    server_ = std::make_unique<push::GrpcServer>(
        push::GrpcServerOptions{.cert = files_.Path("tls.crt"),
                                .key = files_.Path("tls.key"),
                                .refusal_delay = kDelay,
                                .limits = {.strangers = 6, .strangers_of_host = 6}},
        &authenticator_, &controller_, box_.Post());
    const auto port = server_->Start("127.0.0.1:0");
    EXPECT_TRUE(port.ok()) << port.status();
    port_ = static_cast<uint16_t>(port.value_or(0));
    good_ = Dial("token", &speaker_);
    EXPECT_TRUE(box_.RunUntil([&] { return speaker_.up && !controller_.origins.empty(); }));
    stream_ = controller_.origins.begin()->first;
  }
  // What the good speaker is owed, whatever happens beside it.
  ~GrpcHostileTest() override {
    auto plan = std::make_shared<plan::v1::Plan>();
    plan->mutable_generation()->set_counter(7);
    server_->Send(stream_, plan);
    EXPECT_TRUE(box_.RunUntil([&] { return speaker_.last == 7; }));
    EXPECT_TRUE(speaker_.down.empty());
    for (const int fd : sockets_) close(fd);
  }

  std::unique_ptr<GrpcClient> Dial(const std::string& token, SpeakerSide* side) {
    auto client = std::make_unique<GrpcClient>(
        GrpcClientOptions{.ca = files_.Path("ca.crt"), .token_file = files_.Path(token)}, side,
        box_.Post());
    client->Dial(absl::StrCat("127.0.0.1:", port_));
    return client;
  }
  int Connect() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port_)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    sockets_.push_back(fd);
    return fd;
  }
  // Whether the controller ends `fd` within `patience`, while its owner thread goes on.
  bool Ends(int fd, absl::Duration patience = kPatience) {
    const absl::Time deadline = absl::Now() + patience;
    while (absl::Now() < deadline) {
      char octets[256];
      const ssize_t got = recv(fd, octets, sizeof octets, MSG_DONTWAIT);
      if (got == 0 || (got < 0 && errno != EAGAIN)) return true;
      box_.RunFor(absl::Milliseconds(5));
    }
    return false;
  }

  static constexpr absl::Duration kDelay = absl::Milliseconds(300);

  Files files_;
  NullLogSink sink_;
  SystemClock clock_;
  Logger log_{&sink_, &clock_};
  Mailbox box_;
  ControllerSide controller_;
  push::TokenFileAuthenticator authenticator_{files_.Path("tokens"), &log_};
  std::unique_ptr<push::GrpcServer> server_;
  uint16_t port_ = 0;
  SpeakerSide speaker_;
  std::unique_ptr<GrpcClient> good_;
  push::StreamId stream_ = 0;
  std::vector<int> sockets_;
};

TEST_F(GrpcHostileTest, ConnectionsThatSayNothingAreFewAndShort) {
  EXPECT_EQ(controller_.origins.at(stream_).host, "127.0.0.1");
  std::vector<int> silent;
  for (int i = 0; i < 20; ++i) silent.push_back(Connect());
  for (int i = 6; i < 20; ++i) EXPECT_TRUE(Ends(silent[i])) << i;
  EXPECT_EQ(server_->connections().refused, 14u);
  EXPECT_EQ(server_->connections().strangers, 6u);
  // The others end with the time of their handshake, and make room.
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(Ends(silent[i])) << i;
  SpeakerSide second;
  const auto client = Dial("token", &second);
  EXPECT_TRUE(box_.RunUntil([&] { return second.up; }));
}

TEST_F(GrpcHostileTest, AHandshakeOfOneOctetAtATimeIsEnded) {
  const int fd = Connect();
  const absl::Time begun = absl::Now();
  // The first octets of a TLS record that is announced as 512 long.
  const std::string hello("\x16\x03\x01\x02\x00", 5);
  bool ended = false;
  for (size_t i = 0; i < 300 && !ended; ++i) {
    const char octet = i < hello.size() ? hello[i] : '\x01';
    ended = send(fd, &octet, 1, MSG_NOSIGNAL) < 0 || Ends(fd, absl::Milliseconds(100));
  }
  EXPECT_TRUE(ended);
  EXPECT_LT(absl::Now() - begun, absl::Seconds(20));
}

TEST_F(GrpcHostileTest, AForgedTokenHasToWaitForItsRefusal) {
  const absl::Time begun = absl::Now();
  SpeakerSide forger;
  const auto client = Dial("forged", &forger);
  ASSERT_TRUE(box_.RunUntil([&] { return !forger.down.empty(); }));
  EXPECT_TRUE(absl::IsUnauthenticated(forger.down[0])) << forger.down[0];
  EXPECT_GE(absl::Now() - begun, kDelay);
  EXPECT_FALSE(forger.up);
  EXPECT_EQ(controller_.origins.size(), 1u);
}

TEST_F(GrpcHostileTest, AReportThatIsTooLargeEndsItsStreamOnly) {
  SpeakerSide second;
  const auto client = Dial("token", &second);
  ASSERT_TRUE(box_.RunUntil([&] { return second.up && controller_.origins.size() == 2; }));
  plan::v1::Report report;
  report.mutable_ack()->set_plan_error(std::string(5 << 20, 'x'));
  client->Send(report);
  ASSERT_TRUE(box_.RunUntil([&] { return !second.down.empty(); }));
  EXPECT_TRUE(box_.RunUntil([&] { return controller_.origins.size() == 1; }));
  EXPECT_TRUE(controller_.origins.contains(stream_));
  EXPECT_TRUE(controller_.reports.empty());
}

}  // namespace
}  // namespace openelb::link
