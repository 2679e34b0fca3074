#include "speaker/bgp/update_builder.h"

#include "speaker/bgp/attributes.h"
#include "speaker/bgp/message.h"

namespace openelb::bgp {
namespace {

// Header, length of withdrawn routes, length of attributes.
constexpr size_t kEmptyUpdate = kHeaderLength + 2 + 2;
// Flags, type, 2 octets of length.
constexpr size_t kExtendedAttributeHeader = 4;
// AFI, SAFI, length of next hop, next hop, reserved.
size_t MpReachFixed(const IpAddress& next_hop) { return 2 + 1 + 1 + next_hop.bytes().size() + 1; }
// AFI, SAFI.
constexpr size_t kMpUnreachFixed = 2 + 1;

size_t RoomAfter(size_t taken, size_t max_message) {
  return taken < max_message ? max_message - taken : 0;
}

void PutFamily(Family family, Bytes* out) {
  PutU16(out, AfiOf(family));
  PutU8(out, kSafiUnicast);
}

}  // namespace

void AppendNlri(const IpPrefix& prefix, const std::optional<uint32_t>& path_id, Bytes* nlri) {
  if (path_id.has_value()) PutU32(nlri, *path_id);
  PutU8(nlri, static_cast<uint8_t>(prefix.length()));
  const size_t octets = static_cast<size_t>(prefix.length() + 7) / 8;
  PutBytes(nlri, prefix.address().bytes().first(octets));
}

size_t LongestNlri(Family family, bool add_path) {
  return (add_path ? 4 : 0) + 1 + static_cast<size_t>(FamilyBits(family)) / 8;
}

size_t AnnounceRoom(const Path& path, size_t max_message) {
  size_t taken = kEmptyUpdate + path.attributes.size();
  if (!path.classic()) taken += kExtendedAttributeHeader + MpReachFixed(path.next_hop);
  return RoomAfter(taken, max_message);
}

size_t WithdrawRoom(Family family, size_t max_message) {
  return RoomAfter(
      kEmptyUpdate + (family == Family::kV6 ? kExtendedAttributeHeader + kMpUnreachFixed : 0),
      max_message);
}

void AppendAnnounce(const Path& path, std::span<const uint8_t> nlri, Bytes* out) {
  const size_t start = BeginMessage(MessageType::kUpdate, out);
  PutU16(out, 0);
  if (path.classic()) {
    PutU16(out, static_cast<uint16_t>(path.attributes.size()));
    PutBytes(out, path.attributes);
    PutBytes(out, nlri);
  } else {
    Bytes reach;
    PutFamily(path.family, &reach);
    PutU8(&reach, static_cast<uint8_t>(path.next_hop.bytes().size()));
    PutBytes(&reach, path.next_hop.bytes());
    PutU8(&reach, 0);
    PutBytes(&reach, nlri);
    Bytes attributes;
    PutAttribute(attribute::kOptional, attribute::kMpReach, reach, &attributes);
    PutBytes(&attributes, path.attributes);
    PutU16(out, static_cast<uint16_t>(attributes.size()));
    PutBytes(out, attributes);
  }
  FinishMessage(start, out);
}

void AppendWithdraw(Family family, std::span<const uint8_t> nlri, Bytes* out) {
  const size_t start = BeginMessage(MessageType::kUpdate, out);
  if (family == Family::kV4) {
    PutU16(out, static_cast<uint16_t>(nlri.size()));
    PutBytes(out, nlri);
    PutU16(out, 0);
  } else {
    Bytes unreach;
    PutFamily(family, &unreach);
    PutBytes(&unreach, nlri);
    Bytes attributes;
    PutAttribute(attribute::kOptional, attribute::kMpUnreach, unreach, &attributes);
    PutU16(out, 0);
    PutU16(out, static_cast<uint16_t>(attributes.size()));
    PutBytes(out, attributes);
  }
  FinishMessage(start, out);
}

}  // namespace openelb::bgp
