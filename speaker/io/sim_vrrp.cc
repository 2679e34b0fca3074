#include "speaker/io/sim_vrrp.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace openelb::io {

class SimVrrpSegment::Process final : public VrrpIo {
 public:
  Process(SimVrrpSegment* segment, std::string host) : segment_(segment), host_(std::move(host)) {}
  ~Process() override {
    host().process = nullptr;
    host().waiting.clear();
  }

  void SetHandler(VrrpHandler* handler) override { handler_ = handler; }
  std::vector<Interface> Interfaces() override { return {host().interface}; }
  absl::Status Open(int interface, Family family) override {
    if (interface != kIndex) return absl::NotFoundError(absl::StrCat("interface ", interface));
    open_.insert(family);
    return absl::OkStatus();
  }
  void Close(int /*interface*/, Family family) override { open_.erase(family); }
  absl::Status Send(int /*interface*/, const IpAddress& source, const IpAddress& destination,
                    std::span<const uint8_t> payload) override {
    if (!open_.contains(source.family())) return absl::FailedPreconditionError("not open");
    segment_->Send(host_, source, destination, payload);
    return absl::OkStatus();
  }
  void Deliver() override {
    for (const auto& packet : std::exchange(host().waiting, {})) packet();
  }
  absl::Status Hold(const HeldAddresses& addresses) override {
    if (!host().hold_works) return absl::PermissionDeniedError("Hold does not work");
    const auto it = addresses.find(kIndex);
    host().held = it == addresses.end() ? std::set<IpAddress>() : it->second;
    return absl::OkStatus();
  }

  bool Hears(const IpAddress& source, const IpAddress& destination) {
    if (!open_.contains(source.family())) return false;
    if (destination.IsMulticast()) return true;
    const std::vector<InterfaceAddress>& ours = host().interface.addresses;
    return std::any_of(ours.begin(), ours.end(),
                       [&](const InterfaceAddress& a) { return a.address == destination; });
  }
  VrrpHandler* handler() { return handler_; }

 private:
  Host& host() { return segment_->HostNamed(host_); }

  SimVrrpSegment* segment_;
  std::string host_;
  VrrpHandler* handler_ = nullptr;
  std::set<Family> open_;
};

SimVrrpSegment::Host& SimVrrpSegment::HostNamed(absl::string_view name) {
  return hosts_.at(std::string(name));
}

void SimVrrpSegment::AddHost(const std::string& name, std::vector<InterfaceAddress> addresses) {
  Interface& interface = hosts_[name].interface;
  interface.index = kIndex;
  interface.name = kName;
  interface.mtu = 1500;
  interface.up = interface.carrier = true;
  interface.addresses = std::move(addresses);
}

std::unique_ptr<VrrpIo> SimVrrpSegment::Start(absl::string_view host) {
  auto process = std::make_unique<Process>(this, std::string(host));
  HostNamed(host).process = process.get();
  return process;
}

void SimVrrpSegment::Cut(absl::string_view a, absl::string_view b) {
  cuts_.emplace(a, b);
  cuts_.emplace(b, a);
}

void SimVrrpSegment::Heal(absl::string_view a, absl::string_view b) {
  cuts_.erase({std::string(a), std::string(b)});
  cuts_.erase({std::string(b), std::string(a)});
}

void SimVrrpSegment::SetCarrier(absl::string_view host, bool carrier) {
  HostNamed(host).interface.carrier = carrier;
  scheduler_->After(absl::ZeroDuration(), [this, name = std::string(host)] {
    Process* process = HostNamed(name).process;
    if (process != nullptr) process->handler()->OnInterfacesChanged();
  });
}

void SimVrrpSegment::SetHoldWorks(absl::string_view host, bool works) {
  HostNamed(host).hold_works = works;
}

const std::set<IpAddress>& SimVrrpSegment::Held(absl::string_view host) const {
  return hosts_.at(std::string(host)).held;
}

std::vector<std::string> SimVrrpSegment::Holders(const IpAddress& address) const {
  std::vector<std::string> holders;
  for (const auto& [name, host] : hosts_) {
    if (host.held.contains(address)) holders.push_back(name);
  }
  return holders;
}

void SimVrrpSegment::Send(const std::string& from, const IpAddress& source,
                          const IpAddress& destination, std::span<const uint8_t> payload) {
  if (!HostNamed(from).interface.carrier) return;
  for (const auto& [to, host] : hosts_) {
    if (to == from) continue;
    scheduler_->After(delay_, [this, from, to, source, destination,
                               data = std::vector<uint8_t>(payload.begin(), payload.end())] {
      Host& receiver = HostNamed(to);
      if (cuts_.contains({from, to}) || !receiver.interface.carrier ||
          receiver.process == nullptr || !receiver.process->Hears(source, destination)) {
        return;
      }
      const auto hand_over = [handler = receiver.process->handler(), source, destination, data] {
        handler->OnVrrpPacket({kIndex, source, destination, 255, data});
      };
      if (receiver.slow) {
        receiver.waiting.emplace_back(hand_over);
      } else {
        hand_over();
      }
    });
  }
}

}  // namespace openelb::io
