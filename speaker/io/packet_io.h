#pragma once
// The seam to Ethernet: ARP and neighbour discovery frames of chosen interfaces, multicast groups,
// and the list of interfaces. The real one uses packet sockets; tests put a simulated segment
// behind it.

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "api/base/ip.h"
#include "speaker/io/interface.h"

namespace openelb::io {

// Called on the owner thread, never from within a call to PacketIo.
class PacketHandler {
 public:
  virtual ~PacketHandler() = default;
  // A whole frame that came in on an open interface, from the Ethernet header on. It is ARP or an
  // ICMPv6 neighbour solicitation or advertisement, untagged, and this node did not send it;
  // nothing else about it has been checked.
  virtual void OnFrame(int interface, std::span<const uint8_t> frame) = 0;
  // Interfaces() changed.
  virtual void OnInterfacesChanged() = 0;
};

// Interfaces are named by their index. One that went away stays open, and silent, until Close.
class PacketIo {
 public:
  virtual ~PacketIo() = default;
  // To be called before anything else.
  virtual void SetHandler(PacketHandler* handler) = 0;
  // All but the loopback, sorted by index.
  virtual std::vector<Interface> Interfaces() = 0;
  // Starts receiving. Errors name the interface.
  virtual absl::Status Open(int interface) = 0;
  // Stops receiving and leaves all groups of the interface.
  virtual void Close(int interface) = 0;
  // Sends one whole frame, ARP or IPv6, on an open interface. It may be lost like any frame; an
  // error says that it did not even leave, ResourceExhausted that it may in a moment.
  virtual absl::Status Send(int interface, std::span<const uint8_t> frame) = 0;
  // Makes the open interface hear an IPv6 multicast group, and switches know of it (MLD). Where a
  // group cannot be joined, the interface hears all groups instead; an error says that it can hear
  // neither.
  virtual absl::Status JoinGroup(int interface, const IpAddress& group) = 0;
  virtual void LeaveGroup(int interface, const IpAddress& group) = 0;
};

}  // namespace openelb::io
