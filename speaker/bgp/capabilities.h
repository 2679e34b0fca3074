#pragma once
// What OPEN messages offer: capabilities (RFC 5492), each decoded and encoded here: multiprotocol
// (RFC 4760), route refresh (RFC 2918, enhanced RFC 7313), extended next hops (RFC 8950), extended
// messages (RFC 8654), graceful restart (RFC 4724, notifications RFC 8538, long-lived RFC 9494),
// 4-octet AS (RFC 6793), ADD-PATH (RFC 7911).

#include <cstdint>
#include <optional>
#include <vector>

#include "api/base/wire.h"
#include "speaker/bgp/notification.h"

namespace openelb::bgp {

struct AfiSafi {
  uint16_t afi = 0;
  uint8_t safi = 0;
  bool operator==(const AfiSafi&) const = default;
};

struct AddPathOffer {
  static constexpr uint8_t kReceive = 1;
  static constexpr uint8_t kSend = 2;
  AfiSafi family;
  uint8_t mode = 0;  // kReceive, kSend or both
  bool operator==(const AddPathOffer&) const = default;
};

// RFC 8950 4: routes of one family may have next hops of another.
struct NextHopOffer {
  uint16_t afi = 0;
  uint16_t safi = 0;  // two octets here, one everywhere else
  uint16_t next_hop_afi = 0;
  bool operator==(const NextHopOffer&) const = default;
};

// RFC 4724 3. Without families it only says that End-of-RIB markers are sent and understood.
struct RestartOffer {
  struct FamilyOffer {
    AfiSafi family;
    bool forwarding = false;  // F: forwarding went on while the session was away
    bool operator==(const FamilyOffer&) const = default;
  };
  bool restarted = false;  // R: the speaker is new, do not wait for its End-of-RIB
  bool notification =
      false;            // N: a NOTIFICATION ends the session like a lost connection (RFC 8538)
  uint16_t time_s = 0;  // how long routes may be kept for it, at most kLongestTime
  std::vector<FamilyOffer> families{};
  static constexpr uint16_t kLongestTime = 4095;
  bool operator==(const RestartOffer&) const = default;
};

// RFC 9494 3: for how long routes may be kept once the time of graceful restart is over.
struct LongLivedOffer {
  AfiSafi family;
  bool forwarding = false;  // F, as of RestartOffer
  uint32_t time_s = 0;      // at most kLongestTime
  static constexpr uint32_t kLongestTime = 0xffffff;
  bool operator==(const LongLivedOffer&) const = default;
};

// Those we do not know are skipped.
struct Capabilities {
  std::vector<AfiSafi> multiprotocol{};
  std::vector<NextHopOffer> next_hops{};
  std::vector<AddPathOffer> add_path{};
  std::optional<uint32_t> four_octet_as{};
  bool route_refresh = false;
  bool enhanced_refresh = false;
  bool extended_messages = false;
  std::optional<RestartOffer> restart{};
  std::vector<LongLivedOffer> long_lived{};
  bool operator==(const Capabilities&) const = default;
};

// Adds what `reader`, the value of one optional parameter, lists; or says what is malformed.
std::optional<MessageError> DecodeCapabilities(Reader reader, Capabilities* out);
Bytes EncodeCapabilities(const Capabilities& capabilities);

}  // namespace openelb::bgp
