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

// The marks that an address is given. One left out is one that the kernel does not keep: so tests
// have an older kernel.
struct HeldMarks {
  bool protocol = true;
  bool metric = true;
  bool label = true;
};

class AddressWriter {
 public:
  static absl::StatusOr<AddressWriter> Create(HeldMarks marks = {});

  // Adds the address for itself alone (/32 or /128), without duplicate detection; an IPv6 one as
  // deprecated, so that the node does not speak from it (an IPv4 one is last in the kernel's list
  // of choices as it is). AlreadyExists: somebody else has put it there. Errors name interface and
  // address. `name` is the interface's.
  absl::Status Add(int interface, const std::string& name, const IpAddress& address);
  // OK when it is not there.
  absl::Status Remove(int interface, const std::string& name, const IpAddress& address);

 private:
  AddressWriter(UniqueFd fd, HeldMarks marks) : fd_(std::move(fd)), marks_(marks) {}
  // Sends one request and reads its answer: 0 or an errno.
  int Request(std::span<const uint8_t> request);

  UniqueFd fd_;
  HeldMarks marks_;
  uint32_t sequence_ = 0;
};

}  // namespace openelb::io
