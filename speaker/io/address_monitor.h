#pragma once
// The node's interfaces and their addresses, kept current through rtnetlink.
//
// A notification only says that something changed: the tables of links and addresses are then read
// again, on a socket of their own. So a notification that is lost (ENOBUFS), doubled or comes
// amid a reading costs nothing but another reading.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/base/ip.h"
#include "speaker/io/interface.h"
#include "speaker/io/socket.h"
#include "speaker/io/vrrp_io.h"

namespace openelb::io {

// Mark the addresses that we put on interfaces, so that they are told from others' and a later
// process finds what an earlier one left. The kernel keeps the protocol since Linux 5.18, and the
// metric, of an address for itself alone, since 4.18 (no route that is used has it: who has an
// address has a local route to it, too). An older one keeps only the label, which IPv6 has not and
// a long interface name leaves no room for.
constexpr uint8_t kHeldProtocol = 112;
constexpr uint32_t kHeldMetric = 0x6f656c62;  // "oelb": nobody's choice by chance
constexpr char kHeldLabelSuffix[] = ":openelb";

// The tables of one reading.
struct LinkTable {
  struct Address {
    IpAddress address;
    int length = 0;
    bool link_scope = false;  // valid on the link alone, or narrower
    friend auto operator<=>(const Address&, const Address&) = default;
  };
  // By index; without addresses, and without the loopback.
  std::map<int, Interface> links;
  // Loopbacks that are up: their names by index.
  std::map<int, std::string> loopbacks;
  // By link index; usable ones, without those that carry our mark.
  std::map<int, std::set<Address>> addresses;
  // The same in the kernel's order, by which an interface's first address is its primary one.
  std::vector<std::pair<int, Address>> in_order;
  // By link index; those that carry our mark.
  HeldAddresses held;

  // Sorted by index. Addresses of links that are not in the table are left out.
  std::vector<Interface> Interfaces() const;
  // Sorted; of more than link scope, on links that are up.
  std::vector<InterfaceAddress> Addresses() const;
  // The same in the kernel's order, with those that loopbacks have besides 127.0.0.0/8 and ::1.
  std::vector<InterfaceAddress> OwnAddresses() const;
};

// Adds the links and addresses of one datagram of a dump to `table`. False: more datagrams follow;
// true: the dump is complete. Aborted when the kernel says that its table changed meanwhile.
absl::StatusOr<bool> ParseDump(std::span<const uint8_t> datagram, LinkTable* table);

class AddressMonitor {
 public:
  // Subscribes and reads the tables once.
  static absl::StatusOr<std::unique_ptr<AddressMonitor>> Create();

  int fd() const { return fd_.get(); }
  // To be called when fd() is readable. Whether anything below changed; after an error it is what
  // it was, and the caller tries again.
  absl::StatusOr<bool> Refresh();
  // All but the loopback, those that are down included.
  const std::vector<Interface>& interfaces() const { return interfaces_; }
  // Of interfaces that are up, of more than link scope.
  const std::vector<InterfaceAddress>& addresses() const { return addresses_; }
  // As LinkTable::OwnAddresses.
  const std::vector<InterfaceAddress>& own_addresses() const { return own_addresses_; }
  // Those that carry our mark; they are in none of the above.
  const HeldAddresses& held() const { return held_; }

 private:
  explicit AddressMonitor(UniqueFd notifications) : fd_(std::move(notifications)) {}
  void Take(const LinkTable& table);

  UniqueFd fd_;
  std::vector<Interface> interfaces_;
  std::vector<InterfaceAddress> addresses_;
  std::vector<InterfaceAddress> own_addresses_;
  HeldAddresses held_;
};

}  // namespace openelb::io
