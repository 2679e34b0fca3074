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

  // Nobody holds `address` any more, and only `service` may have it before EndRest.
  void Rest(const IpAddress& address, const std::string& service);
  void EndRest(const IpAddress& address);
  // For whom `address` rests; null pointer: it does not.
  const std::string* RestsFor(const IpAddress& address) const;
  // The lowest address that rests for `service`.
  std::optional<IpAddress> RestingFor(absl::string_view service) const;

  // Whether `service` may take `address` as its only holder.
  bool IsFree(const IpAddress& address, absl::string_view service) const;
  // The lowest address of `range` that nobody holds and that does not rest.
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
  std::map<IpAddress, std::string> resting_;
  AddressSet used_;  // the keys of entries_ and resting_
};

}  // namespace openelb::ipam
