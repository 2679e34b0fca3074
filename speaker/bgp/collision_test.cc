// Two connections of one session (RFC 4271 6.8): each rule by itself, and two state machines that
// dial each other, with every order in which their messages may cross.
#include <gmock/gmock.h>

#include <deque>

#include "speaker/bgp/session.h"
#include "speaker/bgp/test_session.h"

namespace openelb::bgp {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The peer's identifier decides: 10.0.0.1 loses to our 10.0.0.3, so the dialled connection stays;
// 10.0.0.9 wins, so the accepted one does.
class TwoConnectionsTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  TwoConnectionsTest() {
    bench_.peer_id = GetParam();
    winner_ = GetParam() < 0x0a000003 ? kDialled : kAccepted;
    loser_ = winner_ == kDialled ? kAccepted : kDialled;
    bench_.Start();
    bench_.Accept();
    bench_.Connect();
    bench_.TakeSent();
  }
  Bench bench_;
  io::ConnId winner_;
  io::ConnId loser_;
};

INSTANTIATE_TEST_SUITE_P(BothOutcomes, TwoConnectionsTest, testing::Values(0x0a000001, 0x0a000009));

TEST_P(TwoConnectionsTest, LoserIsClosedBeforeItIsAnswered) {
  bench_.Receive(bench_.Open(), winner_);
  bench_.Receive(bench_.Open(), loser_);
  EXPECT_THAT(bench_.sent, ElementsAre(absl::StrCat(winner_, " KEEPALIVE"),
                                       absl::StrCat(loser_,
                                                    " Cease/Connection Collision "
                                                    "Resolution")));
  bench_.Receive(Bench::Keepalive(), winner_);
  EXPECT_EQ(bench_.session->state(), SessionState::kEstablished);
  EXPECT_EQ(bench_.session->confirmed()->conn, winner_);
}

TEST_P(TwoConnectionsTest, AnsweredLoserWaitsForTheWinner) {
  bench_.Receive(bench_.Open(), loser_);
  bench_.Receive(bench_.Open(), winner_);
  EXPECT_THAT(bench_.closed, IsEmpty());
  // The peer confirms both before it has seen both OPENs; it may even send routes already.
  bench_.Receive(Bench::Keepalive(), loser_);
  bench_.Receive(EmptyUpdate(), loser_);
  EXPECT_EQ(bench_.session->state(), SessionState::kOpenConfirm);
  bench_.Receive(Bench::Keepalive(), winner_);
  EXPECT_EQ(bench_.session->state(), SessionState::kEstablished);
  EXPECT_EQ(bench_.session->confirmed()->conn, winner_);
  EXPECT_THAT(bench_.closed, ElementsAre(loser_));
}

TEST_P(TwoConnectionsTest, LoserGoesOnWhenTheWinnerDies) {
  bench_.Receive(bench_.Open(), loser_);
  bench_.Receive(bench_.Open(), winner_);
  bench_.Receive(Bench::Keepalive(), loser_);
  bench_.Receive(Framed(MessageType::kNotification, Hex("0607")), winner_);
  EXPECT_EQ(bench_.session->state(), SessionState::kEstablished);
  EXPECT_EQ(bench_.session->confirmed()->conn, loser_);
  EXPECT_EQ(bench_.session->last_error(), "");
}

TEST_P(TwoConnectionsTest, EstablishedLoserLeavesTheWinnerItsChance) {
  bench_.Receive(bench_.Open(), loser_);
  bench_.Receive(Bench::Keepalive(), loser_);
  EXPECT_EQ(bench_.session->confirmed()->conn, loser_);
  EXPECT_EQ(bench_.session->state(), SessionState::kEstablished);
  EXPECT_THAT(bench_.closed, IsEmpty());
  // The peer decided for the winner: the session moves without ever being without a connection.
  bench_.Receive(bench_.Open(), winner_);
  bench_.Receive(Bench::Keepalive(), winner_);
  EXPECT_EQ(bench_.session->state(), SessionState::kEstablished);
  EXPECT_EQ(bench_.session->confirmed()->conn, winner_);
  EXPECT_THAT(bench_.closed, ElementsAre(loser_));
  EXPECT_EQ(bench_.session->rib()->prefixes(), 1u);
}

