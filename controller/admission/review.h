#pragma once
// What an API server asks a webhook, and the answer (admission.k8s.io AdmissionReview). Pure: texts
// in, texts out. Anybody may call a webhook, so nothing of the text is believed.

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "api/codec/decode.h"

namespace openelb::admission {

enum class Operation { kCreate, kUpdate, kDelete };
// "CREATE", "UPDATE" or "DELETE".
absl::string_view OperationName(Operation operation);

struct Review {
  std::string api_version;  // of the review itself, for the answer
  std::string uid;
  std::string kind;  // of the object
  Operation operation = Operation::kCreate;
  std::string user;
  codec::Decoded object;  // as it is to be; of DELETE as it is
  codec::Decoded before;  // of UPDATE alone
};

// Error: InvalidArgument, one sentence for whoever called.
absl::StatusOr<Review> ReadReview(absl::string_view text);

struct Verdict {
  bool allowed = true;
  // Of a refusal: an HTTP status code, the reason as of metav1.Status, and a sentence that names
  // field and remedy.
  int code = 0;
  std::string reason;
  std::string message;
  std::vector<std::string> warnings;
  // Annotations that the object is to have besides its own.
  std::map<std::string, std::string> annotations;
  // The refusal follows from other objects, of which newer news may be under way.
  bool of_others = false;

  bool operator==(const Verdict&) const = default;
};

Verdict Refuse(int code, std::string reason, std::string message);

// The AdmissionReview that says so, as JSON.
std::string WriteVerdict(const Review& review, const Verdict& verdict);

}  // namespace openelb::admission
