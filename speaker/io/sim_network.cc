#include "speaker/io/sim_network.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"

namespace openelb::io {
namespace {

constexpr size_t kMaxSegment = 4096;
constexpr int kSynRetries = 6;
// How long the rest of a closed connection is still sent before the kernel gives up.
constexpr absl::Duration kLinger = absl::Seconds(60);

}  // namespace

// What a process sees of the network. The handler is only ever called from the scheduler.
class SimNetwork::Process final : public Io {
 public:
  Process(SimNetwork* network, std::string host) : network_(network), host_(std::move(host)) {
    network_->HostNamed(host_).processes.push_back(this);
  }
  ~Process() override {
    for (ConnId conn : Connections()) Close(conn);
    Host& host = network_->HostNamed(host_);
    std::erase(host.processes, this);
    std::erase_if(host.listeners, [this](const Listener& l) { return l.process == this; });
  }

  void SetHandler(IoHandler* handler) override { handler_ = handler; }

  ConnId Dial(const DialOptions& options) override {
    const ConnId conn = network_->next_id_++;
    End& end = network_->ends_[conn];
    end.process = this;
    end.host = host_;
    end.told = true;
    const auto fail = [&](const absl::Status& why) {
      network_->scheduler_->After({}, [=, network = network_] { network->Drop(conn, why); });
      return conn;
    };
    if (!options.auth.ao_keys.empty()) {
      if (const absl::Status support = TcpAoSupport(); !support.ok()) return fail(support);
      end.ao = {options.auth.ao_keys, options.auth.ao_keys.front()};
    }
    const std::optional<IpAddress> local =
        options.source.has_value() ? Own(*options.source) : SourceFor(options.remote);
    if (!local.has_value()) {
      const std::string what = absl::StrCat("connect to ", options.remote.ToString());
      return fail(absl::UnavailableError(
          options.source.has_value() ? absl::StrCat(what, " from ", options.source->ToString(),
                                                    ": cannot assign requested address")
                                     : absl::StrCat(what, ": network is unreachable")));
    }
    network_->SendSyn(conn, options, *local, 0);
    return conn;
  }

  absl::Status Listen(const ListenOptions& options) override {
    Host& host = network_->HostNamed(host_);
    for (const Listener& other : host.listeners) {
      const bool clash = other.options.address.family() == options.address.family() &&
                         (other.options.address == options.address ||
                          other.options.address.IsUnspecified() || options.address.IsUnspecified());
      if (other.options.port == options.port && clash) {
        return absl::AlreadyExistsError(absl::StrCat("listen on ", options.address.ToString(),
                                                     " port ", options.port,
                                                     ": address already in use"));
      }
    }
    host.listeners.push_back({this, options});
    return absl::OkStatus();
  }

  void Unlisten(const ListenOptions& options) override {
    std::erase_if(network_->HostNamed(host_).listeners,
                  [&](const Listener& l) { return l.process == this && l.options == options; });
  }

  absl::Status TcpAoSupport() override {
    return network_->HostNamed(host_).tcp_ao ? absl::OkStatus() : NoTcpAo();
  }

  absl::Status SetListenerAuth(const IpAddress& peer, const TcpAuth& auth) override {
    if (absl::Status support = TcpAoSupport(); !support.ok() && !auth.ao_keys.empty())
      return support;
    if (auth.empty()) {
      auth_.erase(peer);
    } else {
      auth_[peer] = auth;
    }
    return absl::OkStatus();
  }

  absl::Status SetAoKeys(ConnId conn, const TcpAoKeys& keys) override {
    End* end = Own(conn);
    if (end == nullptr) return absl::NotFoundError("no such connection");
    if (end->ao.keys.empty() || !TcpAoRollsOver(end->ao.keys, keys))
      return absl::FailedPreconditionError("the connection has other TCP-AO keys");
    end->ao.keys = keys;
    network_->Retransmit(conn, end);
    if (End* peer = network_->Find(end->peer)) network_->Retransmit(end->peer, peer);
    return absl::OkStatus();
  }

  absl::Status SetTtl(ConnId, int, int) override { return absl::OkStatus(); }

  size_t Write(ConnId conn, std::span<const uint8_t> data) override {
    End* end = Own(conn);
    if (end == nullptr || end->peer == 0) return 0;
    const size_t size = std::min(data.size(), kBuffer - end->outbox.size());
    end->outbox.append(reinterpret_cast<const char*>(data.data()), size);
    end->write_refused = size < data.size();
    network_->Transmit(conn);
    return size;
  }

  std::vector<InterfaceAddress> OwnAddresses() override { return InterfaceAddresses(); }
  std::map<Family, std::string> DefaultRoutes() override {
    return network_->HostNamed(host_).default_routes;
  }
  std::string InterfaceOf(ConnId conn) override {
    const End* end = network_->Find(conn);
    return end == nullptr ? "" : end->interface;
  }
  uint64_t Acknowledged(ConnId conn) override {
    End* end = Own(conn);
    return end == nullptr ? 0 : end->acknowledged;
  }

