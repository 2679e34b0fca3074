#include "speaker/bgp/open.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "speaker/bgp/message.h"

namespace openelb::bgp {
namespace {

constexpr uint8_t kParameterCapabilities = 2;
constexpr uint8_t kExtendedParameters = 255;  // RFC 9072: as the type of the first parameter
constexpr uint8_t kCapabilityMultiprotocol = 1;
constexpr uint8_t kCapabilityRefresh = 2;
constexpr uint8_t kCapabilityFourOctetAs = 65;
constexpr uint8_t kCapabilityAddPath = 69;

MessageError OpenError(uint8_t subcode, std::string reason, Bytes data = {}) {
  return {{ErrorCode::kOpen, subcode, std::move(data)}, std::move(reason)};
}

std::string Dotted(uint32_t identifier) { return IpAddress::FromV4(identifier).ToString(); }

std::optional<MessageError> BadCapabilityLength(const char* name, size_t length) {
  return OpenError(open_error::kUnspecific,
                   absl::StrCat("OPEN: capability ", name, " has a value of ", length, " octets"));
}

std::optional<MessageError> DecodeCapability(uint8_t code, Reader value, OpenMessage* open) {
  const size_t length = value.remaining();
  switch (code) {
    case kCapabilityMultiprotocol: {
      AfiSafi family;
      uint8_t reserved;
      if (length != 4) return BadCapabilityLength("multiprotocol", length);
      value.U16(&family.afi);
      value.U8(&reserved);
      value.U8(&family.safi);
      open->multiprotocol.push_back(family);
      return std::nullopt;
    }
    case kCapabilityRefresh:
      if (length != 0) return BadCapabilityLength("route refresh", length);
      open->route_refresh = true;
      return std::nullopt;
    case kCapabilityFourOctetAs: {
      uint32_t as = 0;
      if (length != 4) return BadCapabilityLength("4-octet AS", length);
      value.U32(&as);
      open->four_octet_as = as;
      return std::nullopt;
    }
    case kCapabilityAddPath: {
      if (length % 4 != 0) return BadCapabilityLength("ADD-PATH", length);
      AddPathOffer offer;
      while (value.U16(&offer.family.afi) && value.U8(&offer.family.safi) &&
             value.U8(&offer.mode)) {
        // RFC 7911 4: any other mode is to be ignored.
        if (offer.mode >= 1 && offer.mode <= 3) open->add_path.push_back(offer);
      }
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

std::optional<MessageError> DecodeCapabilities(Reader reader, OpenMessage* open) {
  while (!reader.empty()) {
    uint8_t code = 0;
    uint8_t length = 0;
    std::span<const uint8_t> value;
    if (!reader.U8(&code) || !reader.U8(&length) || !reader.Take(length, &value)) {
      return OpenError(
          open_error::kUnspecific,
          absl::StrCat("OPEN: capability ", code, " runs past the end of its parameter"));
    }
    if (auto error = DecodeCapability(code, Reader(value), open)) return error;
  }
  return std::nullopt;
}

std::optional<MessageError> DecodeParameters(Reader reader, bool extended, OpenMessage* open) {
  while (!reader.empty()) {
    uint8_t type = 0;
    uint8_t short_length = 0;
    uint16_t length = 0;
    std::span<const uint8_t> value;
    bool whole = reader.U8(&type);
    if (extended) {
      whole = whole && reader.U16(&length);
    } else {
      whole = whole && reader.U8(&short_length);
      length = short_length;
    }
    if (!whole || !reader.Take(length, &value)) {
      return OpenError(
          open_error::kUnspecific,
          absl::StrCat("OPEN: optional parameter ", type, " runs past the end of the parameters"));
    }
    if (type != kParameterCapabilities) {
      return OpenError(open_error::kUnsupportedParameter,
                       absl::StrCat("OPEN: optional parameter ", type, " is not supported"));
    }
    if (auto error = DecodeCapabilities(Reader(value), open)) return error;
  }
  return std::nullopt;
}

AfiSafi Unicast(Family family) { return {AfiOf(family), kSafiUnicast}; }

void PutFamily(AfiSafi family, uint8_t between, Bytes* out) {
  PutU16(out, family.afi);
  PutU8(out, between);
  PutU8(out, family.safi);
}

Bytes EncodeCapabilities(const OpenMessage& open) {
  Bytes out;
  for (const AfiSafi& family : open.multiprotocol) {
    PutBytes(&out, Bytes{kCapabilityMultiprotocol, 4});
    PutFamily(family, 0, &out);
  }
  if (open.route_refresh) PutBytes(&out, Bytes{kCapabilityRefresh, 0});
  if (open.four_octet_as.has_value()) {
    PutBytes(&out, Bytes{kCapabilityFourOctetAs, 4});
    PutU32(&out, *open.four_octet_as);
  }
  if (!open.add_path.empty()) {
    PutU8(&out, kCapabilityAddPath);
    PutU8(&out, static_cast<uint8_t>(4 * open.add_path.size()));
    for (const AddPathOffer& offer : open.add_path) {
      PutU16(&out, offer.family.afi);
      PutU8(&out, offer.family.safi);
      PutU8(&out, offer.mode);
    }
  }
  return out;
}

// RFC 4760 8 and RFC 7911 4: a family is used when both ends offer it; a peer without the
// multiprotocol capability speaks IPv4 unicast.
FamilyUse Agree(const OpenTerms::FamilyTerm& ours, const OpenMessage& peer) {
  const AfiSafi family = Unicast(ours.family);
  const auto& offered = peer.multiprotocol;
  FamilyUse use;
  use.negotiated = offered.empty()
                       ? ours.family == Family::kV4
                       : std::find(offered.begin(), offered.end(), family) != offered.end();
  use.add_path = use.negotiated && ours.add_path_send &&
                 std::any_of(peer.add_path.begin(), peer.add_path.end(), [&](const auto& offer) {
                   return offer.family == family && (offer.mode & AddPathOffer::kReceive) != 0;
                 });
  return use;
}

std::optional<MessageError> CheckPeer(const OpenTerms& terms, const OpenMessage& peer) {
  if (peer.as() != terms.remote_as || peer.as() == 0) {
    Bytes data;
    PutU16(&data, peer.two_octet_as);
    return OpenError(open_error::kBadPeerAs,
                     absl::StrCat("AS mismatch: peerAs is ", terms.remote_as,
                                  ", the peer's OPEN says ", peer.as()),
                     data);
  }
  Bytes identifier;
  PutU32(&identifier, peer.identifier);
  if (peer.identifier == 0) {
    return OpenError(open_error::kBadIdentifier, "the peer's BGP identifier is 0.0.0.0",
                     identifier);
  }
  // RFC 6286: between different ASes equal identifiers are allowed.
  if (!terms.ebgp() && peer.identifier == terms.router_id) {
    return OpenError(
        open_error::kBadIdentifier,
        absl::StrCat("BGP identifier clash: the peer of our own AS ", terms.local_as, " uses ",
                     Dotted(peer.identifier), ", which is this speaker's routerId"),
        identifier);
  }
  if (peer.hold_time == 1 || peer.hold_time == 2) {
    return OpenError(
        open_error::kUnacceptableHoldTime,
        absl::StrCat("the peer's hold time is ", peer.hold_time, " s, allowed are 0 and 3..65535"));
  }
  return std::nullopt;
}

}  // namespace

std::optional<MessageError> DecodeOpen(std::span<const uint8_t> body, OpenMessage* open) {
  Reader reader(body);
  uint8_t version = 0;
  uint8_t parameters_length = 0;
  *open = OpenMessage();
  if (!reader.U8(&version) || !reader.U16(&open->two_octet_as) || !reader.U16(&open->hold_time) ||
      !reader.U32(&open->identifier) || !reader.U8(&parameters_length)) {
    return OpenError(open_error::kUnspecific,
                     absl::StrCat("OPEN: ", body.size(), " octets are too few"));
  }
  if (version != kVersion) {
    return OpenError(open_error::kUnsupportedVersion,
                     absl::StrCat("the peer speaks BGP version ", version, ", supported is 4"),
                     {0, kVersion});
  }
  size_t expected = parameters_length;
  const bool extended =
      parameters_length != 0 && !reader.empty() && reader.rest()[0] == kExtendedParameters;
  if (extended) {
    uint8_t type;
    uint16_t length = 0;
    if (!reader.U8(&type) || !reader.U16(&length)) {
      return OpenError(open_error::kUnspecific,
                       "OPEN: the length of the extended parameters is cut off");
    }
    expected = length;
  }
  if (expected != reader.remaining()) {
    return OpenError(open_error::kUnspecific,
                     absl::StrCat("OPEN: optional parameters should take ", expected,
                                  " octets, the message has ", reader.remaining()));
  }
  return DecodeParameters(reader, extended, open);
}

void EncodeOpen(const OpenMessage& open, Bytes* out) {
  const size_t start = BeginMessage(MessageType::kOpen, out);
  PutU8(out, kVersion);
  PutU16(out, open.two_octet_as);
  PutU16(out, open.hold_time);
  PutU32(out, open.identifier);
  // One parameter with all capabilities: with two families they take 34 octets at most.
  const Bytes capabilities = EncodeCapabilities(open);
  if (capabilities.empty()) {
    PutU8(out, 0);
  } else {
    PutU8(out, static_cast<uint8_t>(capabilities.size() + 2));
    PutU8(out, kParameterCapabilities);
    PutU8(out, static_cast<uint8_t>(capabilities.size()));
    PutBytes(out, capabilities);
  }
  FinishMessage(start, out);
}

OpenTerms::OpenTerms(const link::BgpPeer& peer, uint32_t router_id)
    : local_as(peer.local_as),
      remote_as(peer.remote_as),
      router_id(router_id),
      hold_time(peer.hold_time_s) {
  for (const link::PeerFamily& family : peer.families) {
    families.push_back({family.family, family.add_path_send});
  }
}

OpenMessage LocalOpen(const OpenTerms& terms) {
  OpenMessage open;
  open.two_octet_as = static_cast<uint16_t>(
      terms.local_as <= std::numeric_limits<uint16_t>::max() ? terms.local_as : kAsTrans);
  open.hold_time = terms.hold_time;
  open.identifier = terms.router_id;
  open.four_octet_as = terms.local_as;
  open.route_refresh = true;
  for (const OpenTerms::FamilyTerm& term : terms.families) {
    open.multiprotocol.push_back(Unicast(term.family));
    if (term.add_path_send) {
      open.add_path.push_back({Unicast(term.family), AddPathOffer::kSend});
    }
  }
  return open;
}

std::optional<MessageError> Negotiate(const OpenTerms& terms, const OpenMessage& peer,
                                      Negotiated* negotiated) {
  if (auto error = CheckPeer(terms, peer)) return error;
  *negotiated = Negotiated();
  negotiated->hold_time = std::min(terms.hold_time, peer.hold_time);
  negotiated->four_octet_as = peer.four_octet_as.has_value();
  negotiated->route_refresh = peer.route_refresh;
  for (const OpenTerms::FamilyTerm& term : terms.families) {
    (term.family == Family::kV4 ? negotiated->v4 : negotiated->v6) = Agree(term, peer);
  }
  if (!negotiated->v4.negotiated && !negotiated->v6.negotiated) {
    // RFC 5492 5: the data lists the capabilities that are missed.
    OpenMessage missed;
    for (const auto& term : terms.families) missed.multiprotocol.push_back(Unicast(term.family));
    const std::string names =
        absl::StrJoin(terms.families, ", ", [](std::string* out, const auto& term) {
          absl::StrAppend(out, FamilyName(term.family), " unicast");
        });
    return OpenError(
        open_error::kUnsupportedCapability,
        absl::StrCat("no address family in common: configured are [", names,
                     "], the peer's OPEN offers ",
                     peer.multiprotocol.empty() ? "IPv4 unicast alone" : "none of them"),
        EncodeCapabilities(missed));
  }
  return std::nullopt;
}

}  // namespace openelb::bgp
