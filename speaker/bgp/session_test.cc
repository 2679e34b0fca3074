#include "speaker/bgp/session.h"

#include <gmock/gmock.h>

#include "speaker/bgp/test_session.h"

namespace openelb::bgp {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(SessionTest, ComesUpAndSaysSo) {
  Bench bench;
  bench.Establish();
  EXPECT_THAT(bench.TakeSent(), ElementsAre("1 OPEN", "1 KEEPALIVE", "1 UPDATE"));
  EXPECT_EQ(bench.transitions.back().text,
            "BgpPeer leaf1 (10.0.0.1): established with AS 65001, identifier 10.0.0.1, hold time "
            "90 s, IPv4 unicast with ADD-PATH");
  EXPECT_EQ(bench.session->rib()->prefixes(), 1u);
  EXPECT_EQ((bench.counters.transitions[{"ESTABLISHED", "confirmed"}]), 1u);
  EXPECT_EQ(bench.session->sent().open, 1u);
  EXPECT_EQ(bench.session->sent().update, 1u);
  EXPECT_EQ(bench.session->received().keepalive, 1u);
}

TEST(SessionTest, SaysWhichNextHopsThePeerTakes) {
  for (bool taken : {false, true}) {
    Bench bench;
    bench.config.peer.neighbor = IpAddress::Parse("2001:db8::1").value();
    bench.plan.groups["g"].front().ipv6_address = IpAddress::Parse("2001:db8::3").value();
    if (taken) bench.peer_offers.next_hops = {{1, 1, 2}};
    bench.Make();
    bench.Establish();
    EXPECT_THAT(bench.our_open.next_hops, ElementsAre(NextHopOffer{1, 1, 2}));
    EXPECT_THAT(bench.transitions.back().text,
                testing::EndsWith(taken ? "IPv4 unicast with ADD-PATH (IPv6 next hops)"
                                        : "IPv4 unicast with ADD-PATH (IPv4 next hops: the peer "
                                          "takes no IPv6 ones, RFC 8950)"));
    EXPECT_EQ(bench.session->rib()->paths(), 1u);
  }
}

TEST(SessionTest, EnforcesTheHoldTimer) {
  Bench bench;
  bench.config.peer.hold_time_s = 9;
  bench.Make();
  bench.Establish();
  bench.TakeSent();
  for (int i = 0; i < 10; ++i) {
    bench.Advance(absl::Seconds(8));
    bench.Receive(Bench::Keepalive());
    ASSERT_EQ(bench.session->state(), SessionState::kEstablished);
  }
  // UPDATEs count as well.
  bench.Advance(absl::Seconds(8));
  bench.Receive(EmptyUpdate());
  bench.Advance(absl::Milliseconds(8999));
  EXPECT_EQ(bench.session->state(), SessionState::kEstablished);
  bench.Advance(absl::Milliseconds(1));
  EXPECT_EQ(bench.session->state(), SessionState::kActive);
  EXPECT_EQ(bench.sent.back(), "1 Hold Timer Expired");
  EXPECT_EQ(bench.session->last_error(),
            "BgpPeer leaf1 (10.0.0.1): nothing came from the peer for 9 s (sent NOTIFICATION Hold "
            "Timer Expired)");
}

TEST(SessionTest, SendsKeepalivesWithJitter) {
  Bench bench;
  bench.config.peer.hold_time_s = 9;
  bench.Make();
  bench.Establish();
  bench.TakeSent();
  for (int i = 0; i < 100; ++i) {
    bench.Receive(Bench::Keepalive());
    bench.Advance(absl::Seconds(3));
  }
  // 300 s at 2.25 to 3 s each.
  EXPECT_GE(bench.sent.size(), 100u);
  EXPECT_LE(bench.sent.size(), 134u);
  // A configured interval acts live, but never beyond a third of the hold time.
  bench.TakeSent();
  bench.config.peer.keepalive_s = 1;
  bench.session->ConfigureLive(bench.config, bench.now);
  bench.Advance(absl::Seconds(1));
  bench.TakeSent();
  bench.Advance(absl::Seconds(4));
  EXPECT_GE(bench.TakeSent().size(), 4u);
  bench.config.peer.keepalive_s = 60;
  bench.session->ConfigureLive(bench.config, bench.now);
  EXPECT_EQ(bench.session->confirmed()->keepalive, absl::Seconds(3));
}

TEST(SessionTest, HoldTimeZeroMeansNoTimers) {
  Bench bench;
  bench.config.peer.hold_time_s = 0;
  bench.Make();
  bench.Establish();
  bench.TakeSent();
  EXPECT_EQ(bench.session->NextWakeup(), absl::InfiniteDuration());
  bench.Advance(absl::Hours(10));
  EXPECT_EQ(bench.session->state(), SessionState::kEstablished);
  EXPECT_THAT(bench.sent, IsEmpty());
}

TEST(SessionTest, BacksOffUnderItsCeiling) {
  Bench bench;
  bench.config.peer.connect_retry_s = 3;
  bench.Make();
  bench.Start();
  std::vector<absl::Duration> waits;
  for (int i = 0; i < 10; ++i) {
    bench.session->OnClosed(kDialled, absl::UnavailableError("connection refused"), bench.now);
    bench.Pump();
    waits.push_back(bench.session->NextWakeup() - bench.now);
    bench.Advance(waits.back());
    ASSERT_EQ(bench.session->state(), SessionState::kConnect);
  }
  absl::Duration base = Backoff::kFirst;
  for (absl::Duration wait : waits) {
    EXPECT_GE(wait, base * 0.75);
    EXPECT_LE(wait, base);
    base = std::min(base * 2, absl::Seconds(3));
  }
  EXPECT_EQ(bench.session->last_error(),
            "BgpPeer leaf1 (10.0.0.1): cannot connect to port 179: connection refused");
}

TEST(SessionTest, IsSoonBackWhereThePeerHasAnotherSession) {
  Bench bench;
  bench.Start();
  for (int i = 0; i < 20; ++i) {
    bench.Connect();
    bench.Receive(bench.Open());
    bench.Receive(Framed(MessageType::kNotification, Hex("0607")));
    const absl::Duration wait = bench.session->NextWakeup() - bench.now;
    EXPECT_LE(wait, absl::Seconds(1));
    bench.Advance(wait);
    ASSERT_EQ(bench.session->state(), SessionState::kConnect);
  }
}

TEST(SessionTest, ForgetsBackOffOnceStable) {
  for (absl::Duration up : {absl::Seconds(1), absl::Seconds(20)}) {
    Bench bench;
    bench.Start();
    for (int i = 0; i < 5; ++i) {
      bench.session->OnClosed(kDialled, absl::UnavailableError("refused"), bench.now);
      bench.Pump();
      bench.Advance(bench.session->NextWakeup() - bench.now);
    }
    bench.Connect();
    bench.Receive(bench.Open());
    bench.Receive(Bench::Keepalive());
    bench.Advance(up);
    bench.Lose();
    const absl::Duration wait = bench.session->NextWakeup() - bench.now;
    EXPECT_EQ(wait <= Backoff::kFirst, up > absl::Seconds(10));
  }
}

TEST(SessionTest, GivesUpAttemptsThatHang) {
  Bench bench;
  bench.Start();
  bench.Advance(absl::Seconds(5));
  EXPECT_EQ(bench.session->state(), SessionState::kActive);
  EXPECT_THAT(bench.closed, ElementsAre(kDialled));
  EXPECT_THAT(bench.session->last_error(), HasSubstr("no answer from port 179 within 5s"));
  bench.Advance(absl::Seconds(1));
  EXPECT_EQ(bench.dials, 2);
}

TEST(SessionTest, PassiveNeverDials) {
  Bench bench;
  bench.config.peer.passive = true;
  bench.Make();
  bench.Start();
  bench.Advance(absl::Hours(1));
  EXPECT_EQ(bench.dials, 0);
  EXPECT_EQ(bench.session->state(), SessionState::kActive);
  EXPECT_TRUE(bench.Accept());
  bench.Receive(bench.Open(), kAccepted);
  bench.Receive(Bench::Keepalive(), kAccepted);
  EXPECT_EQ(bench.session->state(), SessionState::kEstablished);
  bench.config.peer.passive = false;
  bench.session->Configure(bench.config, bench.now);
  EXPECT_EQ(bench.session->state(), SessionState::kEstablished);
  bench.Advance(absl::Seconds(1));
  EXPECT_EQ(bench.dials, 0);
}

TEST(SessionTest, ReportsAPeerThatSaysNothing) {
  Bench bench;
  bench.Start();
  bench.Connect();
  bench.Advance(absl::Seconds(5));
  EXPECT_EQ(bench.session->state(), SessionState::kOpenSent);
  EXPECT_EQ(bench.session->last_error(),
            "BgpPeer leaf1 (10.0.0.1): connected, but the peer has sent no OPEN for 5s");
  EXPECT_THAT(bench.notes, ElementsAre(bench.session->last_error()));
  bench.Advance(absl::Minutes(4));
  EXPECT_THAT(bench.sent, ElementsAre("1 OPEN", "1 Hold Timer Expired"));
}

TEST(SessionTest, NamesWhatIsWrongWithAnOpen) {
  Bench bench;
  bench.config.peer.remote_as = 65002;
  bench.Make();
  bench.Start();
  bench.Connect();
  bench.Receive(bench.Open());
  EXPECT_EQ(bench.session->last_error(),
            "BgpPeer leaf1 (10.0.0.1): AS mismatch: peerAs is 65002, the peer's OPEN says 65001 "
            "(sent NOTIFICATION OPEN Message Error/Bad Peer AS)");
  EXPECT_EQ(bench.counters.notifications_sent["OPEN Message Error/Bad Peer AS"], 1u);
  EXPECT_EQ((bench.counters.transitions[{"ACTIVE", "bad_open"}]), 1u);
}

TEST(SessionTest, ShowsWhatThePeerSays) {
  Bench bench;
  bench.Establish();
  bench.Receive(Framed(MessageType::kNotification, Hex("0602 05 68656c6c6f")));
  EXPECT_EQ(bench.session->last_error(),
            "BgpPeer leaf1 (10.0.0.1): the peer sent NOTIFICATION Cease/Administrative Shutdown: "
            "\"hello\"");
  EXPECT_EQ(bench.counters.notifications_received["Cease/Administrative Shutdown"], 1u);
}

TEST(SessionTest, ToleratesWhatRfc7606Tolerates) {
  Bench bench;
  bench.Establish();
  bench.Receive(Framed(MessageType::kUpdate, Hex("0000 0004 400101 07 080a")));
  EXPECT_EQ(bench.session->state(), SessionState::kEstablished);
  EXPECT_EQ(
      (bench.counters
           .update_errors[{"treat_as_withdraw", "UPDATE Message Error/Invalid ORIGIN Attribute"}]),
      1u);
  EXPECT_THAT(bench.notes, ElementsAre(HasSubstr("ORIGIN is 7")));
  bench.Receive(Framed(MessageType::kUpdate, Hex("0009 00 0000")));
  EXPECT_EQ(bench.session->state(), SessionState::kActive);
  EXPECT_EQ(bench.sent.back(), "1 UPDATE Message Error/Malformed Attribute List");
  EXPECT_EQ(
      (bench.counters
           .update_errors[{"session_reset", "UPDATE Message Error/Malformed Attribute List"}]),
      1u);
}

TEST(SessionTest, LiveChangesKeepTheSession) {
  Bench bench;
  bench.config.peer.tcp_ao_keys = {{.send_id = 1, .receive_id = 1, .secret = "a"}};
  bench.Make();
  bench.Establish();
  bench.TakeSent();
  SessionConfig config = bench.config;
  config.peer.connect_retry_s = 1;
  config.peer.delay_open_s = 30;
  config.peer.ttl = 5;
  config.peer.name = "renamed";
  config.peer.passive = true;
  config.peer.remote_port = 1179;
  config.peer.families[0].send_max = 1;
  ASSERT_EQ(config.peer.tcp_ao_keys.size(), 1u);
  config.peer.tcp_ao_keys.insert(config.peer.tcp_ao_keys.begin(),
                                 {.send_id = 2, .receive_id = 2, .secret = "b"});
  EXPECT_FALSE(bench.session->NeedsReset(config));
  bench.session->Configure(config, bench.now);
  bench.Pump();
  EXPECT_EQ(bench.session->state(), SessionState::kEstablished);
  EXPECT_THAT(bench.sent, IsEmpty());
  EXPECT_EQ(bench.session->config(), config);
}

TEST(SessionTest, ChangesOfTheOpenResetTheSession) {
  const struct {
    const char* field;
    void (*change)(SessionConfig*);
  } kCases[] = {
      {"local AS", [](SessionConfig* c) { c->peer.local_as = 64999; }},
      {"peerAs", [](SessionConfig* c) { c->peer.remote_as = 64999; }},
      {"routerId", [](SessionConfig* c) { c->router_id = 9; }},
      {"holdTime", [](SessionConfig* c) { c->peer.hold_time_s = 30; }},
      {"afiSafis", [](SessionConfig* c) { c->peer.families[0].add_path_send = false; }},
      {"afiSafis", [](SessionConfig* c) { c->peer.families.push_back({Family::kV6, false, 0}); }},
      {"authPassword", [](SessionConfig* c) { c->peer.md5_password = "s3cret"; }},
      {"authKeys", [](SessionConfig* c) { c->peer.tcp_ao_keys = {{.secret = "s3cret"}}; }},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.field);
    Bench bench;
    bench.Establish();
    bench.TakeSent();
    SessionConfig config = bench.config;
    c.change(&config);
    config.peer.ttl = 9;
    ASSERT_TRUE(bench.session->NeedsReset(config));
    // Until its turn comes, only the live part acts.
    bench.session->ConfigureLive(config, bench.now);
    bench.Pump();
    EXPECT_EQ(bench.session->state(), SessionState::kEstablished);
    EXPECT_EQ(bench.session->config().peer.ttl, 9);
    EXPECT_TRUE(bench.session->NeedsReset(config));
    bench.session->Configure(config, bench.now);
    bench.Pump();
    EXPECT_THAT(bench.sent, ElementsAre("1 Cease/Other Configuration Change"));
    EXPECT_THAT(bench.session->last_error(), HasSubstr(c.field));
    EXPECT_EQ(bench.session->config(), config);
    bench.Start();
    EXPECT_EQ(bench.session->state(), SessionState::kConnect);
  }
}

