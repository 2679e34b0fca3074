#include "speaker/io/sim_segment.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace openelb::io {

// What a process sees of its station. The handler is only ever called from the scheduler.
class SimSegment::Process final : public PacketIo {
 public:
  Process(SimSegment* segment, std::string station)
      : segment_(segment), station_(std::move(station)) {
    segment_->StationNamed(station_).processes.push_back(this);
  }
  ~Process() override { std::erase(segment_->StationNamed(station_).processes, this); }

  void SetHandler(PacketHandler* handler) override { handler_ = handler; }
  std::vector<Interface> Interfaces() override {
    return {segment_->StationNamed(station_).interface};
  }
  absl::Status Open(int interface) override {
    if (interface != kInterface) return NoInterface(interface);
    open_ = true;
    return absl::OkStatus();
  }
  void Close(int interface) override {
    if (interface != kInterface) return;
    open_ = false;
    groups_.clear();
  }
  absl::Status Send(int interface, std::span<const uint8_t> frame) override {
    if (interface != kInterface || !open_) return NoInterface(interface);
    const Interface& own = segment_->StationNamed(station_).interface;
    if (!own.up) return absl::UnavailableError(absl::StrCat("send on ", own.name, ": is down"));
    if (!segment_->HasRoom(&segment_->StationNamed(station_))) {
      return absl::ResourceExhaustedError(absl::StrCat("send on ", own.name, ": no room"));
    }
    if (own.carrier) segment_->Carry(station_, Bytes(frame.begin(), frame.end()));
    return absl::OkStatus();
  }
  absl::Status JoinGroup(int interface, const IpAddress& group) override {
    if (interface != kInterface || !open_) return NoInterface(interface);
    groups_.insert(MacAddress::OfGroup(group));
    return absl::OkStatus();
  }
  void LeaveGroup(int, const IpAddress& group) override {
    groups_.erase(MacAddress::OfGroup(group));
  }

  bool Hears(const MacAddress& group) const { return groups_.contains(group); }
  void OnFrame(const Bytes& frame) {
    if (open_ && handler_ != nullptr) handler_->OnFrame(kInterface, frame);
  }
  void OnInterfacesChanged() {
    if (handler_ != nullptr) handler_->OnInterfacesChanged();
  }

 private:
  static absl::Status NoInterface(int interface) {
    return absl::NotFoundError(absl::StrCat("interface ", interface, " is not there or not open"));
  }

  SimSegment* segment_;
  std::string station_;
  PacketHandler* handler_ = nullptr;
  bool open_ = false;
  std::set<MacAddress> groups_;
};

SimSegment::~SimSegment() = default;

bool SimSegment::HasRoom(Station* station) {
  if (!station->room) return true;
  if (scheduler_->Monotonic() - station->since >= absl::Milliseconds(1)) {
    station->since = scheduler_->Monotonic();
    station->sent = 0;
  }
  if (station->sent == *station->room) return false;
  ++station->sent;
  return true;
}

void SimSegment::AddStation(const std::string& name, const MacAddress& mac,
                            std::vector<InterfaceAddress> addresses) {
  stations_[name].interface = {.index = kInterface,
                               .name = "eth0",
                               .mac = mac,
                               .mtu = 1500,
                               .up = true,
                               .carrier = true,
                               .addresses = std::move(addresses)};
}

std::unique_ptr<PacketIo> SimSegment::Start(absl::string_view station) {
  return std::make_unique<Process>(this, std::string(station));
}

void SimSegment::SetInterface(absl::string_view station,
                              const std::function<void(Interface*)>& change) {
  change(&StationNamed(station).interface);
  scheduler_->After({}, [this, name = std::string(station)] {
    const std::vector<Process*> processes = StationNamed(name).processes;
    for (Process* process : processes) process->OnInterfacesChanged();
  });
}

SimSegment::Pair SimSegment::MakePair(absl::string_view a, absl::string_view b) {
  return Pair(std::min(a, b), std::max(a, b));
}

void SimSegment::Cut(absl::string_view a, absl::string_view b) { cuts_.insert(MakePair(a, b)); }

void SimSegment::Heal(absl::string_view a, absl::string_view b) { cuts_.erase(MakePair(a, b)); }

void SimSegment::Carry(const std::string& from, const Bytes& frame) {
  if (tap_) tap_(from, frame);
  for (const auto& [name, station] : stations_) {
    if (name == from) continue;
    scheduler_->After(delay_, [this, from, to = name, frame] { Deliver(from, to, frame); });
  }
}

void SimSegment::Deliver(const std::string& from, const std::string& to, const Bytes& frame) {
  Station& station = StationNamed(to);
  if (cuts_.contains(MakePair(from, to)) || !station.interface.up || !station.interface.carrier ||
      frame.size() < MacAddress::kSize) {
    return;
  }
  const MacAddress destination = *MacAddress::FromBytes(std::span(frame).first(MacAddress::kSize));
  const bool everyone =
      destination == MacAddress::Broadcast() || destination == MacAddress({0x33, 0x33, 0, 0, 0, 1});
  if (!destination.IsMulticast() && destination != station.interface.mac) return;
  const std::vector<Process*> processes = station.processes;
  for (Process* process : processes) {
    if (everyone || !destination.IsMulticast() || process->Hears(destination)) {
      process->OnFrame(frame);
    }
  }
}

}  // namespace openelb::io
