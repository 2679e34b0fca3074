#include "speaker/layer2/claim.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace openelb::layer2 {
namespace {

constexpr uint32_t kMagic = 0x4f454c43;  // "OELC"
constexpr uint8_t kVersion = 1;
constexpr size_t kHeader = 40;
constexpr size_t kClaimHeader = 10;

using Code = std::array<uint8_t, SHA256_DIGEST_LENGTH>;

Code ComputeCode(std::span<const uint8_t> octets, const ClaimWay& way, absl::string_view secret) {
  Bytes input(octets.begin(), octets.end());
  for (const IpAddress& address : {way.from, way.to}) {
    PutU8(&input, static_cast<uint8_t>(address.family()));
    PutBytes(&input, address.bytes());
  }
  Code code;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), input.data(), input.size(),
       code.data(), nullptr);
  return code;
}

bool TakeU64(Reader* reader, uint64_t* value) {
  uint32_t high = 0;
  uint32_t low = 0;
  if (reader->remaining() < sizeof(*value) || !reader->U32(&high) || !reader->U32(&low)) {
    return false;
  }
  *value = uint64_t{high} << 32 | low;
  return true;
}

bool TakeClaim(Reader* reader, Claim* claim) {
  uint8_t family = 0;
  if (!reader->U8(&family) || !reader->U8(&claim->rank) || !TakeU64(reader, &claim->turn)) {
    return false;
  }
  if (family != static_cast<uint8_t>(Family::kV4) && family != static_cast<uint8_t>(Family::kV6)) {
    return false;
  }
  std::span<const uint8_t> address;
  const int bits = FamilyBits(static_cast<Family>(family));
  if (!reader->Take(static_cast<size_t>(bits) / 8, &address)) return false;
  claim->address = IpAddress::FromBytes(address);
  return !claim->address.IsUnspecified() && !claim->address.IsMulticast();
}

}  // namespace

absl::string_view ClaimDropName(ClaimDrop drop) {
  static constexpr absl::string_view kNames[] = {
      "ttl",    "unknown_peer", "length", "magic",    "version",
      "digest", "content",      "replay", "unproven",
  };
  static_assert(std::size(kNames) == kClaimDrops);
  return kNames[static_cast<size_t>(drop)];
}

size_t ClaimsThatFit(std::span<const Claim> claims) {
  size_t left = kMaxClaimDatagram - kHeader - Code().size();
  size_t count = 0;
  for (const Claim& claim : claims) {
    const size_t size = kClaimHeader + claim.address.bytes().size();
    if (size > left) break;
    left -= size;
    ++count;
  }
  return count;
}

void SignClaims(const ClaimWay& way, absl::string_view secret, Bytes* datagram) {
  PutBytes(datagram, ComputeCode(*datagram, way, secret));
}

Bytes EncodeClaims(const ClaimStamp& stamp, std::span<const Claim> claims, const ClaimWay& way,
                   absl::string_view secret) {
  Bytes out;
  PutU32(&out, kMagic);
  PutU8(&out, kVersion);
  PutU8(&out, 0);
  PutU16(&out, static_cast<uint16_t>(claims.size()));
  for (uint64_t each : {stamp.life, stamp.number, stamp.question, stamp.answer}) PutU64(&out, each);
  for (const Claim& claim : claims) {
    PutU8(&out, static_cast<uint8_t>(claim.address.family()));
    PutU8(&out, claim.rank);
    PutU64(&out, claim.turn);
    PutBytes(&out, claim.address.bytes());
  }
  SignClaims(way, secret, &out);
  return out;
}

std::optional<ClaimDrop> DecodeClaims(std::span<const uint8_t> datagram, const ClaimWay& way,
                                      std::span<const std::string> secrets, ClaimMessage* message) {
  if (datagram.size() < kHeader + Code().size()) return ClaimDrop::kLength;
  const std::span<const uint8_t> signed_part = datagram.first(datagram.size() - Code().size());
  Reader reader(signed_part);
  uint32_t magic = 0;
  uint8_t version = 0;
  uint8_t reserved = 0;
  uint16_t count = 0;
  reader.U32(&magic);
  reader.U8(&version);
  reader.U8(&reserved);
  reader.U16(&count);
  if (magic != kMagic) return ClaimDrop::kMagic;
  if (version != kVersion) return ClaimDrop::kVersion;
  const auto signed_it = [&](const std::string& secret) {
    const Code code = ComputeCode(signed_part, way, secret);
    return CRYPTO_memcmp(code.data(), datagram.data() + signed_part.size(), code.size()) == 0;
  };
  if (std::none_of(secrets.begin(), secrets.end(), signed_it)) return ClaimDrop::kDigest;

  ClaimMessage taken;
  ClaimStamp& stamp = taken.stamp;
  for (uint64_t* each : {&stamp.life, &stamp.number, &stamp.question, &stamp.answer})
    TakeU64(&reader, each);
  if (stamp.life == 0 || stamp.number == 0 || stamp.question == 0) return ClaimDrop::kContent;
  for (; count > 0; --count) {
    if (!TakeClaim(&reader, &taken.claims.emplace_back())) return ClaimDrop::kContent;
  }
  if (!reader.empty()) return ClaimDrop::kContent;
  *message = std::move(taken);
  return std::nullopt;
}

}  // namespace openelb::layer2
