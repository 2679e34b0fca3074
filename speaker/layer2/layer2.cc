#include "speaker/layer2/layer2.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace openelb::layer2 {
namespace {

const io::Interface* Find(const std::vector<io::Interface>& interfaces, const std::string& name) {
  auto it = std::find_if(interfaces.begin(), interfaces.end(),
                         [&](const io::Interface& each) { return each.name == name; });
  return it == interfaces.end() ? nullptr : &*it;
}

}  // namespace

Layer2::Layer2(io::PacketIo* io, const Clock* clock, Random* random, Layer2Observer* observer,
               Timing timing, Answering answering)
    : io_(io),
      clock_(clock),
      random_(random),
      observer_(observer),
      timing_(std::move(timing)),
      answering_(answering) {
  io_->SetHandler(this);
}

Layer2::~Layer2() {
  for (const auto& [name, port] : ports_) {
    if (port.index != 0) io_->Close(port.index);
  }
}

absl::StatusOr<Layer2::Port*> Layer2::PortFor(const std::string& interface,
                                              const IpAddress& address) {
  if (address.IsUnspecified() || address.IsMulticast() || address.IsLoopback()) {
    return absl::InvalidArgumentError(
        absl::StrCat(address.ToString(), " on ", interface, ": not a unicast address"));
  }
  auto it = ports_.find(interface);
  if (it != ports_.end() && it->second.index != 0) return &it->second;
  const std::vector<io::Interface> interfaces = io_->Interfaces();
  const io::Interface* found = Find(interfaces, interface);
  if (found == nullptr) {
    return absl::NotFoundError(
        absl::StrCat(address.ToString(), " on ", interface, ": no such interface"));
  }
  if (it == ports_.end()) {
    it = ports_.emplace(interface, Port{0, Responder(timing_, random_, &counters_, answering_)})
             .first;
  }
  absl::Status status = Follow(&it->second, found);
  if (!status.ok()) return status;
  return &it->second;
}

absl::Status Layer2::Follow(Port* port, const io::Interface* interface) {
  const int index = interface == nullptr ? 0 : interface->index;
  if (index != port->index) {
    if (port->index != 0) io_->Close(port->index);
    port->index = 0;
    if (index != 0) {
      absl::Status status = io_->Open(index);
      if (!status.ok()) {
        port->responder.SetInterface({}, clock_->Monotonic());
        return status;
      }
      port->index = index;
      for (const IpAddress& group : port->responder.Groups()) Join(*port, group);
    }
  }
  port->responder.SetInterface(interface == nullptr ? io::Interface{} : *interface,
                               clock_->Monotonic());
  return absl::OkStatus();
}

absl::Status Layer2::Own(const std::string& interface, const IpAddress& address) {
  absl::StatusOr<Port*> port = PortFor(interface, address);
  if (!port.ok()) return port.status();
  (*port)->responder.Own(address, clock_->Monotonic());
  return absl::OkStatus();
}

absl::Status Layer2::Probe(const std::string& interface, const IpAddress& address) {
  absl::StatusOr<Port*> port = PortFor(interface, address);
  if (!port.ok()) return port.status();
  (*port)->responder.Probe(address, clock_->Monotonic());
  return absl::OkStatus();
}

void Layer2::Announce(const std::string& interface, const IpAddress& address) {
  auto it = ports_.find(interface);
  if (it != ports_.end()) it->second.responder.Announce(address, clock_->Monotonic());
}

void Layer2::Stop(const std::string& interface, const IpAddress& address) {
  auto it = ports_.find(interface);
  if (it != ports_.end()) it->second.responder.Stop(address);
}

bool Layer2::Owns(const std::string& interface, const IpAddress& address) const {
  auto it = ports_.find(interface);
  return it != ports_.end() && it->second.responder.Owns(address);
}

void Layer2::Tick() {
  if (std::exchange(interfaces_changed_, false)) observer_->OnInterfacesChanged();
  for (auto& [name, port] : ports_) {
    port.responder.Tick(clock_->Monotonic());
    Flush(name, &port);
  }
  std::erase_if(ports_, [this](const auto& entry) {
    const Port& port = entry.second;
    if (!port.responder.idle()) return false;
    if (port.index != 0) io_->Close(port.index);
    return true;
  });
}

absl::Duration Layer2::NextWakeup() const {
  absl::Duration next = interfaces_changed_ ? absl::ZeroDuration() : absl::InfiniteDuration();
  for (const auto& [name, port] : ports_) {
    const Responder& responder = port.responder;
    next = std::min(next, responder.has_output() ? absl::ZeroDuration() : responder.NextWakeup());
  }
  return next;
}

void Layer2::Flush(const std::string& name, Port* port) {
  const ResponderOutput output = port->responder.TakeOutput();
  for (const GroupChange& change : output.groups) {
    if (change.join) {
      Join(*port, change.group);
    } else if (port->index != 0) {
      io_->LeaveGroup(port->index, change.group);
    }
  }
  for (const Bytes& frame : output.frames) Send(*port, frame);
  for (const ProbeResult& result : output.probed) observer_->OnProbed(name, result);
  for (const Conflict& conflict : output.conflicts) observer_->OnConflict(name, conflict);
}

void Layer2::Send(const Port& port, const Bytes& frame) {
  absl::Status status = io_->Send(port.index, frame);
  if (status.ok()) return;
  ++send_errors_;
  last_error_ = std::move(status);
}

void Layer2::Join(const Port& port, const IpAddress& group) {
  if (port.index == 0) return;
  absl::Status status = io_->JoinGroup(port.index, group);
  if (status.ok()) return;
  ++group_errors_;
  last_error_ = std::move(status);
}

void Layer2::OnFrame(int interface, std::span<const uint8_t> frame) {
  for (auto& [name, port] : ports_) {
    if (port.index != interface) continue;
    port.responder.OnFrame(frame, clock_->Monotonic());
    // An answer does not wait for the rest of the round.
    for (const Bytes& answer : port.responder.TakeFrames()) Send(port, answer);
    return;
  }
}

void Layer2::OnInterfacesChanged() {
  const std::vector<io::Interface> interfaces = io_->Interfaces();
  for (auto& [name, port] : ports_) {
    absl::Status status = Follow(&port, Find(interfaces, name));
    if (!status.ok()) last_error_ = std::move(status);
  }
  interfaces_changed_ = true;
}

}  // namespace openelb::layer2
