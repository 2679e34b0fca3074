#pragma once
// An Ethernet segment in memory and virtual time: stations with one interface each on a switch, and
// the faults that real ones have.
//
// Life of a frame: Send gives it to the switch, which delivers it one delay later to every station
// that is neither cut off from the sender nor down and whose interface hears its destination: the
// station's own address, broadcast, all nodes, or a group that a process of the station has joined.
// Like a switch that snoops on MLD, it sends a group's frames nowhere else.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/base/scheduler.h"
#include "api/base/wire.h"
#include "speaker/io/packet_io.h"

namespace openelb::io {

class SimSegment {
 public:
  // The index of every station's interface.
  static constexpr int kInterface = 2;
  // Sees every frame as it is sent.
  using Tap = std::function<void(absl::string_view from, const Bytes& frame)>;

  explicit SimSegment(Scheduler* scheduler) : scheduler_(scheduler) {}
  // Every process must be gone before.
  ~SimSegment();

  // `name` must be new. The interface is "eth0", up.
  void AddStation(const std::string& name, const MacAddress& mac,
                  std::vector<InterfaceAddress> addresses = {});
  // A new process on a station. What it opened and joined goes with the returned object.
  std::unique_ptr<PacketIo> Start(absl::string_view station);

  // Changes the station's interface; its processes are told.
  void SetInterface(absl::string_view station, const std::function<void(Interface*)>& change);
  // Loses all frames that would arrive from one station at the other, both ways, until Heal.
  void Cut(absl::string_view a, absl::string_view b);
  void Heal(absl::string_view a, absl::string_view b);
  // So many frames of the station leave within a millisecond; Send fails for more of them.
  void SetSendRoom(absl::string_view station, int frames) { StationNamed(station).room = frames; }
  void SetDelay(absl::Duration delay) { delay_ = delay; }
  void SetTap(Tap tap) { tap_ = std::move(tap); }

 private:
  class Process;
  struct Station {
    Interface interface;
    std::vector<Process*> processes;
    std::optional<int> room;
    int sent = 0;  // in the millisecond since
    absl::Duration since;
  };
  using Pair = std::pair<std::string, std::string>;  // sorted

  static Pair MakePair(absl::string_view a, absl::string_view b);
  bool HasRoom(Station* station);
  Station& StationNamed(absl::string_view name) { return stations_.find(name)->second; }
  void Carry(const std::string& from, const Bytes& frame);
  void Deliver(const std::string& from, const std::string& to, const Bytes& frame);

  Scheduler* scheduler_;
  Tap tap_;
  absl::Duration delay_ = absl::Microseconds(50);
  std::map<std::string, Station, std::less<>> stations_;
  std::set<Pair> cuts_;
};

}  // namespace openelb::io