  void Close(ConnId conn) override {
    if (Own(conn) != nullptr) network_->Close(conn);
  }

  std::vector<InterfaceAddress> InterfaceAddresses() override {
    return network_->HostNamed(host_).addresses;
  }

  IoHandler* handler() { return handler_; }
  TcpAuth AuthFor(const IpAddress& peer) const {
    const auto auth = auth_.find(peer);
    return auth == auth_.end() ? TcpAuth() : auth->second;
  }
  std::vector<ConnId> Connections() {
    std::vector<ConnId> connections;
    for (const auto& [conn, end] : network_->ends_) {
      if (end.process == this) connections.push_back(conn);
    }
    return connections;
  }

 private:
  End* Own(ConnId conn) {
    End* end = network_->Find(conn);
    return end != nullptr && end->process == this ? end : nullptr;
  }
  std::optional<IpAddress> Own(const IpAddress& address) {
    for (const InterfaceAddress& local : network_->HostNamed(host_).addresses) {
      if (local.address == address) return address;
    }
    return std::nullopt;
  }
  std::optional<IpAddress> SourceFor(const IpAddress& remote) {
    std::optional<IpAddress> any;
    for (const InterfaceAddress& local : network_->HostNamed(host_).addresses) {
      if (local.Prefix().Contains(remote)) return local.address;
      if (!any && local.address.family() == remote.family()) any = local.address;
    }
    return any;
  }

