#pragma once
// Who holds what, kept together: Services' records, addresses, Eips and the waiting list. Whatever
// is held or released wakes whom that concerns and is remembered for the next report, which is the
// difference between then and now.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/base/ip.h"
#include "controller/ipam/address_table.h"
#include "controller/ipam/ipam.h"
#include "controller/ipam/pool_table.h"
#include "controller/ipam/record.h"
#include "controller/ipam/waiting_list.h"

namespace openelb::ipam {

class Ledger {
 public:
  PoolTable& pools() { return pools_; }
  const PoolTable& pools() const { return pools_; }
  WaitingList& waiting() { return waiting_; }
  const AddressTable& addresses() const { return addresses_; }
  Counters& counters() { return counters_; }
  const Counters& counters() const { return counters_; }
  size_t waiting_count() const { return waiting_count_; }

  // nullptr: not ours.
  Record* Find(absl::string_view service);
  const Record* Find(absl::string_view service) const;
  // A Service that came to be ours with `address` in its status.
  Record* Add(const std::string& service, const std::optional<IpAddress>& address);
  // Releases what it holds, if anything.
  void Forget(Record* record);
  // The same for a Service that a complete list no longer has: maybe a store was restored from an
  // old copy, so its address rests until EndRest, unless the Service comes back.
  void ForgetMissing(Record* record);
  // The same for one that is known only because speakers announce `address` for it.
  void ForgetAnnounced(const std::string& service, const IpAddress& address);
  void EndRest(const IpAddress& address);
  // "namespace/name" of those that hold an address from Eip `pool`.
  std::set<std::string> HoldersOf(const std::string& pool) const;

  // `record` holds nothing, and none of its ports clashes on `address`.
  void Hold(Record* record, const Pool& pool, const IpAddress& address);
  // `because` (a clause, may be empty) goes into the event.
  void Release(Record* record, std::string because);
  // Holders whose ports changed take the new ones, unless another holder has one of them: then the
  // one that was edited yields. Two that were edited into each other's way: the younger yields.
  void ReplacePorts(const Queue& edited);
  // `record` waits and is the oldest that is ready.
  void Refuse(const std::string& obstacle);

  // What the next report looks at besides: a Service, ...
  void Touch(const Record& record);
  void ReportUnowned(const std::string& service) { unowned_.insert(service); }
  void ReportPool(const std::string& pool) { changed_pools_.insert(pool); }
  void ReportSharing(const Record& record);
  // What changed since the last report.
  Changes Report();

 private:
  // How a Service stood at the last report.
  struct Before {
    std::optional<ServiceState> state;  // nullopt: it was not ours
    std::optional<IpAddress> address;   // held, or found in its status
    bool missing = false;               // from a complete list
  };

  void RestFor(const std::string& service, const IpAddress& address);
  void AddressChanged(const std::string& pool, const IpAddress& address);
  void WakeCandidatesOf(const Pool& pool);
  void DescribeService(const std::string& key, const Before& before, Changes* changes);
  void WarnOfSharing(Changes* changes);
  void DescribePools(Changes* changes);

  PoolTable pools_;
  AddressTable addresses_;
  WaitingList waiting_;
  std::map<std::string, Record, std::less<>> services_;
  std::map<std::string, std::set<std::string>> holders_;  // Eip -> Services
  Counters counters_;
  size_t waiting_count_ = 0;  // Services with a reason to wait

  // Since the last report:
  std::map<std::string, Before> touched_;
  std::set<std::string> unowned_;  // not ours, but bear our marks
  std::set<std::string> changed_pools_;
  std::set<std::pair<std::string, IpAddress>> changed_uses_;  // Eip and address
  std::vector<IpAddress> rested_;
};

// "Service ns/name already has port 80/TCP there".
std::string Describe(const AddressTable::Clash& clash);

}  // namespace openelb::ipam
