// Two state machines that talk over a network that loses what it likes: attempts to connect,
// everything that is under way on a connection, the news of its end at one side or at both (RFC
// 4271 6.8 and 8). Both stay consistent whatever happens, and once the network is whole they have
// one connection, the same one, with all routes on it.
//
// The first octet of the input chooses how both are configured; each other one is a step.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <set>

#include "speaker/bgp/session.h"
#include "speaker/bgp/test_route.h"

namespace openelb::bgp {
namespace {

constexpr uint32_t kIdentifiers[] = {0x0a000001, 0x0a000003};
constexpr size_t kRoutes = 3;
// Octets that TCP takes before the other end has taken any.
constexpr size_t kWindow = 4096;
// The longest of a session's own timers, the wait for an OPEN, has run off after that twice.
constexpr int kHealSeconds = 600;

void Expect(bool condition) {
  if (!condition) std::abort();
}

// One direction of a connection.
struct Stream {
  std::deque<uint8_t> octets;
  bool ended = false;  // the sender has closed; nothing comes after what is under way
};

// What both ends share of one connection: `streams[end]` is what that end sends.
struct Wire {
  int dialler = 0;
  bool accepted = false;                     // the attempt has arrived
  bool dead = false;                         // nothing arrives any more, and nobody is told
  std::array<bool, 2> open = {true, false};  // by dialler (0) and by the one dialled (1)
  std::array<Stream, 2> streams;
};

class Pair {
 public:
  explicit Pair(uint8_t choice) {
    for (int end : {0, 1}) {
      SessionConfig& config = configs_[end];
      config.router_id = kIdentifiers[end];
      config.peer.neighbor = IpAddress::FromV4(kIdentifiers[1 - end]);
      config.peer.name = end == 0 ? "left" : "right";
      config.peer.local_as = 65000 + static_cast<uint32_t>(end);
      config.peer.remote_as = 65001 - static_cast<uint32_t>(end);
      config.peer.hold_time_s = 9;
      config.peer.connect_retry_s = 4;
      config.peer.families = {{Family::kV4, true, 0, true}};
      config.peer.graceful_restart = link::GracefulRestart{120, true};
      config.peer.scope = "s";
      config.peer.delay_open_s = (choice >> end) & 1 ? 3 : 0;
    }
    configs_[0].peer.passive = (choice & 4) != 0;
    plan_.groups["g"] = {{.node = "a", .address = IpAddress::FromV4(0x0a000009)}};
    for (uint32_t i = 0; i < kRoutes; ++i) {
      plan_.routes[IpPrefix::Host(IpAddress::FromV4(i))] = RouteTo("g");
    }
    for (int end : {0, 1}) Restart(end);
  }

