#include "speaker/bgp/attributes.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "speaker/bgp/open.h"

namespace openelb::bgp {
namespace {

using namespace attribute;  // NOLINT: their numbers are this file's vocabulary

constexpr uint8_t kWellKnown = kTransitive;
constexpr uint8_t kOptionalTransitive = kOptional | kTransitive;
constexpr uint8_t kOriginIgp = 0;
constexpr uint32_t kMostAses = 255;  // in one segment

template <typename T, typename Put>
void PutList(uint8_t type, const std::vector<T>& list, Put put, Bytes* out) {
  if (list.empty()) return;
  Bytes value;
  for (const T& item : list) put(&value, item);
  PutAttribute(kOptionalTransitive, type, value, out);
}

Bytes AsSequence(uint32_t as, uint32_t copies, bool four_octet) {
  Bytes value = {kAsSequence, static_cast<uint8_t>(copies)};
  for (uint32_t i = 0; i < copies; ++i) {
    if (four_octet) {
      PutU32(&value, as);
    } else {
      PutU16(&value,
             static_cast<uint16_t>(as <= std::numeric_limits<uint16_t>::max() ? as : kAsTrans));
    }
  }
  return value;
}

}  // namespace

uint64_t LinkBandwidth(uint32_t local_as, uint32_t weight) {
  constexpr uint64_t kType = 0x4004;
  constexpr float kOctetsPerSecond = 125e6;
  const uint64_t as = local_as <= std::numeric_limits<uint16_t>::max() ? local_as : kAsTrans;
  const auto bandwidth = std::bit_cast<uint32_t>(static_cast<float>(weight) * kOctetsPerSecond);
  return kType << 48 | as << 32 | bandwidth;
}

void PutAttribute(uint8_t flags, uint8_t type, std::span<const uint8_t> value, Bytes* out) {
  const bool extended = value.size() > std::numeric_limits<uint8_t>::max();
  PutU8(out, extended ? flags | kExtendedLength : flags);
  PutU8(out, type);
  if (extended) {
    PutU16(out, static_cast<uint16_t>(value.size()));
  } else {
    PutU8(out, static_cast<uint8_t>(value.size()));
  }
  PutBytes(out, value);
}

Bytes EncodeAttributes(const AttributeContext& context, const plan::PathAttributes& attributes,
                       const std::optional<IpAddress>& next_hop) {
  Bytes out;
  PutAttribute(kWellKnown, kOrigin, Bytes{kOriginIgp}, &out);

  const uint32_t copies = 1 + std::min(attributes.prepend.value_or(0), kMostAses - 1);
  Bytes as_path;
  if (context.ebgp) as_path = AsSequence(context.local_as, copies, context.four_octet_as);
  PutAttribute(kWellKnown, kAsPath, as_path, &out);

  if (next_hop.has_value()) PutAttribute(kWellKnown, kNextHop, next_hop->bytes(), &out);
  if (attributes.med.has_value()) {
    Bytes value;
    PutU32(&value, *attributes.med);
    PutAttribute(kOptional, kMed, value, &out);
  }
  if (!context.ebgp) {
    Bytes value;
    // RFC 8326 4.2: inside an AS the path is to lose at once, whatever it is worth otherwise.
    PutU32(&value,
           attributes.graceful_shutdown ? 0 : attributes.local_pref.value_or(kDefaultLocalPref));
    PutAttribute(kWellKnown, kLocalPref, value, &out);
  }

  std::vector<uint32_t> communities = attributes.communities;
  const auto known =
      std::lower_bound(communities.begin(), communities.end(), kGracefulShutdownCommunity);
  if (attributes.graceful_shutdown &&
      (known == communities.end() || *known != kGracefulShutdownCommunity)) {
    communities.insert(known, kGracefulShutdownCommunity);
  }
  PutList(kCommunities, communities, PutU32, &out);
  PutList(kExtendedCommunities, attributes.extended_communities, PutU64, &out);
  if (context.ebgp && !context.four_octet_as &&
      context.local_as > std::numeric_limits<uint16_t>::max()) {
    PutAttribute(kOptionalTransitive, kAs4Path, AsSequence(context.local_as, copies, true), &out);
  }
  PutList(
      kLargeCommunities, attributes.large_communities,
      [](Bytes* value, const std::array<uint32_t, 3>& large) {
        for (uint32_t part : large) PutU32(value, part);
      },
      &out);
  return out;
}

}  // namespace openelb::bgp
