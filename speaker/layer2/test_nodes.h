#pragma once
// Speakers' owners on one simulated segment, with BFD, claims and a plain host; time is virtual.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/base/scheduler.h"
#include "speaker/bfd/watch.h"
#include "speaker/io/sim_segment.h"
#include "speaker/io/sim_udp.h"
#include "speaker/layer2/owner.h"
#include "speaker/layer2/sim_neighbor.h"
#include "speaker/layer2/test_frames.h"

namespace openelb::layer2 {

class TestNodes {
 public:
  static constexpr int kNodes = 3;

  explicit TestNodes(uint64_t seed = 1) : random_(seed), udp_(&scheduler_, seed) {
    for (int i = 1; i <= kNodes; ++i) {
      const InterfaceAddress address{"eth0", AddressOf(i), 16};
      segment_.AddStation(Name(i), Mac(static_cast<uint8_t>(i)), {address});
      udp_.SetAddresses(Name(i), {address});
      Start(i);
    }
  }

  static std::string Name(int i) { return absl::StrCat("n", i); }
  static IpAddress AddressOf(int i) {
    return IpAddress::FromV4(0xc0a80000 + static_cast<uint32_t>(i));
  }

  // A new speaker on the node, with what it saved as its plan if it ran before.
  void Start(int i, OwnerOptions options = {}) {
    Process& process = processes_[i];
    options.node = Name(i);
    process.packets = segment_.Start(Name(i));
    process.bfd = udp_.Start(Name(i));
    process.claims = udp_.Start(Name(i));
    process.owner = std::make_unique<Owner>(options, Owner::Seams{.packets = process.packets.get(),
                                                                  .claims = process.claims.get(),
                                                                  .bfd = process.bfd.get(),
                                                                  .clock = &scheduler_,
                                                                  .random = &random_,
                                                                  .log = &log_});
    if (process.plan) Apply(i, *process.plan, /*confirmed=*/false);
  }
  void Kill(int i) {
    Process& process = processes_[i];
    process.owner.reset();
    process.claims.reset();
    process.bfd.reset();
    process.packets.reset();
  }
  void Cut(int a, int b) {
    segment_.Cut(Name(a), Name(b));
    udp_.Cut(Name(a), Name(b));
  }
  void Heal(int a, int b) {
    segment_.Heal(Name(a), Name(b));
    udp_.Heal(Name(a), Name(b));
  }
  void SetCarrier(int i, bool carrier) {
    segment_.SetInterface(Name(i), [&](io::Interface* interface) { interface->carrier = carrier; });
    for (int other = 1; other <= kNodes; ++other) {
      if (other == i) continue;
      carrier ? udp_.Heal(Name(i), Name(other)) : udp_.Cut(Name(i), Name(other));
    }
  }

  struct Planned {
    std::vector<int> ranks;
    uint64_t turn = 1;
  };
  using Plans = std::map<IpAddress, Planned>;
  // What a controller says to some nodes, all that run by default.
  void Plan(const Plans& plans, std::vector<int> to = {1, 2, 3}, bool confirmed = true,
            const std::string& interface = "eth0") {
    for (int i : to) {
      if (processes_[i].owner != nullptr) Apply(i, PlanOf(i, plans, interface), confirmed);
    }
    RunFor(absl::Milliseconds(10));
  }

  void RunFor(absl::Duration duration) {
    const absl::Duration end = scheduler_.Monotonic() + duration;
    while (true) {
      const absl::Duration next = std::min(scheduler_.Next(), TickAll());
      if (next > end) break;
      if (!scheduler_.Step(next)) scheduler_.RunUntil(next);
    }
    scheduler_.RunUntil(end);
    TickAll();
  }

