#pragma once
// Who holds which address with which ports. One address may have several holders, but each of its
// ports (protocol and number) has one.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/base/ip.h"
#include "controller/ipam/address_set.h"
#include "controller/ipam/request.h"

namespace openelb::ipam {

class AddressTable {
 public:
  struct Clash {
    std::string service;  // who has the port
    Port port;
  };

  // The first of `ports` (sorted) that a Service other than `service` has on `address`.
  std::optional<Clash> FindClash(const IpAddress& address, const std::vector<Port>& ports,
                                 absl::string_view service) const;
  // `service` ("namespace/name") does not hold `address` yet and no port clashes.
  void Hold(const IpAddress& address, const std::string& service, const std::vector<Port>& ports);
  void Drop(const IpAddress& address, const std::string& service);

  bool IsFree(const IpAddress& address) const { return !used_.Contains(address); }
  // The lowest address of `range` that nobody holds.
  std::optional<IpAddress> FirstFree(const IpRange& range) const {
    return used_.FirstMissing(range);
  }
  // Sorted.
  std::vector<std::string> HoldersOf(const IpAddress& address) const;

 private:
  struct Entry {
    std::map<std::string, std::vector<Port>> holders;
    std::map<Port, std::string> ports;
  };
  std::map<IpAddress, Entry> entries_;
  AddressSet used_;  // the keys of entries_
};

}  // namespace openelb::ipam
