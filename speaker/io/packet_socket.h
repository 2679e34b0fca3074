#pragma once
// Packet sockets for one EtherType on one interface, with a filter in the kernel, and memberships
// of multicast groups. Every error names the interface and the system's reason.

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/base/ip.h"
#include "speaker/io/interface.h"
#include "speaker/io/socket.h"

namespace openelb::io {

// A non-blocking socket that hears ARP frames. Those for other stations (that a promiscuous
// interface passes on), of VLANs and sent by this node are left out.
absl::StatusOr<UniqueFd> OpenArpSocket(const Interface& interface);
// The same for neighbour solicitations and advertisements that follow the IPv6 header at once.
absl::StatusOr<UniqueFd> OpenNdpSocket(const Interface& interface);

// The IPv6 groups that one interface hears. The kernel tells switches of them (MLD) and the
// interface's filter, and forgets them with this object.
class GroupMemberships {
 public:
  explicit GroupMemberships(Interface interface) : interface_(std::move(interface)) {}

  // A socket holds as many memberships as its option memory has room for (hundreds to thousands),
  // so there are as many sockets as it takes. What cannot be joined is heard by hearing all groups;
  // an error says that even this failed.
  absl::Status Join(const IpAddress& group);
  void Leave(const IpAddress& group);
  bool hears_all() const { return all_.valid(); }

 private:
  absl::Status JoinOn(int fd, const IpAddress& group);
  absl::Status HearAll();

  Interface interface_;
  std::vector<UniqueFd> sockets_;
  std::map<IpAddress, size_t> joined_;  // where, as an index of sockets_
  std::set<IpAddress> not_joined_;      // heard only because all are
  UniqueFd all_;
};

}  // namespace openelb::io
