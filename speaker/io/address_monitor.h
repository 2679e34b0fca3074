#pragma once
// The node's interface addresses, kept current through rtnetlink.
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
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/base/ip.h"
#include "speaker/io/socket.h"

namespace openelb::io {

// The tables of one reading.
struct LinkTable {
  // By index; those that are up, without the loopback.
  std::map<int, std::string> links;
  // By link index: address and prefix length. Usable ones of more than link-local scope.
  std::map<int, std::set<std::pair<IpAddress, int>>> addresses;

  // Sorted. Addresses of links that are not in the table are left out.
  std::vector<InterfaceAddress> Addresses() const;
};

// Adds the links and addresses of one datagram of a dump to `table`. False: more datagrams follow;
// true: the dump is complete. Aborted when the kernel says that its table changed meanwhile.
absl::StatusOr<bool> ParseDump(std::span<const uint8_t> datagram, LinkTable* table);

class AddressMonitor {
 public:
  // Subscribes and reads the tables once.
  static absl::StatusOr<std::unique_ptr<AddressMonitor>> Create();

  int fd() const { return fd_.get(); }
  // To be called when fd() is readable. Whether addresses() changed; after an error it is what it
  // was, and the caller tries again.
  absl::StatusOr<bool> Refresh();
  const std::vector<InterfaceAddress>& addresses() const { return addresses_; }

 private:
  explicit AddressMonitor(UniqueFd notifications) : fd_(std::move(notifications)) {}

  UniqueFd fd_;
  std::vector<InterfaceAddress> addresses_;
};

}  // namespace openelb::io
