#pragma once
// Frames for tests: in words, and as other stations send them.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "speaker/arp/packet.h"
#include "speaker/ndp/packet.h"

namespace openelb::layer2 {

inline IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }
// A station's address that ends in `last`.
inline MacAddress Mac(uint8_t last) { return MacAddress({2, 0, 0, 0, 0, last}); }

// The last octet of a station's address in hex, or what kind of group it is.
inline std::string Short(const MacAddress& mac) {
  if (mac == MacAddress::Broadcast()) return "all";
  if (mac == MacAddress::OfGroup(ndp::AllNodes())) return "all-nodes";
  return mac.IsMulticast() ? "group" : mac.ToString().substr(15);
}

// "reply 192.168.0.100 is 0a to 0c", "gratuitous request 192.168.0.100 is 0a to all".
inline std::string Describe(const arp::Packet& packet) {
  std::string text;
  const std::string sender = Short(packet.sender_mac);
  const std::string to = Short(packet.frame_destination);
  const bool request = packet.operation == arp::Operation::kRequest;
  if (packet.IsProbe()) return absl::StrCat("probe ", packet.target.ToString(), " by ", sender);
  if (packet.IsGratuitous()) {
    text = "gratuitous ";
    if (!request && packet.target_mac != packet.sender_mac) text = "feeble ";
  }
  if (request && !packet.IsGratuitous()) {
    return absl::StrCat("request ", packet.target.ToString(), " by ", sender, " to ", to);
  }
  return absl::StrCat(text, request ? "request " : "reply ", packet.sender.ToString(), " is ",
                      sender, " to ", to);
}

// "advertisement 2001:db8::64 is 0a to 0c so": flags r, s and o.
inline std::string Describe(const ndp::Packet& packet) {
  if (packet.IsProbe()) {
    return absl::StrCat("probe ", packet.target.ToString(), " by ", Short(packet.frame_source));
  }
  if (packet.type == ndp::Type::kSolicitation) {
    return absl::StrCat("solicitation ", packet.target.ToString(), " by ",
                        packet.source.ToString());
  }
  return absl::StrCat("advertisement ", packet.target.ToString(), " is ",
                      packet.link_layer.has_value() ? Short(*packet.link_layer) : "unsaid", " to ",
                      Short(packet.frame_destination), " ", packet.router ? "r" : "",
                      packet.solicited ? "s" : "", packet.override_cache ? "o" : "");
}

// Whatever is in the frame, or why it is dropped.
inline std::string Describe(std::span<const uint8_t> frame) {
  arp::Packet arp;
  const auto error = arp::ParsePacket(frame, &arp);
  if (!error.has_value()) return Describe(arp);
  if (*error != arp::PacketError::kEtherType) return std::string(arp::PacketErrorName(*error));
  ndp::Packet ndp;
  if (const auto bad = ndp::ParsePacket(frame, &ndp)) return std::string(PacketErrorName(*bad));
  return Describe(ndp);
}

inline std::vector<std::string> Describe(const std::vector<Bytes>& frames) {
  std::vector<std::string> texts;
  for (const Bytes& frame : frames) texts.push_back(Describe(frame));
  return texts;
}

// ---- as other stations send them ----

inline Bytes ArpRequest(const IpAddress& target, const MacAddress& sender_mac,
                        const IpAddress& sender, const MacAddress& to = MacAddress::Broadcast()) {
  return SerializePacket(arp::Packet{.frame_destination = to,
                                     .frame_source = sender_mac,
                                     .operation = arp::Operation::kRequest,
                                     .sender_mac = sender_mac,
                                     .sender = sender,
                                     .target = target});
}

inline Bytes Solicitation(const IpAddress& target, const MacAddress& sender_mac,
                          const IpAddress& source, bool with_link_layer, bool unicast = false,
                          const MacAddress& owner = {}) {
  const IpAddress group = ndp::SolicitedNodeGroup(target);
  ndp::Packet packet{.frame_destination = unicast ? owner : MacAddress::OfGroup(group),
                     .frame_source = sender_mac,
                     .source = source,
                     .destination = unicast ? target : group,
                     .type = ndp::Type::kSolicitation,
                     .target = target};
  if (with_link_layer) packet.link_layer = sender_mac;
  return SerializePacket(packet);
}

}  // namespace openelb::layer2
