// Any octets as a request: whatever pieces they come in, the same comes of them.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "controller/admission/http_request.h"

namespace openelb::admission {
namespace {

std::string Outcome(absl::string_view octets, size_t piece) {
  HttpRequest request;
  while (!octets.empty() && !request.complete() && !request.refusal()) {
    request.Take(octets.substr(0, piece));
    octets.remove_prefix(std::min(piece, octets.size()));
  }
  if (request.refusal()) return RenderHttp(*request.refusal());
  if (!request.complete()) return "";
  return RenderHttp({200, request.path() + "\n" + std::string(request.body())});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view octets(reinterpret_cast<const char*>(data), size);
  if (Outcome(octets, octets.size() + 1) != Outcome(octets, 1)) abort();
  return 0;
}

}  // namespace openelb::admission
