#pragma once
// All virtual routers of one node, by interface, address family and VRID. All protocol lives in
// Router; this is the shell around it: it carries packets between routers and the kernel, tells
// routers of their links, and puts what they hold on the NICs.
//
// Life of a configuration: Apply compares it with what runs. A router that is new starts, one that
// is gone releases its addresses in order, one that changed goes on without leaving its state, and
// one that did not change notices nothing.

#include <algorithm>
#include <compare>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "speaker/io/vrrp_io.h"
#include "speaker/vrrp/counters.h"
#include "speaker/vrrp/router.h"

namespace openelb::vrrp {

struct RouterKey {
  std::string interface;
  Family family = Family::kV4;
  uint8_t vrid = 0;
  friend auto operator<=>(const RouterKey&, const RouterKey&) = default;
};

// One virtual router as it is now.
struct RouterView {
  RouterKey key;
  std::string name;
  RouterState state = RouterState::kInitialize;
  absl::Time since;                 // of the state
  std::optional<IpAddress> active;  // who is Active as far as is known, ourselves included
  uint8_t active_priority = 0;
  std::vector<IpAddress> addresses;  // those that are configured
  std::string problem;  // why it cannot run, such as an interface that is missing; empty: it runs
};

// A virtual router of others: its VRID is none of ours on that interface, or it is but shares no
// address with ours. Ours takes no notice of it.
struct HeardRouter {
  RouterKey key;
  IpAddress source;
  int version = 0;
  uint8_t priority = 0;
  std::vector<IpAddress> addresses;
  bool operator==(const HeardRouter&) const = default;
};

// Told at the end of the call that changed something. May read from the Instance, must not change
// it.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void OnRouterChanged(const RouterKey& router) { (void)router; }
  // Heard() changed by more than a priority.
  virtual void OnHeardChanged() {}
  // Sources() changed.
  virtual void OnSourcesChanged() {}
  // The addresses, a router's own link-local one included, are on the interface (an index) now, or
  // neighbours need to be told again: a burst of gratuitous ARP or unsolicited neighbour
  // advertisements, with its repeats.
  virtual void Announce(int interface, const std::vector<IpAddress>& addresses) = 0;
  // They are not any more: repeats end.
  virtual void Release(int interface, const std::vector<IpAddress>& addresses) = 0;
};

// Not thread-safe: one owner thread. The owner calls Tick at the time NextWakeup names or earlier.
// All pointers outlive the instance.
class Instance final : public io::VrrpHandler {
 public:
  // A router of others counts when it is still nobody's of ours so long after it was first heard:
  // ours on another node may be heard before the plan that brings it here.
  static constexpr absl::Duration kBelieveAfter = absl::Seconds(1);
  // What others have not said for so long is forgotten.
  static constexpr absl::Duration kHeardFor = absl::Minutes(5);
  // After a system call that failed, it is tried again so much later.
  static constexpr absl::Duration kRetry = absl::Seconds(1);

  // Becomes the handler of `io`, and removes addresses that an earlier process left.
  Instance(io::VrrpIo* io, const Clock* clock, Logger* logger, Observer* observer);
  ~Instance() override;

  // What runs from now on; the last call wins. `listen` names interfaces on which routers of others
  // are to be heard although none of ours is there. Each error names a router that is refused: if
  // it ran before, it goes on as it was.
  std::vector<absl::Status> Apply(const std::vector<RouterConfig>& routers,
                                  const std::set<std::string>& listen);
  // Runs the timers that are due. Where the Active has been silent too long it looks for packets
  // that wait first: that this process was slow must not cost the Active its place.
  void Tick();
  // When Tick is needed next, in the clock's monotonic time; infinite: not before something
  // happens.
  absl::Duration NextWakeup() const;
  // Releases everything in order: who is Active says so, and no address of ours stays. Apply starts
  // anew.
  void Stop();

  std::vector<RouterView> Routers() const;
  std::vector<HeardRouter> Heard() const;
  // Where packets come from, or would, by interface: at most one address of each family. Of all
  // interfaces with a subnet and those of Apply, also while they have no carrier: others may plan
  // with it.
  const std::set<std::pair<std::string, IpAddress>>& Sources() const { return sources_; }
  const Counters& counters() const { return counters_; }

  void OnVrrpPacket(const io::VrrpPacket& packet) override;
  void OnInterfacesChanged() override;

 private:
  // One family on one interface.
  using PortKey = std::pair<std::string, Family>;
  struct Port {
    int index = 0;  // 0: not open
    // Where packets come from; nothing: the link is down or has no such address.
    std::optional<IpAddress> primary;
    std::string problem;  // why routers cannot run here
  };
  struct Member {
    Member(RouterConfig config, Counters* counters) : router(std::move(config), counters) {}
    Router router;
    absl::Time since;
  };
  struct Neighbour {
    HeardRouter router;
    bool believed = false;
    absl::Duration believe_at;
    absl::Duration forget_at;
  };
  struct Announcement {
    int interface;
    std::vector<IpAddress> addresses;
  };

  void FindSources(const std::map<std::string, io::Interface>& interfaces);
  // Opens and closes ports as the configuration and the interfaces want it, and tells routers.
  void UpdatePorts();
  void SetLink(const PortKey& port, const std::optional<IpAddress>& primary);
  void OpenPort(const PortKey& key, const io::Interface& interface, Port* port);
  std::optional<IpAddress> PrimaryOf(const io::Interface& interface, Family family) const;
  // Sends and reports what a router asks for; Finish does the rest once for all.
  void Pump(const RouterKey& key, Member* member);
  void Finish();
  void Hold();
  void ForgetHeard(const RouterKey& key);
  void Hear(const RouterKey& key, const IpAddress& source, const Advertisement& message);
  void RetryLater() { retry_at_ = std::min(retry_at_, clock_->Monotonic() + kRetry); }

  io::VrrpIo* io_;
  const Clock* clock_;
  Logger* logger_;
  Observer* observer_;
  Counters counters_;
  std::map<RouterKey, Member> routers_;
  std::set<std::string> listen_;
  std::map<PortKey, Port> ports_;
  std::map<int, std::string> names_;  // of interfaces, by index
  std::set<std::pair<std::string, IpAddress>> sources_;
  std::map<RouterKey, Neighbour> heard_;
  io::HeldAddresses held_;
  std::string hold_problem_;
  absl::Duration retry_at_ = absl::InfiniteDuration();  // of ports and held addresses

  // What Finish is to do.
  bool hold_again_ = false;
  std::vector<Announcement> announcements_;
  std::set<RouterKey> changed_;
  bool heard_changed_ = false;
  bool sources_changed_ = false;
};

}  // namespace openelb::vrrp