TEST_P(TwoConnectionsTest, SilentWinnerIsClosedInTheEnd) {
  bench_.Receive(bench_.Open(), loser_);
  bench_.Receive(Bench::Keepalive(), loser_);
  bench_.Advance(absl::Seconds(10));
  EXPECT_THAT(bench_.closed, ElementsAre(winner_));
  EXPECT_EQ(bench_.session->confirmed()->conn, loser_);
  EXPECT_EQ(bench_.session->last_error(), "");
}

TEST_P(TwoConnectionsTest, EstablishedWinnerClosesTheOther) {
  bench_.Receive(bench_.Open(), winner_);
  bench_.Receive(Bench::Keepalive(), winner_);
  EXPECT_THAT(bench_.closed, ElementsAre(loser_));
  EXPECT_FALSE(bench_.Accept(3));
}

TEST(CollisionRuleTest, EqualIdentifiersGoByAs) {
  for (uint32_t local_as : {64000u, 65500u}) {
    Bench bench;
    bench.config.peer.local_as = local_as;
    bench.Make();
    bench.peer_id = bench.config.router_id;
    bench.Start();
    bench.Accept();
    bench.Connect();
    const io::ConnId winner = local_as > 65001 ? kDialled : kAccepted;
    bench.Receive(bench.Open(), winner);
    bench.Receive(bench.Open(), winner == kDialled ? kAccepted : kDialled);
    bench.Receive(Bench::Keepalive(), winner);
    ASSERT_EQ(bench.session->state(), SessionState::kEstablished);
    EXPECT_EQ(bench.session->confirmed()->conn, winner);
    EXPECT_THAT(bench.notes, ElementsAre(HasSubstr("identifier clash")));
  }
}

TEST(CollisionRuleTest, ANewInboundConnectionReplacesTheLast) {
  Bench bench;
  bench.config.peer.passive = true;
  bench.Make();
  bench.Start();
  for (io::ConnId conn = 10; conn < 1010; ++conn) EXPECT_TRUE(bench.Accept(conn));
  EXPECT_THAT(bench.session->connections(), ElementsAre(1009));
  EXPECT_EQ(bench.closed.size(), 999u);
}

// ---- two state machines ----

// One direction of a connection: what is under way, in order.
struct Segment {
  enum class Kind { kConnect, kData, kClose } kind;
  Bytes octets;
};
struct Link {
  io::ConnId conn;
  int from;
  std::deque<Segment> segments;
};

// Each connection delivers in order by itself; chance decides which delivers next. Whatever
// happens, the two agree on one connection and neither is left with none on the way.
class TwoSessions {
 public:
  TwoSessions(uint64_t seed, uint32_t id_a, uint32_t id_b) : random_(seed) {
    const uint32_t ids[2] = {id_a, id_b};
    for (int end : {0, 1}) {
      SessionConfig config;
      config.router_id = ids[end];
      config.peer.neighbor = IpAddress::FromV4(0x0a000001 + static_cast<uint32_t>(1 - end));
      config.peer.name = "peer";
      config.peer.local_as = 65001 + static_cast<uint32_t>(end);
      config.peer.remote_as = 65002 - static_cast<uint32_t>(end);
      config.peer.families = {{Family::kV4, false, 0}};
      config.peer.scope = "s";
      plans_[end].generation = {1, 1};
      plans_[end].groups["g"] = {{.node = "a", .address = IpAddress::FromV4(0x0a000003)}};
      plans_[end].routes[IpPrefix::Host(IpAddress::FromV4(1))] = RouteTo("g");
      sessions_[end] = std::make_unique<Session>(config, &plans_[end], &random_, &counters_[end]);
    }
  }

  void Run() {
    for (int end : {0, 1}) {
      sessions_[end]->Tick(now_);
      Pump(end);
    }
    while (Step()) {
    }
  }
  SessionState state(int end) const { return sessions_[end]->state(); }
  io::ConnId conn(int end) const { return sessions_[end]->confirmed()->conn; }
  const Counters& counters(int end) const { return counters_[end]; }
  // How often the end was left without any connection.
  uint64_t Failures(int end) const {
    uint64_t failures = 0;
    for (const auto& [key, count] : counters_[end].transitions) {
      if (key.first == "ACTIVE" && key.second != "started") failures += count;
    }
    return failures;
  }
  uint64_t Moves(int end) const {
    const auto moved = counters_[end].transitions.find({"OPENCONFIRM", "collision"});
    return moved == counters_[end].transitions.end() ? 0 : moved->second;
  }

