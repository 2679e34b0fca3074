#pragma once
// Router solicitations and advertisements (RFC 4861 4.1 and 4.2) as ICMPv6 messages: the shortest
// ones, which say no more than that a router is there, and what has to hold of those that come in
// (6.1.1 and 6.1.2). The kernel makes and checks their checksums.

#include <cstdint>
#include <optional>
#include <span>

#include "api/base/ip.h"
#include "api/base/wire.h"

namespace openelb::ndp {

// ICMPv6 types: the numbers are those on the wire.
enum class RouterMessage : uint8_t { kSolicitation = 133, kAdvertisement = 134 };

// An advertisement has a router lifetime of 0: its sender is nobody's default router.
Bytes SerializeRouterMessage(RouterMessage type);

// nullopt: to be ignored. `hop_limit` as received.
std::optional<RouterMessage> ParseRouterMessage(std::span<const uint8_t> message,
                                                const IpAddress& source, int hop_limit);

// Where it goes: ff02::2, all routers, or ff02::1, all nodes.
IpAddress AudienceOf(RouterMessage type);

}  // namespace openelb::ndp