TEST(SessionTest, HeldDownSaysWhy) {
  Bench bench;
  bench.Establish();
  bench.config.peer.held_down = "policy gobgp.conf cannot be applied";
  bench.session->Configure(bench.config, bench.now);
  bench.Pump();
  EXPECT_EQ(bench.session->state(), SessionState::kIdle);
  EXPECT_EQ(bench.session->last_error(),
            "BgpPeer leaf1 (10.0.0.1): held down: policy gobgp.conf cannot be applied");
  EXPECT_FALSE(bench.Accept());
  bench.Advance(absl::Hours(1));
  EXPECT_EQ(bench.dials, 1);
}

TEST(SessionTest, SaysWhyItIsShutDown) {
  Bench bench;
  bench.Establish();
  bench.config.peer.admin_down = true;
  bench.session->Configure(bench.config, bench.now);
  const SessionOutput output = bench.session->TakeOutput();
  ASSERT_EQ(output.close.size(), 1u);
  const auto words = std::span(output.close[0].last_words).subspan(kHeaderLength);
  EXPECT_EQ(DescribeNotification(DecodeNotification(words)),
            "Cease/Administrative Shutdown: \"BgpPeer leaf1: adminDown is set\"");
}

TEST(SessionTest, APeerThatTakesNothingIsDropped) {
  for (const uint16_t hold_time : {90, 600}) {
    Bench bench;
    bench.peer_hold_time = bench.config.peer.hold_time_s = hold_time;
    bench.Make();
    bench.Establish();
    bench.stuck = true;
    // Its KEEPALIVEs come, so the hold timer is content. Ours waits for TCP to take it.
    const absl::Duration limit = std::max(absl::Minutes(8), 2 * absl::Seconds(hold_time));
    const absl::Duration start = bench.now;
    while (bench.session->state() == SessionState::kEstablished && bench.now < start + 3 * limit) {
      bench.Advance(absl::Seconds(10));
      bench.Receive(Bench::Keepalive());
    }
    EXPECT_GE(bench.now - start, limit);
    EXPECT_LE(bench.now - start, limit + absl::Seconds(hold_time));
    EXPECT_EQ(bench.counters.notifications_sent["Send Hold Timer Expired"], 1u);
    EXPECT_EQ((bench.counters.transitions[{"ACTIVE", "send_hold_timer_expired"}]), 1u);
  }
}

