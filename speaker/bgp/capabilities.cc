#include "speaker/bgp/capabilities.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace openelb::bgp {
namespace {

constexpr uint8_t kMultiprotocol = 1;
constexpr uint8_t kRefresh = 2;
constexpr uint8_t kExtendedNextHop = 5;
constexpr uint8_t kExtendedMessages = 6;
constexpr uint8_t kGracefulRestart = 64;
constexpr uint8_t kFourOctetAs = 65;
constexpr uint8_t kAddPath = 69;
constexpr uint8_t kEnhancedRefresh = 70;
constexpr uint8_t kLongLivedRestart = 71;

// Flags of graceful restart, and of a family in it.
constexpr uint16_t kRestarted = 0x8000;
constexpr uint16_t kNotification = 0x4000;
constexpr uint8_t kForwarding = 0x80;

constexpr size_t kLongestValue = 255;
constexpr size_t kEntry = 4;  // of ADD-PATH and graceful restart
constexpr size_t kNextHopEntry = 6;
constexpr size_t kLongLivedEntry = 7;

MessageError OpenError(std::string reason) {
  return {{ErrorCode::kOpen, open_error::kUnspecific}, std::move(reason)};
}

MessageError BadLength(const char* name, size_t length) {
  return OpenError(absl::StrCat("OPEN: capability ", name, " has a value of ", length, " octets"));
}

std::optional<MessageError> DecodeFlag(const char* name, const Reader& value, bool* flag) {
  if (!value.empty()) return BadLength(name, value.remaining());
  *flag = true;
  return std::nullopt;
}

std::optional<MessageError> DecodeMultiprotocol(Reader value, Capabilities* out) {
  AfiSafi family;
  uint8_t reserved;
  if (value.remaining() != 4) return BadLength("multiprotocol", value.remaining());
  value.U16(&family.afi);
  value.U8(&reserved);
  value.U8(&family.safi);
  out->multiprotocol.push_back(family);
  return std::nullopt;
}

std::optional<MessageError> DecodeFourOctetAs(Reader value, Capabilities* out) {
  uint32_t as = 0;
  if (value.remaining() != 4) return BadLength("4-octet AS", value.remaining());
  value.U32(&as);
  out->four_octet_as = as;
  return std::nullopt;
}

std::optional<MessageError> DecodeAddPath(Reader value, Capabilities* out) {
  if (value.remaining() % kEntry != 0) return BadLength("ADD-PATH", value.remaining());
  AddPathOffer offer;
  while (value.U16(&offer.family.afi) && value.U8(&offer.family.safi) && value.U8(&offer.mode)) {
    // RFC 7911 4: any other mode is to be ignored.
    if (offer.mode >= 1 && offer.mode <= 3) out->add_path.push_back(offer);
  }
  return std::nullopt;
}

std::optional<MessageError> DecodeNextHops(Reader value, Capabilities* out) {
  if (value.remaining() % kNextHopEntry != 0) {
    return BadLength("extended next hop encoding", value.remaining());
  }
  NextHopOffer offer;
  while (value.U16(&offer.afi) && value.U16(&offer.safi) && value.U16(&offer.next_hop_afi)) {
    out->next_hops.push_back(offer);
  }
  return std::nullopt;
}

std::optional<MessageError> DecodeRestart(Reader value, Capabilities* out) {
  const size_t length = value.remaining();
  uint16_t head = 0;
  if (length % kEntry != 2) return BadLength("graceful restart", length);
  value.U16(&head);
  RestartOffer offer;
  offer.restarted = (head & kRestarted) != 0;
  offer.notification = (head & kNotification) != 0;
  offer.time_s = head & RestartOffer::kLongestTime;
  RestartOffer::FamilyOffer entry;
  uint8_t flags = 0;
  while (value.U16(&entry.family.afi) && value.U8(&entry.family.safi) && value.U8(&flags)) {
    entry.forwarding = (flags & kForwarding) != 0;
    offer.families.push_back(entry);
  }
  out->restart = std::move(offer);  // RFC 4724 3: of several the last counts
  return std::nullopt;
}

std::optional<MessageError> DecodeLongLived(Reader value, Capabilities* out) {
  if (value.remaining() % kLongLivedEntry != 0) {
    return BadLength("long-lived graceful restart", value.remaining());
  }
  LongLivedOffer offer;
  uint8_t flags = 0;
  uint8_t high = 0;
  uint16_t low = 0;
  while (value.U16(&offer.family.afi) && value.U8(&offer.family.safi) && value.U8(&flags) &&
         value.U8(&high) && value.U16(&low)) {
    offer.forwarding = (flags & kForwarding) != 0;
    offer.time_s = uint32_t{high} << 16 | low;
    out->long_lived.push_back(offer);
  }
  return std::nullopt;
}

std::optional<MessageError> DecodeCapability(uint8_t code, const Reader& value, Capabilities* out) {
  switch (code) {
    case kMultiprotocol:
      return DecodeMultiprotocol(value, out);
    case kRefresh:
      return DecodeFlag("route refresh", value, &out->route_refresh);
    case kExtendedNextHop:
      return DecodeNextHops(value, out);
    case kExtendedMessages:
      return DecodeFlag("extended messages", value, &out->extended_messages);
    case kGracefulRestart:
      return DecodeRestart(value, out);
    case kFourOctetAs:
      return DecodeFourOctetAs(value, out);
    case kAddPath:
      return DecodeAddPath(value, out);
    case kEnhancedRefresh:
      return DecodeFlag("enhanced route refresh", value, &out->enhanced_refresh);
    case kLongLivedRestart:
      return DecodeLongLived(value, out);
    default:
      return std::nullopt;
  }
}

void Put(uint8_t code, const Bytes& value, Bytes* out) {
  PutU8(out, code);
  PutU8(out, static_cast<uint8_t>(value.size()));
  PutBytes(out, value);
}

void PutEntry(AfiSafi family, uint8_t last, Bytes* out) {
  PutU16(out, family.afi);
  PutU8(out, family.safi);
  PutU8(out, last);
}

Bytes RestartValue(const RestartOffer& offer) {
  Bytes value;
  PutU16(&value, static_cast<uint16_t>((offer.restarted ? kRestarted : 0) |
                                       (offer.notification ? kNotification : 0) |
                                       std::min(offer.time_s, RestartOffer::kLongestTime)));
  for (const auto& [family, forwarding] : offer.families) {
    PutEntry(family, forwarding ? kForwarding : 0, &value);
  }
  return value;
}

}  // namespace

