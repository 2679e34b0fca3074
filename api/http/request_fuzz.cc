// Any octets as a request: whatever pieces they come in, the same comes of them.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "api/http/request.h"

namespace openelb::http {
namespace {

std::string Outcome(absl::string_view octets, size_t piece, const Takes& takes) {
  RequestReader request(takes);
  while (!octets.empty() && !request.complete() && !request.refusal()) {
    request.Take(octets.substr(0, piece));
    octets.remove_prefix(std::min(piece, octets.size()));
  }
  if (request.refusal()) return Render(*request.refusal());
  if (!request.complete()) return "";
  const Request read = request.request();
  return Render({200, read.method + read.path + "\n" + read.authorization + "\n" + read.body});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view octets(reinterpret_cast<const char*>(data), size);
  for (const Takes& takes : {Takes(), Takes{.methods = {"POST"}, .most_body = 4 << 20}}) {
    if (Outcome(octets, octets.size() + 1, takes) != Outcome(octets, 1, takes)) abort();
  }
  return 0;
}

}  // namespace openelb::http
