#pragma once
// resourceVersion: opaque, but where both are numbers the larger one is the later (Kubernetes
// 1.35 promises what etcd always gave).

#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"

namespace openelb::kube {

// `a` is known to come before `b`.
inline bool IsEarlier(absl::string_view a, absl::string_view b) {
  uint64_t first = 0;
  uint64_t second = 0;
  return absl::SimpleAtoi(a, &first) && absl::SimpleAtoi(b, &second) && first < second;
}

// `a` is known not to come before `b`.
inline bool IsSameOrLater(absl::string_view a, absl::string_view b) {
  uint64_t first = 0;
  uint64_t second = 0;
  return absl::SimpleAtoi(a, &first) && absl::SimpleAtoi(b, &second) && first >= second;
}

}  // namespace openelb::kube