std::optional<MessageError> DecodeCapabilities(Reader reader, Capabilities* out) {
  while (!reader.empty()) {
    uint8_t code = 0;
    uint8_t length = 0;
    std::span<const uint8_t> value;
    if (!reader.U8(&code) || !reader.U8(&length) || !reader.Take(length, &value)) {
      return OpenError(
          absl::StrCat("OPEN: capability ", code, " runs past the end of its parameter"));
    }
    if (auto error = DecodeCapability(code, Reader(value), out)) return error;
  }
  return std::nullopt;
}

Bytes EncodeCapabilities(const Capabilities& capabilities) {
  Bytes out;
  for (const AfiSafi& family : capabilities.multiprotocol) {
    Put(kMultiprotocol,
        {static_cast<uint8_t>(family.afi >> 8), static_cast<uint8_t>(family.afi), 0, family.safi},
        &out);
  }
  if (capabilities.route_refresh) Put(kRefresh, {}, &out);
  Bytes next_hops;
  for (const NextHopOffer& offer : capabilities.next_hops) {
    PutU16(&next_hops, offer.afi);
    PutU16(&next_hops, offer.safi);
    PutU16(&next_hops, offer.next_hop_afi);
    if (next_hops.size() + kNextHopEntry <= kLongestValue) continue;
    Put(kExtendedNextHop, next_hops, &out);
    next_hops.clear();
  }
  if (!next_hops.empty()) Put(kExtendedNextHop, next_hops, &out);
  if (capabilities.extended_messages) Put(kExtendedMessages, {}, &out);
  if (capabilities.restart.has_value()) {
    Put(kGracefulRestart, RestartValue(*capabilities.restart), &out);
  }
  if (capabilities.four_octet_as.has_value()) {
    Bytes value;
    PutU32(&value, *capabilities.four_octet_as);
    Put(kFourOctetAs, value, &out);
  }
  Bytes add_path;
  for (const AddPathOffer& offer : capabilities.add_path) {
    PutEntry(offer.family, offer.mode, &add_path);
    if (add_path.size() + kEntry <= kLongestValue) continue;
    Put(kAddPath, add_path, &out);
    add_path.clear();
  }
  if (!add_path.empty()) Put(kAddPath, add_path, &out);
  if (capabilities.enhanced_refresh) Put(kEnhancedRefresh, {}, &out);
  Bytes long_lived;
  for (const LongLivedOffer& offer : capabilities.long_lived) {
    const uint32_t time = std::min(offer.time_s, LongLivedOffer::kLongestTime);
    PutEntry(offer.family, offer.forwarding ? kForwarding : 0, &long_lived);
    PutU8(&long_lived, static_cast<uint8_t>(time >> 16));
    PutU16(&long_lived, static_cast<uint16_t>(time));
    if (long_lived.size() + kLongLivedEntry <= kLongestValue) continue;
    Put(kLongLivedRestart, long_lived, &out);
    long_lived.clear();
  }
  if (!long_lived.empty()) Put(kLongLivedRestart, long_lived, &out);
  return out;
}

}  // namespace openelb::bgp
