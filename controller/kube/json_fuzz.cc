// Any bytes as an API server's answer: reading ends, and what was read can be written and read back
// as the same.

#include <cstdint>
#include <cstdlib>

#include "api/codec/write.h"
#include "controller/kube/json.h"

namespace openelb::kube {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::StatusOr<codec::Value> value =
      ParseJson(absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!value.ok()) return 0;
  const std::string json = codec::ToJson(*value);
  const absl::StatusOr<codec::Value> again = ParseJson(json);
  if (!again.ok() || codec::ToJson(*again) != json) abort();
  return 0;
}

}  // namespace openelb::kube
