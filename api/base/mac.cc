#include "api/base/mac.h"

namespace openelb {

std::string MacAddress::ToString() const {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (uint8_t octet : octets_) {
    if (!text.empty()) text += ':';
    text += kDigits[octet >> 4];
    text += kDigits[octet & 15];
  }
  return text;
}

}  // namespace openelb
