#pragma once
// What a TokenReview says about a speaker's token.

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/codec/value.h"

namespace openelb::kube {

struct SpeakerAccount {
  std::string audience = "openelb-controller";
  std::string namespace_name = "openelb-system";
  std::string name = "openelb-speaker";

  std::string User() const;  // as the API server names it
};

// The object to create.
codec::Value MakeTokenReview(const std::string& token, const SpeakerAccount& account);

// The node that the reviewed token is bound to, through the pod it was made for. Errors:
// Unauthenticated saying what is wrong with it (never the token), Unavailable when `review` is no
// answer.
absl::StatusOr<std::string> NodeOfReview(const codec::Value& review, const SpeakerAccount& account);

// When a token expires by its own word (claim "exp" of a JWT, RFC 7519); nullopt: it says nothing.
// Good for planning, not for trusting: the signature is not checked.
std::optional<absl::Time> ExpiryOfToken(absl::string_view token);

}  // namespace openelb::kube
