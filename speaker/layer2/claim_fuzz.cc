// Any octets as a datagram of claims: the decoder never reads past the end, takes nothing that is
// not signed, and what it takes survives being written again. The first octet chooses whether the
// rest is signed before it is read, and which octet is changed afterwards.
#include <cstdlib>
#include <string>
#include <vector>

#include "speaker/layer2/claim.h"

namespace openelb::layer2 {
namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t choice = data[0];
  const ClaimWay way{IpAddress::FromV4(0x0a000001), IpAddress::FromV4(0x0a000002)};
  const std::vector<std::string> secrets = {"other", "secret"};
  Bytes datagram(data + 1, data + size);
  const bool sign = (choice & 1) != 0;
  if (sign) SignClaims(way, "secret", &datagram);

  ClaimMessage message;
  const std::optional<ClaimDrop> drop = DecodeClaims(datagram, way, secrets, &message);
  Check(!sign || drop != ClaimDrop::kDigest);
  if (drop.has_value()) return 0;
  ClaimMessage again;
  const Bytes encoded = EncodeClaims(message.stamp, message.claims, way, "other");
  Check(!DecodeClaims(encoded, way, secrets, &again).has_value());
  Check(again == message);
  const size_t fit = ClaimsThatFit(message.claims);
  Check(fit == message.claims.size() || encoded.size() > kMaxClaimDatagram);
  // One bit anywhere makes it worthless.
  datagram[choice % datagram.size()] ^= 1;
  Check(DecodeClaims(datagram, way, secrets, &again).has_value());
  return 0;
}

}  // namespace openelb::layer2
