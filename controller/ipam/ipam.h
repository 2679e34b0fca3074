#pragma once
// Allocation of addresses to Services from Eips. Pure: objects in; allocations, pool statuses,
// events and reasons out. README.md lists the rules it follows.
//
// Life of a request: Upsert stores a Service; the next TakeChanges reads what it asks for
// (request.h), checks whether what it holds (address_table.h) still fits its Eip (pool_table.h) and
// its request, and otherwise lets it wait (waiting_list.h). Then the waiting that an event of this
// round concerns are served, oldest first.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/base/ip.h"
#include "api/kube/service.h"
#include "api/network/v1alpha2/eip.h"
#include "api/object.h"
#include "controller/problem.h"
#include "controller/status_sink.h"

namespace openelb::ipam {

struct Allocation {
  std::string pool;
  network::Protocol protocol = network::Protocol::kBgp;
  std::vector<IpAddress> addresses;  // one today
  bool operator==(const Allocation&) const = default;
};

struct ServiceState {
  std::optional<Allocation> allocation;
  std::string pending;  // why there is no address (or the requested one is not given), one
                        // sentence; empty: nothing to say
  bool operator==(const ServiceState&) const = default;
};

// What one TakeChanges brought about.
struct Changes {
  // "namespace/name" of Services whose state differs from the last time. Find gives the state to
  // publish; nullptr: the Service holds nothing and waits for nothing, so what we wrote onto it
  // (ingress, label, finalizer) has to go.
  std::set<std::string> services;
  // Eips whose status may differ. PoolStatus gives it; nullptr: the Eip is gone.
  std::set<std::string> pools;
  // By Service, those about one in the order of what happened; reasons AssignIP, ReleaseIP,
  // AssignIPFailed and SharedIPWithLocalPolicy.
  std::vector<ClusterEvent> events;
  // Addresses that now rest, because their Service was missing from a complete list: the caller
  // ends that after a while.
  std::vector<IpAddress> rested;

  bool empty() const {
    return services.empty() && pools.empty() && events.empty() && rested.empty();
  }
};

// Totals since the start of the process.
struct Counters {
  uint64_t assigned = 0;  // addresses given; those adopted from a Service's status are not counted
  uint64_t released = 0;  // addresses taken back
  uint64_t failed = 0;    // times a Service was told a new reason to wait
  uint64_t refused = 0;   // times an Eip became unusable: unreadable or overlapping address
  uint64_t visited = 0;   // Services looked at: grows with what an event concerns, not with the
                          // number of Services
};

// Owned and called by one thread. Upsert, Remove and Start only take note; TakeChanges does the
// work for all of them together, so the order of calls between two TakeChanges does not matter.
class Ipam {
 public:
  Ipam();
  ~Ipam();
  Ipam(const Ipam&) = delete;
  Ipam& operator=(const Ipam&) = delete;

  // An object as it is now. A Service's status.loadBalancer is read when the Service is first seen
  // or comes to be ours, never afterwards: from then on what we know is newer.
  void Upsert(const network::Eip& eip);
  void Upsert(const kube::Service& service);
  void Upsert(const kube::Namespace& object);
  // Kinds other than Eip, Service and Namespace, and unknown objects, are ignored. `missing`: no
  // deletion was seen, but a complete list no longer has the object.
  void Remove(const ObjectKey& key, bool missing = false);
  // Others may have `address` again.
  void EndRest(const IpAddress& address);
  // Speakers announce `address` for `service`: whatever its status says, the Service has it. Before
  // the first TakeChanges only.
  void SetAnnounced(const std::string& service, const IpAddress& address);

  // Every object that exists has been upserted. Before this, nothing is allocated and TakeChanges
  // returns nothing. The first TakeChanges after it adopts the addresses found in Services' status
  // and then serves the rest.
  void Start();

  // Applies what was noted since the last call and returns what came of it. Deterministic: depends
  // on the objects and on earlier results alone.
  Changes TakeChanges();

  // As of the last TakeChanges. `service` is "namespace/name"; nullptr: not ours, or being deleted.
  // Valid until the next TakeChanges.
  const ServiceState* Find(absl::string_view service) const;
  // As of the last TakeChanges; nullptr: no such Eip. Condition times are not set: the one who
  // writes them keeps the clock. Valid until the next TakeChanges.
  const network::EipStatus* PoolStatus(absl::string_view name) const;

  // What is wrong with Eips, as of the last TakeChanges; Changes::pools has those that it may have
  // changed for. Sorted.
  std::vector<Problem> Problems() const;

  // Services whose state has a reason to wait: no address, or not the one they ask for.
  size_t WaitingCount() const;
  const Counters& counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace openelb::ipam
