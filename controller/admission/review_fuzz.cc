// Any bytes as an API server's question: reading ends, and what could be read is judged and
// answered.

#include <cstdint>
#include <cstdlib>

#include "controller/admission/judge.h"
#include "controller/kube/json.h"

namespace openelb::admission {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::StatusOr<Review> review =
      ReadReview(absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!review.ok()) return 0;
  Knowledge known("openelb-system");
  const std::string answer = WriteVerdict(*review, Judge(*review, &known));
  if (!kube::ParseJson(answer).ok()) abort();
  if (!review->object.object) return 0;
  const std::string change = WriteVerdict(*review, {.annotations = {{"a/b~c", "d"}}});
  if (!kube::ParseJson(change).ok()) abort();
  return 0;
}

}  // namespace openelb::admission
