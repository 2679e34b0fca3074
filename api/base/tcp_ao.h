#pragma once
// Keys of the TCP Authentication Option (TCP-AO, RFC 5925), which signs each segment of a
// connection and, unlike TCP MD5, can change keys while it is up.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace openelb {

// RFC 5926 requires the first two of everybody. RFCs have no HMAC-SHA-256 for TCP-AO; these are
// those of Linux, with the key derivation of RFC 5926 3.1.1.1 and MACs of 96 and 128 bits.
enum class TcpAoAlgorithm : uint8_t {
  kHmacSha1_96,
  kAes128Cmac96,
  kHmacSha256_96,
  kHmacSha256_128,
};
// As users and the plan write it: "hmac-sha-1-96".
absl::string_view TcpAoAlgorithmName(TcpAoAlgorithm algorithm);
// nullopt: there is none of that name.
std::optional<TcpAoAlgorithm> ParseTcpAoAlgorithm(absl::string_view name);
// All names, for messages: "hmac-sha-1-96, aes-128-cmac-96, ...".
std::string TcpAoAlgorithmNames();

// A master key tuple of RFC 5925 3.1, but for the connection it is for.
struct TcpAoKey {
  // What Linux takes: TCP_AO_MAXKEYLEN.
  static constexpr size_t kMaxSecret = 80;

  uint8_t send_id = 0;     // in what we sign with it; the peer's receive id
  uint8_t receive_id = 0;  // in what the peer signs with it; the peer's send id
  TcpAoAlgorithm algorithm = TcpAoAlgorithm::kHmacSha1_96;
  bool include_tcp_options = true;  // the other TCP options are signed, too
  std::string secret;               // the master key, 1..kMaxSecret octets
  bool operator==(const TcpAoKey&) const = default;
};

// The keys of one peer, the one in use first. Ids differ within a set (RFC 5925 3.1).
using TcpAoKeys = std::vector<TcpAoKey>;

// The first id that two of them share, as "sendId 3" or "receiveId 3"; empty: none.
std::string SharedTcpAoId(std::span<const TcpAoKey> keys);

// Those of `keys` that are not in `others` as they are.
TcpAoKeys TcpAoKeysBesides(const TcpAoKeys& keys, const TcpAoKeys& others);

// Whether a connection with the keys `before` can go on with `after` (RFC 5925 6.1). The key that
// was in use and the one that is to be must not give up or take over an id of another key: what the
// peer signs with the one would be checked with the other.
bool TcpAoRollsOver(const TcpAoKeys& before, const TcpAoKeys& after);

}  // namespace openelb
