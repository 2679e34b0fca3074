// Any octets into a session in OPENSENT or ESTABLISHED, with time passing and connections coming
// and going between them: the state machine stays consistent, and always finds its way back up.
// The first octet chooses the state; then each piece of the input is preceded by an octet that says
// what happens before it.
#include <algorithm>
#include <cstdlib>

#include "speaker/bgp/session.h"
#include "speaker/bgp/test_route.h"

namespace openelb::bgp {
namespace {

void Expect(bool condition) {
  if (!condition) std::abort();
}

class World {
 public:
  World() {
    SessionConfig config;
    config.router_id = 0x0a000003;
    config.peer.neighbor = IpAddress::FromV4(0x0a000001);
    config.peer.name = "leaf1";
    config.peer.local_as = 65000;
    config.peer.remote_as = 65001;
    config.peer.connect_retry_s = 1;
    config.peer.families = {{Family::kV4, true, 0, true}, {Family::kV6, true, 0}};
    config.peer.graceful_restart = link::GracefulRestart{120, true};
    config.peer.scope = "s";
    plan_.groups["g"] = {{.node = "a", .address = IpAddress::FromV4(0x0a000003)}};
    for (uint32_t i = 0; i < 3; ++i) {
      plan_.routes[IpPrefix::Host(IpAddress::FromV4(i))] = RouteTo("g");
    }
    session_ = std::make_unique<Session>(config, &plan_, &random_, &counters_);
    Tick(absl::ZeroDuration());
  }

  void Tick(absl::Duration time) {
    now_ += time;
    session_->Tick(now_);
    Pump();
  }
  void Connect() {
    session_->OnConnected(dialling_, now_);
    Pump();
  }
  void Accept() {
    session_->OnAccepted(++last_conn_, now_);
    Pump();
  }
  void Lose(bool newest) {
    const auto conns = session_->connections();
    if (conns.empty()) return;
    session_->OnClosed(newest ? conns.back() : conns.front(), absl::OkStatus(), now_);
    Pump();
  }
  void Receive(std::span<const uint8_t> octets, bool newest) {
    const auto conns = session_->connections();
    if (conns.empty()) return;
    session_->OnData(newest ? conns.back() : conns.front(), octets, now_);
    Pump();
  }
  void Establish() {
    OpenMessage open;
    open.two_octet_as = 65001;
    open.hold_time = 90;
    open.identifier = 0x0a000001;
    open.four_octet_as = 65001;
    open.multiprotocol = {{1, 1}};
    open.enhanced_refresh = open.extended_messages = true;
    open.restart = RestartOffer{.notification = true};
    Bytes octets;
    EncodeOpen(open, &octets);
    EncodeKeepalive(&octets);
    Receive(octets, false);
    Expect(session_->state() == SessionState::kEstablished);
  }
  void SetStuck(bool stuck) { stuck_ = stuck; }
  // However it was treated, a good peer gets a session.
  void Recover() {
    stuck_ = false;
    for (int i = 0; i < 3 && !session_->connections().empty(); ++i) Lose(false);
    for (int i = 0; i < 20 && session_->state() != SessionState::kConnect; ++i) {
      Tick(absl::Seconds(1));
    }
    Connect();
    Establish();
    Expect(session_->rib()->prefixes() == 3);
  }

 private:
  void Pump() {
    for (SessionOutput output = session_->TakeOutput(); !output.empty();
         output = session_->TakeOutput()) {
      for (const auto& t : output.transitions) Expect(t.from != t.to && !t.text.empty());
      if (output.dial) {
        dialling_ = ++last_conn_;
        session_->OnDialling(dialling_, now_);
      }
    }
    const auto conns = session_->connections();
    Expect(conns.size() <= 3);
    for (io::ConnId conn : conns) {
      for (;;) {
        const size_t size = session_->Pending(conn, now_).size();
        if (size == 0) break;
        if (stuck_) {
          session_->OnTaken(conn, 0, now_);
          break;
        }
        // TCP takes an octet less than it was given, then the rest.
        session_->OnTaken(conn, size > 1 ? size - 1 : size, now_);
      }
    }
    Expect((session_->rib() != nullptr) == (session_->state() == SessionState::kEstablished));
    Expect((session_->confirmed() != nullptr) == (session_->state() >= SessionState::kOpenConfirm));
  }

  link::PlanState plan_;
  SeededRandom random_{1};
  Counters counters_;
  absl::Duration now_ = absl::Seconds(1);
  std::unique_ptr<Session> session_;
  io::ConnId dialling_ = 0;
  io::ConnId last_conn_ = 0;
  bool stuck_ = false;  // the peer's TCP takes nothing
};

}  // namespace
}  // namespace openelb::bgp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using openelb::bgp::World;
  if (size == 0) return 0;
  World world;
  world.Connect();
  if (data[0] & 1) world.Establish();
  std::span<const uint8_t> input(data + 1, size - 1);
  while (!input.empty()) {
    const uint8_t choice = input[0];
    input = input.subspan(1);
    switch (choice & 7) {
      case 1:
        world.Tick(absl::Seconds(choice >> 3));
        break;
      case 2:
        world.Accept();
        break;
      case 3:
        world.Connect();
        break;
      case 4:
        world.Lose((choice & 8) != 0);
        break;
      case 5:
        world.SetStuck((choice & 8) != 0);
        break;
      default:
        break;
    }
    const size_t piece = std::min<size_t>(input.size(), choice >> 4 == 15 ? 4096 : choice >> 1);
    world.Receive(input.first(piece), (choice & 8) != 0);
    input = input.subspan(piece);
  }
  world.Recover();
  return 0;
}