  Owner& owner(int i) { return *processes_[i].owner; }
  // Which nodes answer for the address.
  std::vector<int> Owners(const IpAddress& address) {
    std::vector<int> owners;
    for (auto& [i, process] : processes_) {
      if (process.owner != nullptr && process.owner->owned().contains(address)) owners.push_back(i);
    }
    return owners;
  }
  // How long until exactly these nodes answer for it; infinite: not within a minute.
  absl::Duration Until(const IpAddress& address, const std::vector<int>& owners) {
    const absl::Duration start = scheduler_.Monotonic();
    while (Owners(address) != owners) {
      if (scheduler_.Monotonic() - start > absl::Minutes(1)) return absl::InfiniteDuration();
      RunFor(absl::Milliseconds(5));
    }
    return scheduler_.Monotonic() - start;
  }
  // How long until one of two nodes takes a datagram of claims; infinite: not within a minute.
  absl::Duration UntilClaimed(int a, int b) {
    const absl::Duration start = scheduler_.Monotonic();
    const auto received = [&] {
      return owner(a).claims().counters().received + owner(b).claims().counters().received;
    };
    const uint64_t before = received();
    while (received() == before) {
      if (scheduler_.Monotonic() - start > absl::Minutes(1)) return absl::InfiniteDuration();
      RunFor(absl::Milliseconds(1));
    }
    return scheduler_.Monotonic() - start;
  }
  SimNeighbor& host() { return *host_; }
  std::optional<MacAddress> WhoHas(const IpAddress& address) {
    host_->Resolve(address);
    RunFor(absl::Milliseconds(10));
    return host_->LookUp(address);
  }
  io::SimSegment& segment() { return segment_; }
  io::SimUdp& udp() { return udp_; }

 private:
  struct Process {
    std::unique_ptr<io::PacketIo> packets;
    std::unique_ptr<io::Udp> bfd;
    std::unique_ptr<io::Udp> claims;
    std::unique_ptr<Owner> owner;
    std::optional<link::PlanState> plan;
  };

  absl::Duration TickAll() {
    absl::Duration next = absl::InfiniteDuration();
    for (auto& [i, process] : processes_) {
      if (process.owner == nullptr) continue;
      process.owner->Tick();
      next = std::min(next, process.owner->NextWakeup());
    }
    return next;
  }
  void Apply(int i, const link::PlanState& plan, bool confirmed) {
    Process& process = processes_[i];
    link::PlanChanges changes;
    changes.bfd = true;
    if (process.plan) {
      for (const auto& [address, held] : process.plan->layer2) changes.layer2.insert(address);
    }
    for (const auto& [address, held] : plan.layer2) changes.layer2.insert(address);
    process.plan = plan;
    process.owner->Apply(plan, changes, confirmed);
    if (confirmed) process.owner->Confirm();
  }
  static link::PlanState PlanOf(int self, const Plans& plans, const std::string& interface) {
    link::PlanState plan;
    for (const auto& [address, planned] : plans) {
      if (std::find(planned.ranks.begin(), planned.ranks.end(), self) == planned.ranks.end()) {
        continue;
      }
      link::Layer2Address& layer2 = plan.layer2[address];
      layer2.interface = interface;
      layer2.turn = planned.turn;
      for (int i : planned.ranks) {
        layer2.ranks.push_back({.node = Name(i), .bfd_peer = {}});
        if (i == self) continue;
        layer2.ranks.back().bfd_peer = AddressOf(i);
        plan.bfd[{interface, AddressOf(i)}] = {
            .local = AddressOf(self),
            .node = Name(i),
            .desired_min_tx = absl::Milliseconds(100),
            .required_min_rx = absl::Milliseconds(100),
            .detect_mult = 3,
            .secret = absl::StrCat("secret ", std::min(i, self), std::max(i, self))};
      }
    }
    return plan;
  }

  Scheduler scheduler_;
  SeededRandom random_;
  NullLogSink sink_;
  Logger log_{&sink_, &scheduler_};
  io::SimSegment segment_{&scheduler_};
  io::SimUdp udp_;
  std::map<int, Process> processes_;
  std::unique_ptr<SimNeighbor> host_ = std::make_unique<SimNeighbor>(
      &segment_, &scheduler_, "host", Mac(9), Ip("192.168.0.9"), Ip("2001:db8::9"));
};

}  // namespace openelb::layer2
