#include "speaker/bfd/authentication.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"

namespace openelb::bfd {
namespace {

// Type, length, key id, reserved, sequence number (4 octets), digest.
constexpr size_t kDigestOffset = kMandatoryLength + 8;
constexpr size_t kSectionLength = 8 + SHA_DIGEST_LENGTH;
constexpr size_t kSignedLength = kMandatoryLength + kSectionLength;

using Digest = std::array<uint8_t, SHA_DIGEST_LENGTH>;

// The digest of a packet, whatever stands in the digest's place.
Digest ComputeDigest(std::span<const uint8_t> octets, const Key& key) {
  std::array<uint8_t, kSignedLength> input{};
  std::copy_n(octets.begin(), kDigestOffset, input.begin());
  std::copy_n(key.secret.begin(), std::min<size_t>(key.secret.size(), SHA_DIGEST_LENGTH),
              input.begin() + kDigestOffset);
  Digest digest;
  SHA1(input.data(), input.size(), digest.data());
  return digest;
}

// RFC 5880 6.7.4, in circular number space.
bool WithinWindow(AuthenticationType type, uint32_t last, uint32_t sequence, uint8_t detect_mult) {
  const uint32_t ahead = sequence - last;
  const uint32_t least = type == AuthenticationType::kMeticulousKeyedSha1 ? 1 : 0;
  return ahead >= least && ahead <= uint32_t{3} * detect_mult;
}

}  // namespace

absl::Status CheckAuthentication(const Authentication& authentication) {
  if (authentication.type == AuthenticationType::kNone) return absl::OkStatus();
  if (authentication.keys.empty()) {
    return absl::InvalidArgumentError("authentication: there is no key");
  }
  for (const Key& key : authentication.keys) {
    if (key.secret.empty() || key.secret.size() > SHA_DIGEST_LENGTH) {
      return absl::InvalidArgumentError(absl::StrCat("authentication: key ", key.id, " has ",
                                                     key.secret.size(), " octets, 1 to ",
                                                     SHA_DIGEST_LENGTH, " are allowed"));
    }
  }
  return absl::OkStatus();
}

void Sign(const Authentication& authentication, uint32_t sequence, Bytes* octets) {
  const Key& key = authentication.keys.front();
  PutU8(octets, static_cast<uint8_t>(authentication.type));
  PutU8(octets, kSectionLength);
  PutU8(octets, key.id);
  PutU8(octets, 0);
  PutU32(octets, sequence);
  octets->resize(kSignedLength);
  SetPacketLength(octets);
  const Digest digest = ComputeDigest(*octets, key);
  std::copy(digest.begin(), digest.end(), octets->begin() + kDigestOffset);
}

std::optional<Drop> Authenticate(const Authentication& authentication, const Packet& packet,
                                 std::span<const uint8_t> octets,
                                 std::optional<uint32_t>* last_sequence) {
  if (authentication.type == AuthenticationType::kNone) {
    if (packet.authenticated) return Drop::kUnexpectedAuthentication;
    return std::nullopt;
  }
  if (!packet.authenticated) return Drop::kMissingAuthentication;
  Reader section(octets.subspan(kMandatoryLength));
  uint8_t type = 0;
  uint8_t length = 0;
  uint8_t id = 0;
  uint8_t reserved = 0;
  uint32_t sequence = 0;
  section.U8(&type);
  section.U8(&length);
  if (type != static_cast<uint8_t>(authentication.type)) return Drop::kAuthenticationType;
  if (!section.U8(&id)) return Drop::kAuthenticationLength;
  const std::vector<Key>& keys = authentication.keys;
  const auto named = [id](const Key& key) { return key.id == id; };
  if (std::none_of(keys.begin(), keys.end(), named)) return Drop::kAuthenticationKeyId;
  if (length != kSectionLength || octets.size() != kSignedLength) {
    return Drop::kAuthenticationLength;
  }
  section.U8(&reserved);
  section.U32(&sequence);
  if (last_sequence->has_value() &&
      !WithinWindow(authentication.type, **last_sequence, sequence, packet.detect_mult)) {
    return Drop::kAuthenticationSequence;
  }
  const auto signed_it = [&](const Key& key) {
    if (!named(key)) return false;
    const Digest digest = ComputeDigest(octets, key);
    return CRYPTO_memcmp(digest.data(), octets.data() + kDigestOffset, digest.size()) == 0;
  };
  if (std::none_of(keys.begin(), keys.end(), signed_it)) return Drop::kAuthenticationDigest;
  *last_sequence = sequence;
  return std::nullopt;
}

}  // namespace openelb::bfd