 private:
  Link& Between(io::ConnId conn, int from) {
    for (Link& link : links_) {
      if (link.conn == conn && link.from == from) return link;
    }
    links_.push_back({conn, from, {}});
    return links_.back();
  }
  // Delivers the next segment of a link that chance picks.
  bool Step() {
    std::vector<size_t> ready;
    for (size_t i = 0; i < links_.size(); ++i) {
      if (!links_[i].segments.empty()) ready.push_back(i);
    }
    if (ready.empty()) return false;
    Link& link = links_[ready[random_.Next64() % ready.size()]];
    const io::ConnId conn = link.conn;
    const int to = 1 - link.from;
    const Segment segment = std::move(link.segments.front());
    link.segments.pop_front();
    switch (segment.kind) {
      case Segment::Kind::kConnect:
        // The first comes to the end that was dialled, the second to the one that dialled.
        if (dialled_by_[conn] == to) {
          sessions_[to]->OnConnected(conn, now_);
        } else if (sessions_[to]->OnAccepted(conn, now_)) {
          Between(conn, to).segments.push_front({Segment::Kind::kConnect, {}});
        } else {
          Between(conn, to).segments.push_back({Segment::Kind::kConnect, {}});
          Between(conn, to).segments.push_back({Segment::Kind::kClose, {}});
        }
        break;
      case Segment::Kind::kData:
        sessions_[to]->OnData(conn, segment.octets, now_);
        break;
      case Segment::Kind::kClose:
        sessions_[to]->OnClosed(conn, absl::OkStatus(), now_);
        break;
    }
    Pump(to);
    return true;
  }
  void Send(int end, io::ConnId conn, std::span<const uint8_t> octets) {
    // Message by message, so that each may be overtaken on the other connection.
    while (!octets.empty()) {
      const size_t length = static_cast<size_t>(octets[16]) << 8 | octets[17];
      Between(conn, end).segments.push_back(
          {Segment::Kind::kData, Bytes(octets.begin(), octets.begin() + ptrdiff_t(length))});
      octets = octets.subspan(length);
    }
  }
  void Pump(int end) {
    Session& session = *sessions_[end];
    for (SessionOutput output = session.TakeOutput(); !output.empty();
         output = session.TakeOutput()) {
      for (const SessionOutput::Close& close : output.close) {
        Send(end, close.conn, close.last_words);
        Between(close.conn, end).segments.push_back({Segment::Kind::kClose, {}});
      }
      if (output.dial) {
        const io::ConnId conn = ++last_conn_;
        dialled_by_[conn] = end;
        session.OnDialling(conn, now_);
        Between(conn, end).segments.push_back({Segment::Kind::kConnect, {}});
      }
    }
    for (io::ConnId conn : session.connections()) {
      const std::span<const uint8_t> pending = session.Pending(conn, now_);
      Send(end, conn, pending);
      session.OnTaken(conn, pending.size(), now_);
    }
  }

  SeededRandom random_;
  absl::Duration now_ = absl::Seconds(1);
  link::PlanState plans_[2];
  Counters counters_[2];
  std::unique_ptr<Session> sessions_[2];
  std::vector<Link> links_;
  std::map<io::ConnId, int> dialled_by_;
  io::ConnId last_conn_ = 0;
};

TEST(CollisionTest, EveryOrderOfMessagesLeavesOneConnection) {
  uint64_t moves = 0;
  for (uint64_t seed = 0; seed < 20000; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    TwoSessions two(seed, seed % 2 == 0 ? 9 : 1, 5);
    two.Run();
    for (int end : {0, 1}) {
      ASSERT_EQ(two.state(end), SessionState::kEstablished) << "end " << end;
      ASSERT_EQ(two.Failures(end), 0u) << "end " << end;
      for (const auto& [name, count] : two.counters(end).notifications_sent) {
        ASSERT_EQ(name, "Cease/Connection Collision Resolution");
      }
      moves += two.Moves(end);
    }
    ASSERT_EQ(two.conn(0), two.conn(1));
  }
  // Some orders make an end move from one connection to the other.
  EXPECT_GT(moves, 100u);
}

}  // namespace
}  // namespace openelb::bgp
