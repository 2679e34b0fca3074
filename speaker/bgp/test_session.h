#pragma once
// A session for tests, with the world around it played by hand.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "speaker/bgp/session.h"
#include "speaker/bgp/test_bytes.h"
#include "speaker/bgp/test_route.h"

namespace openelb::bgp {

inline constexpr io::ConnId kDialled = 1;
inline constexpr io::ConnId kAccepted = 2;

// An UPDATE that says nothing: End-of-RIB of IPv4.
inline Bytes EmptyUpdate() { return Framed(MessageType::kUpdate, Hex("0000 0000")); }

// A session with the world played by hand: attempts to dial get the id kDialled.
class Bench {
 public:
  explicit Bench(uint32_t router_id = 0x0a000003) {
    config.router_id = router_id;
    config.peer.neighbor = IpAddress::FromV4(0x0a000001);
    config.peer.name = "leaf1";
    config.peer.remote_as = 65001;
    config.peer.local_as = 65000;
    config.peer.hold_time_s = 90;
    config.peer.connect_retry_s = 120;
    config.peer.families = {{Family::kV4, true, 0}};
    config.peer.scope = "s";
    plan.groups["g"] = {{.node = "a", .address = IpAddress::FromV4(0x0a000003)}};
    const IpPrefix prefix = IpPrefix::Parse("172.22.0.2/32").value();
    plan.routes[prefix] = RouteTo("g");
    Make();
  }
  void Make() { session = std::make_unique<Session>(config, &plan, &random, &counters); }

  // Carries out what the session wants, and collects what it says.
  void Pump() {
    for (SessionOutput output = session->TakeOutput(); !output.empty();
         output = session->TakeOutput()) {
      for (auto& t : output.transitions) transitions.push_back(t);
      for (auto& note : output.notes) notes.push_back(note);
      for (auto& close : output.close) {
        closed.push_back(close.conn);
        Read(close.last_words, close.conn);
      }
      if (output.dial) {
        ++dials;
        session->OnDialling(dial_id, now);
      }
    }
    for (io::ConnId conn : session->connections()) {
      for (;;) {
        const std::span<const uint8_t> pending = session->Pending(conn, now);
        if (pending.empty()) break;
        if (stuck) {
          session->OnTaken(conn, 0, now);
          break;
        }
        Read(Bytes(pending.begin(), pending.end()), conn);
        session->OnTaken(conn, pending.size(), now);
      }
    }
  }
  void Read(const Bytes& octets, io::ConnId conn) {
    Framer framer;
    framer.AllowExtended();
    framer.Append(octets);
    std::optional<MessageError> error;
    while (auto message = framer.Next(&error)) {
      std::string text(MessageTypeName(message->type));
      longest = std::max(longest, message->body.size() + kHeaderLength);
      if (message->type == MessageType::kOpen) (void)DecodeOpen(message->body, &our_open);
      if (message->type == MessageType::kNotification) {
        text = NotificationName(DecodeNotification(message->body));
      }
      sent.push_back(absl::StrCat(conn, " ", text));
    }
    EXPECT_FALSE(error.has_value());
  }
  void Advance(absl::Duration time) {
    const absl::Duration end = now + time;
    while (session->NextWakeup() <= end) {
      now = std::max(now, session->NextWakeup());
      session->Tick(now);
      Pump();
    }
    now = end;
    session->Tick(now);
    Pump();
  }
  void Start() {
    session->Tick(now);
    Pump();
  }
  void Connect() {
    session->OnConnected(dial_id, now);
    Pump();
  }
  bool Accept(io::ConnId conn = kAccepted) {
    const bool taken = session->OnAccepted(conn, now);
    Pump();
    return taken;
  }
  void Receive(const Bytes& octets, io::ConnId conn) {
    session->OnData(conn, octets, now);
    Pump();
  }
  void Receive(const Bytes& octets) { Receive(octets, conn()); }
  void Lose(const absl::Status& why = absl::OkStatus()) {
    session->OnClosed(conn(), why, now);
    Pump();
  }
  // The connection the tests speak on.
  io::ConnId conn() const {
    const auto conns = session->connections();
    return conns.empty() ? kDialled : conns.front();
  }
  OpenMessage PeerOpen() const {
    OpenMessage open;
    static_cast<Capabilities&>(open) = peer_offers;
    open.two_octet_as = 65001;
    open.hold_time = peer_hold_time;
    open.identifier = peer_id;
    open.four_octet_as = 65001;
    open.multiprotocol = {{1, 1}};
    open.add_path = {{{1, 1}, AddPathOffer::kReceive}};
    return open;
  }
  Bytes Open() const {
    Bytes out;
    EncodeOpen(PeerOpen(), &out);
    return out;
  }
  static Bytes Keepalive() {
    Bytes out;
    EncodeKeepalive(&out);
    return out;
  }
  void Establish() {
    Start();
    Connect();
    Receive(Open());
    Receive(Keepalive());
    ASSERT_EQ(session->state(), SessionState::kEstablished);
  }
  std::vector<std::string> TakeSent() { return std::exchange(sent, {}); }

  link::PlanState plan;
  SessionConfig config;
  SeededRandom random{7};
  Counters counters;
  absl::Duration now = absl::Seconds(1000);
  uint32_t peer_id = 0x0a000001;
  uint16_t peer_hold_time = 90;
  Capabilities peer_offers;  // besides what PeerOpen sets
  bool stuck = false;        // TCP takes nothing
  io::ConnId dial_id = kDialled;
  std::unique_ptr<Session> session;
  std::vector<SessionOutput::Transition> transitions;
  std::vector<std::string> notes;
  std::vector<io::ConnId> closed;
  std::vector<std::string> sent;
  OpenMessage our_open;  // the last one
  size_t longest = 0;    // octets of a message
  int dials = 0;
};

}  // namespace openelb::bgp
