#pragma once
// The seam to what VRRP needs of the kernel: IP packets of its protocol on chosen interfaces, and
// addresses that are put on interfaces and taken off again. The real one uses raw sockets and
// rtnetlink; tests put a simulated segment behind it.

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "api/base/ip.h"
#include "speaker/io/interface.h"

namespace openelb::io {

struct VrrpPacket {
  int interface = 0;
  IpAddress source;
  IpAddress destination;
  int ttl = 0;  // hop limit in IPv6; 0: not known
  std::span<const uint8_t> payload;
};

// Called on the owner thread, never from within a call to VrrpIo but Deliver.
class VrrpHandler {
 public:
  virtual ~VrrpHandler() = default;
  // A packet of protocol 112 to its multicast group or to this node, that this node did not send.
  virtual void OnVrrpPacket(const VrrpPacket& packet) = 0;
  // Interfaces() changed, or somebody else changed what we hold: Hold puts it right.
  virtual void OnInterfacesChanged() = 0;
};

// Interface indices and addresses.
using HeldAddresses = std::map<int, std::set<IpAddress>>;

// Interfaces are named by their index. One that went away stays open, and silent, until Close.
class VrrpIo {
 public:
  virtual ~VrrpIo() = default;
  // To be called before anything else.
  virtual void SetHandler(VrrpHandler* handler) = 0;
  // All but the loopback, sorted by index.
  virtual std::vector<Interface> Interfaces() = 0;
  // Joins the family's group and starts receiving. Errors name the interface.
  virtual absl::Status Open(int interface, Family family) = 0;
  virtual void Close(int interface, Family family) = 0;
  // Sends one packet with TTL or hop limit 255 on an open interface.
  virtual absl::Status Send(int interface, const IpAddress& source, const IpAddress& destination,
                            std::span<const uint8_t> payload) = 0;
  // Hands over the packets that have come in and wait, before it returns.
  virtual void Deliver() = 0;
  // Makes `addresses` the ones that we hold: adds those that are missing, each for itself alone
  // (/32 or /128) and as the last choice for the source of the node's own traffic, and removes
  // whatever else of ours is there, what an earlier process left included. Those on an interface
  // that went away are forgotten. Addresses of others stay. After an error, which names what
  // failed, the rest has been done; the same call tries again.
  virtual absl::Status Hold(const HeldAddresses& addresses) = 0;
};

}  // namespace openelb::io
