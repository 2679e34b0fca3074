#pragma once
// Plain counters of Layer 2, of all interfaces since the start. The shell around it exports them as
// metrics.

#include <array>
#include <cstdint>

#include "speaker/arp/packet.h"
#include "speaker/ndp/packet.h"

namespace openelb::layer2 {

struct Counters {
  // Frames dropped, by PacketError.
  std::array<uint64_t, arp::kPacketErrors> arp_errors{};
  std::array<uint64_t, ndp::kPacketErrors> ndp_errors{};
  // Questions for owned addresses that were answered; probes of other stations count as well.
  uint64_t arp_answers = 0;
  uint64_t ndp_answers = 0;
  // Frames sent unasked: gratuitous ARP and unsolicited advertisements.
  uint64_t announcements = 0;
  // Frames sent to find out whether another station has an address.
  uint64_t probes = 0;
  // Frames by which another station claimed an owned address.
  uint64_t conflicts = 0;
};

// What was done for one owned address since it was taken.
struct AddressCounts {
  uint64_t answers = 0;        // to questions
  uint64_t announcements = 0;  // frames
  bool operator==(const AddressCounts&) const = default;
};

}  // namespace openelb::layer2
