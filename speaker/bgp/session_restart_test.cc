// Graceful restart (RFC 4724, 8538, 9494) as a session offers it and honours its own.

#include <gmock/gmock.h>

#include "speaker/bgp/session.h"
#include "speaker/bgp/test_session.h"

namespace openelb::bgp {
namespace {

using ::testing::ElementsAre;

TEST(SessionTest, PeersKeepTheRoutesOverARestartOnly) {
  const struct {
    const char* name;
    bool asked;
    bool notification;
    void (*end)(Session*);
    std::vector<std::string> sent;
  } kCases[] = {
      {"restart", true, false, [](Session* s) { s->Suspend(ShutdownNotification("")); }, {}},
      {"restart, not asked for",
       false,
       false,
       [](Session* s) { s->Suspend(ShutdownNotification("")); },
       {"1 Cease/Administrative Shutdown"}},
      {"end",
       true,
       false,
       [](Session* s) { s->Stop(ShutdownNotification("")); },
       {"1 Cease/Administrative Shutdown"}},
      {"end, with notifications",
       true,
       true,
       [](Session* s) { s->Stop(ShutdownNotification("")); },
       {"1 Cease/Hard Reset"}},
      {"peer removed",
       true,
       true,
       [](Session* s) { s->Stop({ErrorCode::kCease, cease::kPeerDeconfigured}); },
       {"1 Cease/Hard Reset"}},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    Bench bench;
    bench.peer_offers.restart = RestartOffer{.notification = true};
    if (c.asked) bench.config.peer.graceful_restart = link::GracefulRestart{120, c.notification};
    bench.Make();
    bench.Establish();
    bench.TakeSent();
    c.end(bench.session.get());
    bench.Pump();
    EXPECT_EQ(bench.session->state(), SessionState::kIdle);
    EXPECT_THAT(bench.closed, ElementsAre(kDialled));
    EXPECT_EQ(bench.sent, c.sent);
  }
}

TEST(SessionTest, ARestartIsSaidOnce) {
  Bench bench;
  bench.config.forwarding_kept = false;
  bench.config.peer.graceful_restart = link::GracefulRestart{120, false};
  bench.config.peer.families[0].graceful_restart = true;
  bench.Make();
  bench.Establish();
  ASSERT_TRUE(bench.our_open.restart.has_value());
  EXPECT_TRUE(bench.our_open.restart->restarted);
  EXPECT_FALSE(bench.our_open.restart->families[0].forwarding);
  bench.Lose();
  bench.Advance(absl::Seconds(1));
  bench.Connect();
  EXPECT_FALSE(bench.our_open.restart->restarted);
  EXPECT_TRUE(bench.our_open.restart->families[0].forwarding);
  // The terms are part of the OPEN.
  SessionConfig config = bench.config;
  config.peer.graceful_restart->restart_time_s = 30;
  bench.Receive(bench.Open());
  bench.Receive(Bench::Keepalive());
  EXPECT_TRUE(bench.session->NeedsReset(config));
}

}  // namespace
}  // namespace openelb::bgp
