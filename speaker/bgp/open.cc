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
MessageError OpenError(uint8_t subcode, std::string reason, Bytes data = {}) {
  return {{ErrorCode::kOpen, subcode, std::move(data)}, std::move(reason)};
}

std::string Dotted(uint32_t identifier) { return IpAddress::FromV4(identifier).ToString(); }

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

constexpr NextHopOffer kIpv4OverIpv6{kAfiIpv4, kSafiUnicast, kAfiIpv6};

AfiSafi Unicast(Family family) { return {AfiOf(family), kSafiUnicast}; }

// RFC 4760 8 and RFC 7911 4: a family is used when both ends offer it; a peer without the
// multiprotocol capability speaks IPv4 unicast.
FamilyUse Agree(const OpenTerms& ours, const OpenTerms::FamilyTerm& term, const OpenMessage& peer) {
  const AfiSafi family = Unicast(term.family);
  const auto& offered = peer.multiprotocol;
  FamilyUse use;
  use.negotiated = offered.empty()
                       ? term.family == Family::kV4
                       : std::find(offered.begin(), offered.end(), family) != offered.end();
  use.add_path = use.negotiated && term.add_path_send &&
                 std::any_of(peer.add_path.begin(), peer.add_path.end(), [&](const auto& offer) {
                   return offer.family == family && (offer.mode & AddPathOffer::kReceive) != 0;
                 });
  use.ipv6_next_hops = use.negotiated && ours.OffersIpv6NextHops(term.family) &&
                       std::find(peer.next_hops.begin(), peer.next_hops.end(), kIpv4OverIpv6) !=
                           peer.next_hops.end();
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
  // One parameter with all capabilities.
  const Bytes capabilities = EncodeCapabilities(open);
  constexpr size_t kShortHeader = 2;
  if (capabilities.empty()) {
    PutU8(out, 0);
  } else if (capabilities.size() + kShortHeader > std::numeric_limits<uint8_t>::max()) {
    PutU8(out, kExtendedParameters);
    PutU8(out, kExtendedParameters);
    PutU16(out, static_cast<uint16_t>(capabilities.size() + 3));
    PutU8(out, kParameterCapabilities);
    PutU16(out, static_cast<uint16_t>(capabilities.size()));
    PutBytes(out, capabilities);
  } else {
    PutU8(out, static_cast<uint8_t>(capabilities.size() + kShortHeader));
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
      hold_time(peer.hold_time_s),
      ipv6_transport(peer.neighbor.address.is_v6()),
      graceful_restart(peer.graceful_restart) {
  for (const link::PeerFamily& family : peer.families) {
    families.push_back({family.family, family.add_path_send, family.graceful_restart});
  }
}

OpenMessage LocalOpen(const OpenTerms& terms, const RestartState& restart) {
  OpenMessage open;
  open.two_octet_as = static_cast<uint16_t>(
      terms.local_as <= std::numeric_limits<uint16_t>::max() ? terms.local_as : kAsTrans);
  open.hold_time = terms.hold_time;
  open.identifier = terms.router_id;
  open.four_octet_as = terms.local_as;
  open.route_refresh = true;
  open.enhanced_refresh = true;
  open.extended_messages = true;
  RestartOffer& offer = open.restart.emplace();
  if (terms.graceful_restart.has_value()) {
    offer.restarted = restart.restarted;
    offer.notification = terms.graceful_restart->notification;
    offer.time_s = terms.graceful_restart->restart_time_s;
  }
  for (const OpenTerms::FamilyTerm& term : terms.families) {
    open.multiprotocol.push_back(Unicast(term.family));
    if (terms.OffersIpv6NextHops(term.family)) open.next_hops.push_back(kIpv4OverIpv6);
    if (terms.graceful_restart.has_value() && term.graceful_restart) {
      offer.families.push_back({Unicast(term.family), restart.forwarding});
      if (const uint32_t time = terms.graceful_restart->long_lived_s; time > 0)
        open.long_lived.push_back({Unicast(term.family), restart.forwarding, time});
    }
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
  negotiated->enhanced_refresh = peer.enhanced_refresh;
  if (peer.extended_messages) negotiated->max_message = kMaxExtendedMessage;
  negotiated->end_of_rib = peer.restart.has_value();
  negotiated->keeps_routes = peer.restart.has_value() && terms.graceful_restart.has_value();
  negotiated->keeps_when_notified = negotiated->keeps_routes && peer.restart->notification &&
                                    terms.graceful_restart->notification;
  for (const OpenTerms::FamilyTerm& term : terms.families) {
    (term.family == Family::kV4 ? negotiated->v4 : negotiated->v6) = Agree(terms, term, peer);
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
