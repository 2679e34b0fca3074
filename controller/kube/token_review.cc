#include "controller/kube/token_review.h"

#include <algorithm>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "controller/kube/json.h"

namespace openelb::kube {
namespace {

using codec::Value;

constexpr const char* kPodName = "authentication.kubernetes.io/pod-name";
constexpr const char* kNodeName = "authentication.kubernetes.io/node-name";

const Value* Find(const Value* value, absl::string_view key) {
  return value == nullptr ? nullptr : value->Find(key);
}

std::string Text(const Value* value) {
  return value == nullptr || value->string() == nullptr ? "" : *value->string();
}

std::vector<std::string> Texts(const Value* value) {
  std::vector<std::string> texts;
  if (value == nullptr || value->list() == nullptr) return texts;
  for (const Value& item : *value->list()) texts.push_back(Text(&item));
  return texts;
}

// Of a key with exactly one value.
std::string Extra(const Value* user, absl::string_view key) {
  const std::vector<std::string> values = Texts(Find(Find(user, "extra"), key));
  return values.size() == 1 ? values[0] : "";
}

}  // namespace

std::string SpeakerAccount::User() const {
  return absl::StrCat("system:serviceaccount:", namespace_name, ":", name);
}

Value MakeTokenReview(const std::string& token, const SpeakerAccount& account) {
  Value review;
  review["apiVersion"] = "authentication.k8s.io/v1";
  review["kind"] = "TokenReview";
  review["spec"]["token"] = token;
  review["spec"]["audiences"].Append(account.audience);
  return review;
}

absl::StatusOr<std::string> NodeOfReview(const Value& review, const SpeakerAccount& account) {
  const Value* status = review.Find("status");
  if (status == nullptr) return absl::UnavailableError("token review: an answer without a status");
  const Value* authenticated = status->Find("authenticated");
  if (authenticated == nullptr || authenticated->boolean() == nullptr ||
      !*authenticated->boolean()) {
    const std::string why = Text(status->Find("error"));
    return absl::UnauthenticatedError(
        absl::StrCat("token: the API server does not accept it", why.empty() ? "" : ": ", why));
  }
  const std::vector<std::string> audiences = Texts(status->Find("audiences"));
  if (std::find(audiences.begin(), audiences.end(), account.audience) == audiences.end()) {
    return absl::UnauthenticatedError(absl::StrCat("token: audience: \"",
                                                   absl::StrJoin(audiences, ", "), "\" (needed: \"",
                                                   account.audience, "\")"));
  }
  const Value* user = status->Find("user");
  if (const std::string name = Text(Find(user, "username")); name != account.User()) {
    return absl::UnauthenticatedError(
        absl::StrCat("token: user: \"", name, "\" (needed: \"", account.User(), "\")"));
  }
  for (const char* key : {kPodName, kNodeName}) {
    if (Extra(user, key).empty()) {
      return absl::UnauthenticatedError(absl::StrCat(
          "token: user.extra: no ", key, ": it must be a projected token of the speaker's pod"));
    }
  }
  return Extra(user, kNodeName);
}

std::optional<absl::Time> ExpiryOfToken(absl::string_view token) {
  const std::vector<absl::string_view> parts = absl::StrSplit(token, '.');
  std::string payload;
  if (parts.size() != 3 || !absl::WebSafeBase64Unescape(parts[1], &payload)) return std::nullopt;
  const auto claims = ParseJson(payload);
  if (!claims.ok()) return std::nullopt;
  const Value* exp = claims->Find("exp");
  // Within the years 1970..9999.
  constexpr int64_t kLast = 253'402'300'799;
  if (exp == nullptr || exp->integer() == nullptr || *exp->integer() < 0 ||
      *exp->integer() > kLast) {
    return std::nullopt;
  }
  return absl::FromUnixSeconds(static_cast<int64_t>(*exp->integer()));
}

}  // namespace openelb::kube