TEST(SessionTest, APeerThatTakesALittleIsKept) {
  Bench bench;
  bench.Establish();
  bench.stuck = true;
  for (int i = 0; i < 100; ++i) {
    bench.Advance(absl::Seconds(60));
    bench.Receive(Bench::Keepalive());
    bench.session->OnTaken(kDialled, 1, bench.now);
    ASSERT_EQ(bench.session->state(), SessionState::kEstablished);
  }
}

TEST(SessionTest, AnswersRefreshesBetweenMarks) {
  Bench bench;
  bench.peer_offers.enhanced_refresh = true;
  bench.Establish();
  bench.TakeSent();
  const auto refresh = [&](absl::string_view body) {
    bench.Receive(Framed(MessageType::kRefresh, Hex(body)));
    return bench.TakeSent();
  };
  EXPECT_THAT(refresh("0001 00 01"), ElementsAre("1 ROUTE-REFRESH", "1 UPDATE", "1 ROUTE-REFRESH"));
  EXPECT_EQ(bench.session->sent().refresh, 2u);
  // The next answer waits for a second, however often it is asked for.
  for (int i = 0; i < 100; ++i) EXPECT_THAT(refresh("0001 00 01"), IsEmpty());
  bench.Advance(absl::Seconds(1));
  EXPECT_EQ(bench.TakeSent().size(), 3u);
  EXPECT_THAT(refresh("0001 01 01"), IsEmpty());  // the peer's own marks
  EXPECT_THAT(refresh("0001 02 01"), IsEmpty());
  EXPECT_THAT(bench.notes, IsEmpty());
  EXPECT_THAT(refresh("0002 00 01"), IsEmpty());  // not negotiated
  EXPECT_THAT(refresh("0001 00 80"), IsEmpty());
  EXPECT_THAT(refresh("0001 03 01"), IsEmpty());
  EXPECT_EQ(bench.notes.size(), 3u);
  EXPECT_EQ(bench.counters.refreshes, (std::map<std::string, uint64_t>{{"answered", 2},
                                                                       {"joined", 99},
                                                                       {"marked", 2},
                                                                       {"unknown_family", 2},
                                                                       {"unknown_subtype", 1}}));
  EXPECT_EQ(bench.session->state(), SessionState::kEstablished);
  EXPECT_THAT(refresh("0001 01 01 00"),
              ElementsAre("1 ROUTE-REFRESH Message Error/Invalid Message Length"));
}