  SimNetwork* network_;
  std::string host_;
  IoHandler* handler_ = nullptr;
  std::map<IpAddress, TcpAuth> auth_;
};

SimNetwork::~SimNetwork() = default;

// ---- the world ----

void SimNetwork::AddHost(const std::string& name, std::vector<InterfaceAddress> addresses) {
  std::sort(addresses.begin(), addresses.end());
  hosts_[name].addresses = std::move(addresses);
}

void SimNetwork::SetAddresses(absl::string_view host, std::vector<InterfaceAddress> addresses) {
  std::sort(addresses.begin(), addresses.end());
  Host& changed = HostNamed(host);
  changed.addresses = std::move(addresses);
  for (Process* process : changed.processes) {
    if (process->handler() != nullptr) process->handler()->OnInterfacesChanged();
  }
}

void SimNetwork::SetDefaultRoutes(absl::string_view host, std::map<Family, std::string> routes) {
  Host& changed = HostNamed(host);
  changed.default_routes = std::move(routes);
  for (Process* process : changed.processes) {
    if (process->handler() != nullptr) process->handler()->OnInterfacesChanged();
  }
}

std::unique_ptr<Io> SimNetwork::Start(absl::string_view host) {
  HostNamed(host).off = false;
  return std::make_unique<Process>(this, std::string(host));
}

void SimNetwork::SetDelay(absl::string_view a, absl::string_view b, absl::Duration delay) {
  delays_[MakePair(a, b)] = delay;
}

void SimNetwork::Cut(absl::string_view a, absl::string_view b) {
  cuts_.insert(MakePair(a, b));
  ++cut_counts_[MakePair(a, b)];
}

void SimNetwork::Heal(absl::string_view a, absl::string_view b) {
  if (cuts_.erase(MakePair(a, b)) == 0) return;
  for (auto& [conn, end] : ends_) {
    if (MakePair(end.host, end.peer_host) != MakePair(a, b)) continue;
    Retransmit(conn, &end);
  }
}

bool SimNetwork::IsCut(absl::string_view a, absl::string_view b) const {
  return cuts_.contains(MakePair(a, b));
}

void SimNetwork::Reset(absl::string_view a, absl::string_view b) {
  std::vector<ConnId> reset;
  for (const auto& [conn, end] : ends_) {
    if (MakePair(end.host, end.peer_host) == MakePair(a, b)) reset.push_back(conn);
  }
  for (ConnId conn : reset) Drop(conn, absl::UnavailableError("connection reset by peer"));
}

void SimNetwork::PowerOff(absl::string_view host) {
  HostNamed(host).off = true;
  HostNamed(host).listeners.clear();
  std::erase_if(ends_, [&](const auto& entry) { return entry.second.host == host; });
}

void SimNetwork::SetTcpAo(absl::string_view host, bool there) { HostNamed(host).tcp_ao = there; }

void SimNetwork::SetStuck(absl::string_view host, bool stuck) {
  HostNamed(host).stuck = stuck;
  if (stuck) return;
  for (Process* process : HostNamed(host).processes) {
    for (ConnId conn : process->Connections()) Read(conn);
  }
}

// ---- segments ----

SimNetwork::Pair SimNetwork::MakePair(absl::string_view a, absl::string_view b) {
  return Pair(std::min(a, b), std::max(a, b));
}

SimNetwork::Host& SimNetwork::HostNamed(absl::string_view name) {
  return hosts_.find(name)->second;
}

const std::string* SimNetwork::HostOf(const IpAddress& address) const {
  for (const auto& [name, host] : hosts_) {
    for (const InterfaceAddress& local : host.addresses) {
      if (local.address == address) return &name;
    }
  }
  return nullptr;
}

const SimNetwork::Listener* SimNetwork::FindListener(const Host& host,
                                                     const DialOptions& options) const {
  for (const Listener& listener : host.listeners) {
    const IpAddress& address = listener.options.address;
    const bool any = address.IsUnspecified() && address.family() == options.remote.family();
    if (listener.options.port == options.port && (any || address == options.remote)) {
      return &listener;
    }
  }
  return nullptr;
}

SimNetwork::End* SimNetwork::Find(ConnId conn) {
  auto it = ends_.find(conn);
  return it == ends_.end() ? nullptr : &it->second;
}

absl::Duration SimNetwork::Arrival(const std::string& from, const std::string& to) const {
  auto delay = delays_.find(MakePair(from, to));
  return scheduler_->Monotonic() + (delay == delays_.end() ? absl::Milliseconds(1) : delay->second);
}

void SimNetwork::Carry(const std::string& from, const std::string& to, absl::Duration arrival,
                       Event event) {
  const Pair pair = MakePair(from, to);
  if (cuts_.contains(pair)) return;
  scheduler_->At(arrival, [this, pair, to, cuts = cut_counts_[pair], event = std::move(event)] {
    if (cut_counts_[pair] == cuts && !HostNamed(to).off) event();
  });
}

void SimNetwork::CarryInOrder(End* from, Event event) {
  if (const End* to = Find(from->peer); to != nullptr && !Understood(&from->ao, to->ao)) return;
  from->last_arrival = std::max(from->last_arrival, Arrival(from->host, from->peer_host));
  Carry(from->host, from->peer_host, from->last_arrival, std::move(event));
}

void SimNetwork::SendSyn(ConnId conn, const DialOptions& options, const IpAddress& local,
                         int attempt) {
  End* end = Find(conn);
  if (end == nullptr || end->peer != 0) return;
  if (attempt > kSynRetries) {
    Drop(conn, absl::DeadlineExceededError(absl::StrCat("connect to ", options.remote.ToString(),
                                                        ": connection timed out")));
    return;
  }
  if (const std::string* remote = HostOf(options.remote); remote != nullptr) {
    end->peer_host = *remote;
    CarryInOrder(end, [=, this] { OnSyn(conn, options, local); });
  }
  scheduler_->After(absl::Seconds(1 << attempt),
                    [=, this] { SendSyn(conn, options, local, attempt + 1); });
}

void SimNetwork::OnSyn(ConnId from, const DialOptions& options, const IpAddress& local) {
  End* dialer = Find(from);
  if (dialer == nullptr) return;
  const std::string host = dialer->peer_host;
  const Listener* listener = FindListener(HostNamed(host), options);
  if (listener == nullptr) {
    Carry(host, dialer->host, Arrival(host, dialer->host), [this, from, remote = options.remote] {
      Drop(from, absl::UnavailableError(
                     absl::StrCat("connect to ", remote.ToString(), ": connection refused")));
    });
    return;
  }
  // Segments with a wrong or missing signature are dropped without an answer.
  const TcpAuth asked = listener->process->AuthFor(local);
  if (!Answers(asked, options.auth)) return;
  ConnId conn = 0;
  for (const auto& [id, end] : ends_) {
    if (end.peer == from) conn = id;  // our answer to an earlier attempt was lost
  }
  if (conn == 0) conn = next_id_++;
  End& end = ends_[conn];
  end.process = listener->process;
  end.ao.keys = asked.ao_keys;
  end.host = host;
  end.peer_host = dialer->host;
  for (const InterfaceAddress& own : HostNamed(host).addresses) {
    if (own.address == options.remote) end.interface = own.interface;
  }
  end.peer = from;
  CarryInOrder(&end, [=, this] { OnSynAck(from, conn, options.remote, local); });
}

void SimNetwork::OnSynAck(ConnId conn, ConnId from, const IpAddress& remote,
                          const IpAddress& local) {
  End* end = Find(conn);
  if (end == nullptr || end->peer != 0 || end->process == nullptr) return;
  end->peer = from;
  // The handshake's last segment; where it is lost, the first data stands in for it.
  CarryInOrder(end, [=, this] { Accept(from, remote, local); });
  end->process->handler()->OnConnected(conn, local);
}

void SimNetwork::Accept(ConnId conn, const IpAddress& local, const IpAddress& remote) {
  End* end = Find(conn);
  if (end == nullptr || end->told || end->process == nullptr) return;
  if (end->ao.keys != end->process->AuthFor(remote).ao_keys) {  // they changed meanwhile
    SendReset(end->host, end->peer_host, end->peer);
    ends_.erase(conn);
    return;
  }
  end->told = true;
  end->process->handler()->OnAccepted(conn, local, remote);
}

void SimNetwork::Retransmit(ConnId conn, End* end) {
  end->in_flight = 0;
  end->fin_sent = false;
  Transmit(conn);
}

void SimNetwork::Transmit(ConnId conn) {
  End* end = Find(conn);
  if (end == nullptr || end->peer == 0) return;
  const End* peer = Find(end->peer);
  size_t used = end->in_flight + (peer == nullptr ? 0 : peer->inbox.size());
  while (end->in_flight < end->outbox.size() && used < kBuffer) {
    const size_t size = std::min(
        {1 + random_.Next64() % kMaxSegment, end->outbox.size() - end->in_flight, kBuffer - used});
    CarryInOrder(end, [this, to = end->peer, conn, offset = end->acknowledged + end->in_flight,
                       data = end->outbox.substr(end->in_flight, size)] {
      OnSegment(to, conn, offset, data);
    });
    end->in_flight += size;
    used += size;
  }
  if (end->process == nullptr && end->in_flight == end->outbox.size() && !end->fin_sent) {
    end->fin_sent = true;
    CarryInOrder(end, [this, to = end->peer, offset = end->acknowledged + end->outbox.size()] {
      OnFin(to, offset);
    });
  }
}

void SimNetwork::OnSegment(ConnId conn, ConnId from, uint64_t offset, const std::string& data) {
  End* end = Find(conn);
  End* sender = Find(from);
  if (end == nullptr) {
    if (sender != nullptr) SendReset(sender->peer_host, sender->host, from);
    return;
  }
  if (offset > end->received) return;  // a hole: the sender repeats
  const uint64_t known = end->received - offset;
  if (known < data.size()) {
    end->received = offset + data.size();
    if (end->process != nullptr) end->inbox.append(data, known);
  }
  CarryInOrder(end, [this, from, total = end->received] { OnAcknowledged(from, total); });
  Read(conn);
}

void SimNetwork::OnAcknowledged(ConnId conn, uint64_t total) {
  End* end = Find(conn);
  if (end == nullptr || total <= end->acknowledged) return;
  const size_t fresh = total - end->acknowledged;
  end->acknowledged = total;
  end->outbox.erase(0, fresh);
  end->in_flight -= std::min(fresh, end->in_flight);
  Transmit(conn);
  if (end->write_refused && end->process != nullptr) {
    end->write_refused = false;
    end->process->handler()->OnWritable(conn);
  }
}

void SimNetwork::OnFin(ConnId conn, uint64_t offset) {
  End* end = Find(conn);
  if (end == nullptr || offset != end->received) return;
  end->fin_received = true;
  Read(conn);
}

void SimNetwork::Read(ConnId conn) {
  End* end = Find(conn);
  if (end == nullptr) return;
  if (end->process != nullptr && !HostNamed(end->host).stuck) {
    if (!end->inbox.empty()) {
      const std::string data = std::exchange(end->inbox, {});
      // The sender hears that there is room again.
      CarryInOrder(end, [this, sender = end->peer] { Transmit(sender); });
      end->process->handler()->OnData(conn,
                                      {reinterpret_cast<const uint8_t*>(data.data()), data.size()});
      end = Find(conn);
    }
    if (end != nullptr && end->process != nullptr && end->fin_received) {
      IoHandler* handler = end->process->handler();
      Close(conn);
      handler->OnClosed(conn, absl::OkStatus());
      end = Find(conn);
    }
  }
  if (end != nullptr && end->process == nullptr && end->fin_received && end->fin_sent &&
      end->outbox.empty()) {
    ends_.erase(conn);
  }
}

void SimNetwork::Close(ConnId conn) {
  End* end = Find(conn);
  if (end->peer == 0) {
    ends_.erase(conn);
    return;
  }
  end->process = nullptr;
  end->inbox.clear();
  Transmit(conn);
  scheduler_->After(kLinger, [this, conn] { ends_.erase(conn); });
}

void SimNetwork::Drop(ConnId conn, const absl::Status& why) {
  auto dropped = ends_.extract(conn);
  if (dropped.empty()) return;
  const End& end = dropped.mapped();
  if (end.process != nullptr && end.told) end.process->handler()->OnClosed(conn, why);
}

void SimNetwork::SendReset(const std::string& from, const std::string& to, ConnId conn) {
  Carry(from, to, Arrival(from, to),
        [this, conn] { Drop(conn, absl::UnavailableError("connection reset by peer")); });
}

}  // namespace openelb::io
