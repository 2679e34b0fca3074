#pragma once
// What a node does on its LANs, behind a seam: Layer 2 addresses (with the BFD sessions and claims
// by which nodes take over from each other) and the virtual routers of VIP mode. In the program it
// has a thread of its own (lan_thread.h), so that nothing that keeps the owner thread busy (a large
// plan, a slow disk) costs a session, a virtual router or the answer to an ARP request. Simulations
// have it on the one thread that they run on (local_lan.h).

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "api/base/ip.h"
#include "speaker/layer2/address_problem.h"
#include "speaker/link/plan_state.h"
#include "speaker/vrrp/instance.h"

namespace openelb::lan {

class LocalLan;

// What the controller is told.
struct LanState {
  std::map<IpAddress, absl::Time> owned;  // Layer 2 addresses that are answered for, since when
  std::set<IpAddress> taken_over;         // of these, as a standby for a while now
  std::set<std::string> no_carrier;       // interfaces with addresses over which no frames pass
  std::vector<vrrp::RouterView> routers;
  std::set<std::string> heard;  // virtual routers of others: "INTERFACE FAMILY VRID"
  std::set<std::pair<std::string, IpAddress>> vrrp_sources;  // by interface
  layer2::AddressProblems problems;                          // of addresses of both modes
};

class Observer {
 public:
  virtual ~Observer() = default;
  // `now` is what state() returns.
  virtual void OnLanChanged(const LanState& before, const LanState& now) = 0;
};

// Owner thread only; the observer is called there as well, within Tick or the event loop.
class Lan {
 public:
  virtual ~Lan() = default;
  // Null: nobody. Whom to tell is to be said before anything below.
  virtual void SetObserver(Observer* observer) = 0;
  // Which modes it has. What is applied of another has no effect.
  virtual bool layer2() const = 0;
  virtual bool vip() const = 0;

  // As layer2::Owner::Apply and Confirm.
  virtual void ApplyLayer2(const link::PlanState& plan, const link::PlanChanges& changes,
                           bool confirmed) = 0;
  virtual void Confirm() = 0;
  // Runs the routers of `plan`, and listens for those of others even if it has none.
  virtual void ApplyVip(const link::PlanState& plan) = 0;
  // Hands everything over. The packets that say so have left when it returns, and no address is on
  // an interface any more. Layer 2 addresses that no standby has taken yet are answered for as long
  // as Tick is called.
  virtual void Stop() = 0;

  // Does what is due at NextWakeup, and after any call above or round of the event loop.
  virtual void Tick() = 0;
  // In the clock's monotonic time; infinite: not before something happens.
  virtual absl::Duration NextWakeup() const = 0;

  // As it was when the observer was told last.
  virtual const LanState& state() const = 0;
  // Has `read` look at everything, where it lives. False: it has not within a second, and may do so
  // later.
  virtual bool Read(std::function<void(const LocalLan&)> read) const = 0;
};

}  // namespace openelb::lan
