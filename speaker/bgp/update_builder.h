#pragma once
// UPDATE messages as we send them: many prefixes that share one path in each, up to the longest
// message (RFC 4271 4.3 and 9.2; MP_REACH_NLRI and MP_UNREACH_NLRI RFC 4760; path ids in NLRI RFC
// 7911 3). IPv4 unicast travels in the classic fields, IPv6 unicast, and IPv4 unicast with IPv6
// next hops (RFC 8950), in the MP attributes, which come first (RFC 7606 5.1). Withdrawals name no
// next hop: those of IPv4 are always classic.

#include <cstdint>
#include <optional>

#include "api/base/ip.h"
#include "api/base/wire.h"

namespace openelb::bgp {

// One way to reach prefixes of a family, as a session announces it: next hop and encoded
// attributes.
struct Path {
  Family family = Family::kV4;  // of the prefixes
  uint32_t id = 0;              // RFC 7911 path identifier; not zero
  IpAddress next_hop;
  Bytes attributes;  // EncodeAttributes, with NEXT_HOP when the routes are classic

  // Neither prefixes nor next hop need MP_REACH_NLRI.
  bool classic() const { return family == Family::kV4 && next_hop.is_v4(); }
};

// Appends one prefix; `path_id` where ADD-PATH is negotiated.
void AppendNlri(const IpPrefix& prefix, const std::optional<uint32_t>& path_id, Bytes* nlri);
// The most octets AppendNlri adds.
size_t LongestNlri(Family family, bool add_path);

// How many octets of NLRI one UPDATE takes; 0 when the attributes alone are too long.
size_t AnnounceRoom(const Path& path, size_t max_message);
size_t WithdrawRoom(Family family, size_t max_message);

// Appends one whole UPDATE. `nlri` fits the room.
void AppendAnnounce(const Path& path, std::span<const uint8_t> nlri, Bytes* out);
void AppendWithdraw(Family family, std::span<const uint8_t> nlri, Bytes* out);

}  // namespace openelb::bgp
