#pragma once
// The addresses that nodes answer for themselves: to which pools and Services they belong, and
// which of them a change touches.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "api/base/ip.h"
#include "api/network/v1alpha2/eip.h"

namespace openelb::plan {

// On which interface of a node a pool's addresses are answered for.
struct PoolInterface {
  std::string name{};     // spec.interface; empty: none is given
  bool off_link = false;  // whether or not a network there contains them
  bool operator==(const PoolInterface&) const = default;
};

class LocalAddresses {
 public:
  void Upsert(const network::Eip& eip);
  void RemoveEip(const std::string& name);
  // The addresses that Service "namespace/name" has from pool `pool`; none: it has none.
  void SetAddresses(const std::string& service, const std::string& pool,
                    std::vector<IpAddress> addresses);

  // Such an address is to be decided anew, or every one that is held.
  void Touch(const IpAddress& address) { touched_.insert(address); }
  void TouchAll() { all_touched_ = true; }
  // Those touched, here or by a change of these Services, also those that nobody holds any more;
  // asking clears them.
  std::set<IpAddress> TakeTouched(const std::set<std::string>& services);

  bool IsHeld(const IpAddress& address) const { return services_of_.contains(address); }
  // "namespace/name", sorted.
  std::vector<std::string> ServicesOf(const IpAddress& address) const;
  // Of an address that is held; where pools differ that of its first Service.
  const std::string& PoolOf(const IpAddress& address) const;
  // Empty: no such pool.
  const PoolInterface& InterfaceOf(const std::string& pool) const;

 private:
  struct Holding {
    std::string pool;
    std::vector<IpAddress> addresses;
  };

  std::map<std::string, PoolInterface> interfaces_;  // by pool
  std::map<std::string, Holding> held_;              // by Service
  std::map<IpAddress, std::set<std::string>> services_of_;
  std::set<IpAddress> touched_;
  bool all_touched_ = false;
};

}  // namespace openelb::plan
