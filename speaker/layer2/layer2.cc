#include "speaker/layer2/layer2.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace openelb::layer2 {
namespace {

// Joining or leaving a group is a packet on the wire, and takes the kernel the longer the more
// there are: 0.1 ms with thousands. So many at once, and a pause.
constexpr int kGroupsAtOnce = 20;
constexpr absl::Duration kGroupsPause = absl::Milliseconds(5);

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
    it = ports_
             .emplace(interface,
                      Port{.responder = Responder(timing_, random_, &counters_, answering_)})
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
      port->groups.clear();
      for (const IpAddress& group : port->responder.Groups()) port->groups[group] = true;
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

void Layer2::Remind(const std::string& interface, const IpAddress& address, absl::Duration after) {
  auto it = ports_.find(interface);
  if (it != ports_.end()) it->second.responder.Remind(address, clock_->Monotonic() + after);
}

void Layer2::Stop(const std::string& interface, const IpAddress& address) {
  auto it = ports_.find(interface);
  if (it != ports_.end()) it->second.responder.Stop(address);
}

bool Layer2::Owns(const std::string& interface, const IpAddress& address) const {
  auto it = ports_.find(interface);
  return it != ports_.end() && it->second.responder.Owns(address);
}

std::map<IpAddress, AddressCounts> Layer2::CountsByAddress() const {
  std::map<IpAddress, AddressCounts> counts;
  for (const auto& [name, port] : ports_) port.responder.AddCounts(&counts);
  return counts;
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
    if (port.index != 0 && !port.groups.empty()) next = std::min(next, port.groups_at);
  }
  return next;
}

void Layer2::Flush(const std::string& name, Port* port) {
  const ResponderOutput output = port->responder.TakeOutput();
  // Neighbours that know an address have to be told at once; those that ask for it ask again.
  for (size_t i = 0; i < output.frames.size(); ++i) {
    if (!SendOrWait(*port, output.frames[i])) continue;
    port->responder.TakeBack(std::span(output.frames).subspan(i), clock_->Monotonic());
    break;
  }
  for (const GroupChange& change : output.groups) ChangeGroup(port, change);
  ChangeSomeGroups(port);
  for (const ProbeResult& result : output.probed) observer_->OnProbed(name, result);
  for (const Conflict& conflict : output.conflicts) observer_->OnConflict(name, conflict);
}

bool Layer2::SendOrWait(const Port& port, const Bytes& frame) {
  absl::Status status = io_->Send(port.index, frame);
  if (status.ok()) return false;
  ++send_errors_;
  last_error_ = std::move(status);
  return absl::IsResourceExhausted(last_error_);
}

void Layer2::ChangeGroup(Port* port, const GroupChange& change) {
  const auto [it, is_new] = port->groups.try_emplace(change.group, change.join);
  if (!is_new && it->second != change.join) port->groups.erase(it);
}

void Layer2::ChangeSomeGroups(Port* port) {
  if (port->index == 0 || port->groups.empty() || clock_->Monotonic() < port->groups_at) return;
  for (int i = 0; i < kGroupsAtOnce && !port->groups.empty(); ++i) {
    const auto change = port->groups.extract(port->groups.begin());
    if (change.mapped()) {
      Join(*port, change.key());
    } else {
      io_->LeaveGroup(port->index, change.key());
    }
  }
  if (!port->groups.empty()) port->groups_at = clock_->Monotonic() + kGroupsPause;
}

void Layer2::Join(const Port& port, const IpAddress& group) {
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
    for (const Bytes& answer : port.responder.TakeFrames()) SendOrWait(port, answer);
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