TEST(SessionTest, EndsTheFirstSetWithItsMark) {
  Bench bench;
  bench.peer_offers.restart.emplace();
  bench.Establish();
  EXPECT_THAT(bench.TakeSent(), ElementsAre("1 OPEN", "1 KEEPALIVE", "1 UPDATE", "1 UPDATE"));
  EXPECT_EQ(bench.session->sent().update, 2u);
}

TEST(SessionTest, SendsLongMessagesToThosePeersThatTakeThem) {
  for (bool extended : {false, true}) {
    Bench bench;
    bench.peer_offers.extended_messages = extended;
    for (uint32_t i = 0; i < 5000; ++i) {
      bench.plan.routes[IpPrefix::Host(IpAddress::FromV4(0x0b000000 + i))] = RouteTo("g");
    }
    bench.Establish();
    EXPECT_EQ(bench.longest > kMaxMessage, extended) << bench.longest;
    // Long ones that come are taken as our OPEN has promised.
    Bytes update = Hex("0000 0000");
    for (int i = 0; i < 3000; ++i) PutBytes(&update, Hex("08 0a"));
    PutU16(&update, 0);
    bench.Receive(Framed(MessageType::kUpdate, update));
    EXPECT_EQ(bench.session->state(), SessionState::kEstablished);
  }
}

TEST(SessionTest, LastWordsFollowTheMessageUnderWay) {
  Bench bench;
  bench.Establish();
  bench.session->Touch({}, {});
  // Half of a KEEPALIVE has left when the session is stopped.
  bench.now += absl::Seconds(30);
  bench.session->Tick(bench.now);
  ASSERT_EQ(bench.session->Pending(kDialled, bench.now).size(), 19u);
  bench.session->OnTaken(kDialled, 7, bench.now);
  bench.session->Stop(ShutdownNotification("bye"));
  const SessionOutput output = bench.session->TakeOutput();
  ASSERT_EQ(output.close.size(), 1u);
  EXPECT_EQ(output.close[0].last_words.size(), 12u + 21u + 4u);
}

}  // namespace
}  // namespace openelb::bgp
