#include "api/network/v1alpha2/eip.h"

namespace openelb::network {

absl::string_view ProtocolName(Protocol protocol) {
  switch (protocol) {
    case Protocol::kBgp:
      return "bgp";
    case Protocol::kLayer2:
      return "layer2";
    case Protocol::kVip:
      return "vip";
  }
  return "";
}

}  // namespace openelb::network
