#pragma once
// VIP mode of a speaker: the virtual routers that the plan gives this node, and the frames by which
// neighbours learn where their addresses are.
//
// Life of an address: the plan names it in a virtual router, which starts as Backup. When that
// becomes Active (vrrp::Router says when), the address is put on the NIC, where the kernel answers
// for it, ping included, and is announced as a Layer 2 address is: a burst, repeats, and a watch
// for other stations that claim it. When the router stops being Active the address goes from the
// NIC first, and its announcements end.
//
// VRRP asks the segment before it takes anything. So a saved plan is good enough to start with,
// however old it is, and neither controller nor stream has a part in who is Active.

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "speaker/io/packet_io.h"
#include "speaker/io/vrrp_io.h"
#include "speaker/layer2/address_problem.h"
#include "speaker/layer2/layer2.h"
#include "speaker/link/plan_state.h"
#include "speaker/vrrp/instance.h"

namespace openelb::vip {

// Owner thread only.
class Vip final : private vrrp::Observer, private layer2::Layer2Observer {
 public:
  // Virtual routers of others are listened for on so many interfaces, those with the least index.
  static constexpr size_t kMaxListen = 16;

  // Removes addresses that an earlier process left on NICs. All outlive it; `packets` has no other
  // user.
  Vip(io::VrrpIo* io, io::PacketIo* packets, const Clock* clock, Random* random, Logger* log);
  ~Vip() override;

  // Runs the routers of `plan`, and listens for those of others even if it has none. A router that
  // is in both plans stays what it is.
  void Apply(const link::PlanState& plan);
  // Who is Active says that it stops, and no address of ours stays on a NIC, when this returns.
  void Stop();

  // To be called at NextWakeup, and after any call above or round of the event loop.
  void Tick();
  absl::Duration NextWakeup() const;

  // Whether any of the following has changed since this was last asked.
  bool TakeChanged() { return std::exchange(changed_, false); }
  // What keeps addresses from being held here, or who else answers.
  const layer2::AddressProblems& problems() const { return problems_; }
  // Virtual routers of others: "INTERFACE FAMILY VRID".
  const std::set<std::string>& heard() const { return heard_; }
  // Interfaces with addresses over which no frames pass.
  const std::set<std::string>& no_carrier() const { return no_carrier_; }

  const vrrp::Instance& routers() const { return instance_; }
  const layer2::Layer2& wire() const { return wire_; }
  // Addresses of Services that are on NICs now.
  size_t held() const;

 private:
  // Where an address is held; the index tells an interface from one of the same name before it.
  using Place = std::pair<int, IpAddress>;
  struct Announced {
    std::string interface;
    std::string error;                                     // why it cannot be announced
    std::string conflict;                                  // who else claims it
    absl::Duration defend_at = -absl::InfiniteDuration();  // not before
  };

  void OnRouterChanged(const vrrp::RouterKey& router) override;
  void OnHeardChanged() override;
  void OnSourcesChanged() override { changed_ = true; }
  void Announce(int interface, const std::vector<IpAddress>& addresses) override;
  void Release(int interface, const std::vector<IpAddress>& addresses) override;

  void OnProbed(const std::string&, const layer2::ProbeResult&) override {}
  void OnConflict(const std::string& interface, const layer2::Conflict& conflict) override;
  void OnInterfacesChanged() override;

  void Configure();
  std::set<std::string> ListenOn();
  void FindNoCarrier();
  void AnnounceAt(const Place& place, Announced* announced);
  void FindProblems();

  const Clock* const clock_;
  Logger* const log_;
  layer2::Layer2 wire_;
  std::vector<vrrp::RouterConfig> configs_;
  std::map<Place, Announced> announced_;
  absl::Duration retry_at_ = absl::InfiniteDuration();  // of announcements that failed
  layer2::AddressProblems problems_;
  bool problems_due_ = false;
  bool changed_ = false;
  std::set<std::string> heard_;
  std::set<std::string> no_carrier_;
  vrrp::Instance instance_;  // last: it uses the rest from its first moment
};

}  // namespace openelb::vip
