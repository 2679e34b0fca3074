#pragma once
// Puts addresses on interfaces and takes them off, through rtnetlink, with the mark by which
// AddressMonitor knows them (see there).

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/base/ip.h"
#include "speaker/io/socket.h"

namespace openelb::io {

class AddressWriter {
 public:
  static absl::StatusOr<AddressWriter> Create();

  // Adds the address for itself alone (/32 or /128), without duplicate detection; an IPv6 one as
  // deprecated, so that the node does not speak from it (an IPv4 one is last in the kernel's list
  // of choices as it is). AlreadyExists: somebody else has put it there. Errors name interface and
  // address. `name` is the interface's.
  absl::Status Add(int interface, const std::string& name, const IpAddress& address);
  // OK when it is not there.
  absl::Status Remove(int interface, const std::string& name, const IpAddress& address);

 private:
  explicit AddressWriter(UniqueFd fd) : fd_(std::move(fd)) {}
  // Sends one request and reads its answer: 0 or an errno.
  int Request(std::span<const uint8_t> request);

  UniqueFd fd_;
  uint32_t sequence_ = 0;
};

}  // namespace openelb::io
