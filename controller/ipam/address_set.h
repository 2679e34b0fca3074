#pragma once
// A set of addresses that finds the first one missing from a range in logarithmic time, however
// large the range: members are kept as maximal runs of consecutive addresses.

#include <map>
#include <optional>

#include "api/base/ip.h"

namespace openelb::ipam {

class AddressSet {
 public:
  // Inserting a member or erasing a stranger changes nothing.
  void Insert(const IpAddress& address);
  void Erase(const IpAddress& address);
  bool Contains(const IpAddress& address) const;
  // The lowest address of `range` that is not a member; nullopt: all of them are.
  std::optional<IpAddress> FirstMissing(const IpRange& range) const;

 private:
  using Runs = std::map<IpAddress, IpAddress>;  // first -> last; no two runs touch
  // The run that contains `address`, or end().
  Runs::const_iterator RunOf(const IpAddress& address) const;

  Runs runs_;
};

}  // namespace openelb::ipam
