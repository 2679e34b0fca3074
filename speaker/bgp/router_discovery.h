#pragma once
// How unnumbered peers find each other: routers on a link tell their link-local addresses in router
// advertisements (RFC 4861 6). The speaker learns the router's from there, and advertises itself,
// as a router for nothing, so that the router learns its.
//
// Life of a link: it is solicited and advertised on as soon as it can be sent on; solicitations go
// on until a router answers, advertisements as long as the link is wanted, and soon after each
// solicitation of the router's.

#include <functional>
#include <map>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "speaker/io/router_io.h"
#include "speaker/ndp/router.h"

namespace openelb::bgp {

// Not thread-safe: one owner thread, which calls Tick at the time NextWakeup names or earlier. All
// pointers outlive it.
class RouterDiscovery final : public io::RouterHandler {
 public:
  // Told with each advertisement: the interface and the router's link-local address.
  using Found = std::function<void(const std::string& interface, const IpAddress& router)>;

  RouterDiscovery(io::RouterIo* io, const Clock* clock, Random* random, Logger* logger,
                  Found found);

  // The links to speak on, by the names of their interfaces.
  void Configure(const std::set<std::string>& interfaces);
  // A link that came up has routers that have not heard of us.
  void OnInterfacesChanged();
  void Tick();
  absl::Duration NextWakeup() const;

  void OnRouterPacket(const io::RouterPacket& packet) override;

 private:
  struct Link {
    int solicitations = 0;  // that are left to send
    absl::Duration solicit_at;
    absl::Duration advertise_at;
    absl::Duration advertised = -absl::InfiniteDuration();
  };

  void Start(Link* link) const;
  // False, with the next try in `due`, when it could not be sent.
  bool Send(const std::string& interface, ndp::RouterMessage type, absl::Duration* due);
  absl::Duration now() const { return clock_->Monotonic(); }

  io::RouterIo* io_;
  const Clock* clock_;
  Random* random_;
  Logger* logger_;
  const Found found_;
  std::map<std::string, Link> links_;
};

}  // namespace openelb::bgp