  // The end's process is started anew; its kernel tells the other end, as far as that is reached.
  void Restart(int end) {
    for (auto& [conn, wire] : wires_) CloseEnd(&wire, end, false);
    sessions_[end] = std::make_unique<Session>(configs_[end], &plan_, &random_, &counters_);
    sessions_[end]->Tick(now_);
    Pump();
  }
  void SetAdminDown(int end, bool down) {
    configs_[end].peer.admin_down = down;
    sessions_[end]->Configure(configs_[end], now_);
    Pump();
  }
  void Pass(absl::Duration time) {
    now_ += time;
    for (const auto& session : sessions_) session->Tick(now_);
    Pump();
  }
  // An attempt to connect arrives; or it fails.
  void Answer(io::ConnId conn, bool arrives) {
    Wire* wire = Find(conn);
    if (wire == nullptr || wire->accepted || wire->dead || !wire->open[0]) return;
    Session& dialler = *sessions_[wire->dialler];
    if (!arrives) {
      wire->open[0] = false;
      dialler.OnClosed(conn, absl::UnavailableError("connection refused"), now_);
      return Pump();
    }
    wire->accepted = wire->open[1] = true;
    const bool wanted = sessions_[1 - wire->dialler]->OnAccepted(conn, now_);
    if (!wanted) CloseEnd(wire, 1 - wire->dialler, false);
    dialler.OnConnected(conn, now_);
    Pump();
  }
  // Up to `most` octets reach `end`, and the news that no more will come after the last.
  void Deliver(io::ConnId conn, int end, size_t most) {
    Wire* wire = Find(conn);
    if (wire == nullptr || wire->dead || !wire->accepted || !IsOpen(*wire, end)) return;
    Stream& stream = wire->streams[1 - end];
    const size_t size = std::min(most, stream.octets.size());
    const Bytes piece(stream.octets.begin(), stream.octets.begin() + static_cast<ptrdiff_t>(size));
    stream.octets.erase(stream.octets.begin(),
                        stream.octets.begin() + static_cast<ptrdiff_t>(size));
    if (size > 0) sessions_[end]->OnData(conn, piece, now_);
    Pump();
    wire = Find(conn);
    if (wire == nullptr || !IsOpen(*wire, end)) return;
    if (!wire->streams[1 - end].ended || !wire->streams[1 - end].octets.empty()) return;
    wire->open[Side(*wire, end)] = false;
    sessions_[end]->OnClosed(conn, absl::OkStatus(), now_);
    Pump();
  }
  // What is under way is lost. One end may hear that the connection is gone.
  void Lose(io::ConnId conn, bool heard, int by) {
    Wire* wire = Find(conn);
    if (wire == nullptr) return;
    wire->dead = true;
    for (Stream& stream : wire->streams) stream.octets.clear();
    if (!heard || !IsOpen(*wire, by)) return;
    wire->open[Side(*wire, by)] = false;
    sessions_[by]->OnClosed(conn, absl::UnavailableError("connection reset"), now_);
    Pump();
  }
  // The `nth` connection that an end still has, or 0.
  io::ConnId Nth(size_t nth) const {
    std::vector<io::ConnId> live;
    for (const auto& [conn, wire] : wires_) {
      if (wire.open[0] || wire.open[1]) live.push_back(conn);
    }
    return live.empty() ? 0 : live[nth % live.size()];
  }

  // The network is whole again, and both may run.
  void Heal() {
    for (int end : {0, 1}) SetAdminDown(end, false);
    for (int second = 0; second < kHealSeconds && !Settled(); ++second) {
      for (int round = 0; round < 20; ++round) DeliverAll();
      Pass(absl::Seconds(1));
    }
    for (int round = 0; round < 20; ++round) DeliverAll();
    Expect(Settled());
    for (int end : {0, 1}) Expect(sessions_[end]->rib()->prefixes() == kRoutes);
    // And so it stays.
    for (int second = 0; second < 30; ++second) {
      for (int round = 0; round < 5; ++round) DeliverAll();
      Pass(absl::Seconds(1));
      Expect(Settled());
    }
  }

 private:
  // One connection, the same one and one that carries something, is ESTABLISHED at both ends.
  bool Settled() const {
    return std::ranges::all_of(sessions_, [&](const auto& session) {
      const std::vector<io::ConnId> conns = session->connections();
      return session->state() == SessionState::kEstablished && conns.size() == 1 &&
             conns == sessions_[0]->connections() && !wires_.at(conns[0]).dead;
    });
  }
  Wire* Find(io::ConnId conn) {
    const auto found = wires_.find(conn);
    return found == wires_.end() ? nullptr : &found->second;
  }
  static size_t Side(const Wire& wire, int end) { return wire.dialler == end ? 0 : 1; }
  static bool IsOpen(const Wire& wire, int end) { return wire.open[Side(wire, end)]; }
  // `clean`: what waits for the other end still reaches it.
  static void CloseEnd(Wire* wire, int end, bool clean) {
    if (!IsOpen(*wire, end)) return;
    wire->open[Side(*wire, end)] = false;
    if (!clean) wire->streams[end].octets.clear();
    wire->streams[end].ended = true;
  }
  void DeliverAll() {
    std::vector<io::ConnId> conns;
    for (const auto& [conn, wire] : wires_) conns.push_back(conn);
    for (io::ConnId conn : conns) {
      Answer(conn, true);
      for (int end : {0, 1}) Deliver(conn, end, kWindow);
    }
    std::erase_if(wires_,
                  [](const auto& entry) { return !entry.second.open[0] && !entry.second.open[1]; });
  }

