#include "speaker/io/sim_udp.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace openelb::io {
namespace {

constexpr int kTtl = 255;
constexpr absl::Duration kDelay = absl::Milliseconds(1);
// How long a datagram waits at a host with a queue.
constexpr absl::Duration kRead = absl::Milliseconds(1);

bool Has(const std::vector<InterfaceAddress>& addresses, const std::string& interface,
         const IpAddress& address) {
  return std::any_of(addresses.begin(), addresses.end(), [&](const InterfaceAddress& own) {
    return own.interface == interface && (address.IsUnspecified() || own.address == address);
  });
}

}  // namespace

// What a process sees of the network. The handler is only ever called from the scheduler.
class SimUdp::Process final : public Udp {
 public:
  Process(SimUdp* network, std::string host) : network_(network), host_(std::move(host)) {
    network_->HostNamed(host_).processes.push_back(this);
  }
  ~Process() override { std::erase(network_->HostNamed(host_).processes, this); }

  void SetHandler(UdpHandler* handler) override { handler_ = handler; }

  absl::StatusOr<UdpId> Open(const UdpOptions& options) override {
    const std::string what = absl::StrCat("UDP socket on ", options.interface, ", ",
                                          options.local.ToString(), " port ", options.port);
    if (!Has(network_->HostNamed(host_).addresses, options.interface, options.local)) {
      return absl::NotFoundError(absl::StrCat(what, ": no such interface or address"));
    }
    for (const Process* process : network_->HostNamed(host_).processes) {
      for (const auto& [id, other] : process->sockets_) {
        if (other.interface == options.interface && other.port == options.port &&
            other.local.family() == options.local.family() &&
            (other.local == options.local || other.local.IsUnspecified() ||
             options.local.IsUnspecified())) {
          return absl::FailedPreconditionError(absl::StrCat(what, ": address already in use"));
        }
      }
    }
    const UdpId id = network_->next_id_++;
    sockets_[id] = options;
    return id;
  }

  absl::Status Send(UdpId socket, const IpAddress& remote, uint16_t port,
                    std::span<const uint8_t> data) override {
    auto it = sockets_.find(socket);
    if (it == sockets_.end()) return absl::NotFoundError("no such socket");
    const UdpOptions& options = it->second;
    Datagram datagram;
    datagram.remote_port = options.port;
    datagram.ttl = kTtl;
    datagram.data = data;
    for (const InterfaceAddress& own : network_->HostNamed(host_).addresses) {
      if (own.interface != options.interface) continue;
      if (own.address == options.local ||
          (options.local.IsUnspecified() && own.address.family() == remote.family())) {
        datagram.remote = own.address;
        network_->Carry(host_, datagram, remote, port);
        return absl::OkStatus();
      }
    }
    return absl::UnavailableError(absl::StrCat("send to ", remote.ToString(), " port ", port,
                                               " on ", options.interface, ": no such address"));
  }

  bool Lives(UdpId socket) const override {
    const auto it = sockets_.find(socket);
    return it != sockets_.end() &&
           Has(network_->HostNamed(host_).addresses, it->second.interface, it->second.local);
  }

  void Close(UdpId socket) override { sockets_.erase(socket); }

  void Receive(Datagram datagram, uint16_t port) {
    for (const auto& [id, options] : sockets_) {
      if (options.port != port || options.interface != datagram.interface ||
          options.local.family() != datagram.local.family() ||
          (!options.local.IsUnspecified() && options.local != datagram.local)) {
        continue;
      }
      datagram.socket = id;
      handler_->OnDatagram(datagram);
      return;
    }
  }

 private:
  SimUdp* network_;
  std::string host_;
  UdpHandler* handler_ = nullptr;
  std::map<UdpId, UdpOptions> sockets_;
};

SimUdp::~SimUdp() = default;

void SimUdp::SetAddresses(const std::string& host, std::vector<InterfaceAddress> addresses) {
  hosts_[host].addresses = std::move(addresses);
}

std::unique_ptr<Udp> SimUdp::Start(absl::string_view host) {
  return std::make_unique<Process>(this, std::string(host));
}

SimUdp::Way SimUdp::Unordered(absl::string_view a, absl::string_view b) {
  return Way(std::min(a, b), std::max(a, b));
}

void SimUdp::SetDelay(absl::string_view a, absl::string_view b, absl::Duration delay) {
  delays_[Unordered(a, b)] = delay;
}

void SimUdp::SetLoss(absl::string_view a, absl::string_view b, double part) {
  losses_[Unordered(a, b)] = part;
}

void SimUdp::CutOneWay(absl::string_view from, absl::string_view to) { cuts_.emplace(from, to); }

void SimUdp::Cut(absl::string_view a, absl::string_view b) {
  CutOneWay(a, b);
  CutOneWay(b, a);
}

void SimUdp::Heal(absl::string_view a, absl::string_view b) {
  cuts_.erase(Way(a, b));
  cuts_.erase(Way(b, a));
}

void SimUdp::Inject(absl::string_view host, const Datagram& datagram, uint16_t port) {
  Deliver(std::string(host), datagram, port);
}

void SimUdp::Carry(const std::string& from, Datagram datagram, const IpAddress& remote,
                   uint16_t port) {
  const std::string* to = nullptr;
  for (const auto& [name, host] : hosts_) {
    for (const InterfaceAddress& address : host.addresses) {
      if (address.address != remote || name == from) continue;
      to = &name;
      datagram.interface = address.interface;
      datagram.local = remote;
    }
  }
  if (to == nullptr) return;
  if (tap_) tap_(from, *to, datagram);
  const auto loss = losses_.find(Unordered(from, *to));
  if (loss != losses_.end() && random_.Uniform() < loss->second) return;
  const auto delay = delays_.find(Unordered(from, *to));
  const std::string data(datagram.data.begin(), datagram.data.end());
  scheduler_->After(delay == delays_.end() ? kDelay : delay->second,
                    [this, way = Way(from, *to), datagram, data, port]() mutable {
                      datagram.data = {reinterpret_cast<const uint8_t*>(data.data()), data.size()};
                      if (!cuts_.contains(way) && !lost_ports_.contains(port))
                        Arrive(way.second, datagram, port);
                    });
}

void SimUdp::Arrive(const std::string& to, const Datagram& datagram, uint16_t port) {
  const auto queue = queues_.find(to);
  if (queue == queues_.end()) return Deliver(to, datagram, port);
  size_t& waiting = waiting_[{to, port}];
  if (waiting >= queue->second) return;
  ++waiting;
  const std::string data(datagram.data.begin(), datagram.data.end());
  scheduler_->After(kRead, [this, to, datagram = datagram, data, port]() mutable {
    --waiting_[{to, port}];
    datagram.data = {reinterpret_cast<const uint8_t*>(data.data()), data.size()};
    Deliver(to, datagram, port);
  });
}

void SimUdp::Deliver(const std::string& to, const Datagram& datagram, uint16_t port) {
  const std::vector<Process*> processes = HostNamed(to).processes;
  for (Process* process : processes) process->Receive(datagram, port);
}

}  // namespace openelb::io
