// Any octets as a router solicitation or advertisement: the check never reads past the end, and
// lets nothing through that is shorter than its kind.
#include <cstdlib>

#include "speaker/ndp/router.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace openelb::ndp;  // NOLINT(google-build-using-namespace)
  const auto source = openelb::IpAddress::Parse("fe80::1").value();
  const auto type = ParseRouterMessage({data, size}, source, 255);
  if (!type.has_value()) return 0;
  if (size < SerializeRouterMessage(*type).size() || size % 8 != 0) std::abort();
  return 0;
}