  void Pump() {
    for (bool again = true; std::exchange(again, false);) {
      for (int end : {0, 1}) {
        if (sessions_[end] != nullptr && PumpEnd(end)) again = true;
      }
    }
  }
  bool PumpEnd(int end) {
    Session& session = *sessions_[end];
    const SessionOutput output = session.TakeOutput();
    for (const auto& transition : output.transitions) {
      Expect(transition.from != transition.to && !transition.text.empty());
    }
    for (const SessionOutput::Close& close : output.close) {
      Wire* wire = Find(close.conn);
      if (wire == nullptr) continue;
      if (IsOpen(*wire, end) && !wire->dead) Append(close.last_words, &wire->streams[end]);
      CloseEnd(wire, end, true);
    }
    if (output.dial) {
      wires_[++last_conn_].dialler = end;
      session.OnDialling(last_conn_, now_);
    }
    Check(session);
    bool wrote = false;
    for (io::ConnId conn : session.connections()) {
      Wire* wire = Find(conn);
      Expect(wire != nullptr && IsOpen(*wire, end));
      if (!wire->accepted) continue;  // still dialling
      const std::span<const uint8_t> pending = session.Pending(conn, now_);
      if (pending.empty()) continue;
      Stream& stream = wire->streams[end];
      const size_t room = kWindow - std::min(kWindow, stream.octets.size());
      const size_t size = std::min(room, pending.size());
      if (!wire->dead) Append(pending.first(size), &stream);
      session.OnTaken(conn, size, now_);
      wrote = wrote || size > 0;
    }
    return wrote || !output.empty();
  }
  static void Append(std::span<const uint8_t> octets, Stream* stream) {
    stream->octets.insert(stream->octets.end(), octets.begin(), octets.end());
  }
  static void Check(const Session& session) {
    const std::vector<io::ConnId> conns = session.connections();
    Expect(conns.size() <= 3);
    Expect(std::set<io::ConnId>(conns.begin(), conns.end()).size() == conns.size());
    Expect((session.rib() != nullptr) == (session.state() == SessionState::kEstablished));
    Expect((session.confirmed() != nullptr) == (session.state() >= SessionState::kOpenConfirm));
  }

  link::PlanState plan_;
  SeededRandom random_{1};
  Counters counters_;
  absl::Duration now_ = absl::Seconds(1);
  std::array<SessionConfig, 2> configs_;
  std::array<std::unique_ptr<Session>, 2> sessions_;
  std::map<io::ConnId, Wire> wires_;
  io::ConnId last_conn_ = 0;
};

}  // namespace
}  // namespace openelb::bgp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using openelb::bgp::Pair;
  if (size == 0 || size > 1000) return 0;
  Pair pair(data[0]);
  for (const uint8_t step : std::span(data + 1, size - 1)) {
    const int end = (step >> 3) & 1;
    const size_t amount = step >> 4;
    const auto conn = pair.Nth(amount & 3);
    switch (step & 7) {
      case 0:
      case 1:
        pair.Deliver(conn, end, amount < 4 ? 1 : amount < 8 ? 20 : 4096);
        break;
      case 2:
      case 3:
        pair.Answer(conn, (step & 0x80) == 0);
        break;
      case 4:
        pair.Lose(conn, (step & 0x80) != 0, end);
        break;
      case 5:
      case 6:
        pair.Pass(absl::Milliseconds(amount * amount * 100));
        break;
      default:
        if (amount < 8) {
          pair.Restart(end);
        } else {
          pair.SetAdminDown(end, amount >= 12);
        }
    }
  }
  pair.Heal();
  return 0;
}
