#include "controller/kube/scraper_reviewer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/kube/text_at.h"

namespace openelb::kube {
namespace {

using codec::Value;

constexpr char kPath[] = "/metrics";
constexpr absl::Duration kPatience = absl::Seconds(2);  // of each call: a scraper waits

bool IsTrue(const Value& object, absl::string_view key) {
  const Value* status = object.Find("status");
  const Value* flag = status == nullptr ? nullptr : status->Find(key);
  return flag != nullptr && flag->boolean() != nullptr && *flag->boolean();
}

absl::Status NoAnswer(absl::string_view what, const absl::Status& why) {
  return absl::UnavailableError(absl::StrCat("token: ", what, ": ", why.message()));
}

}  // namespace

Value MakeScraperTokenReview(const std::string& token) {
  Value review;
  review["apiVersion"] = "authentication.k8s.io/v1";
  review["kind"] = "TokenReview";
  review["spec"]["token"] = token;
  return review;
}

absl::StatusOr<Value> MakeScraperAccessReview(const Value& token_review) {
  const Value* status = token_review.Find("status");
  if (status == nullptr) return absl::UnavailableError("token review: an answer without a status");
  if (!IsTrue(token_review, "authenticated")) {
    const std::string why = TextAt(token_review, {"status", "error"});
    return absl::UnauthenticatedError(
        absl::StrCat("token: the API server does not accept it", why.empty() ? "" : ": ", why));
  }
  const std::string name = TextAt(token_review, {"status", "user", "username"});
  if (name.empty()) return absl::UnauthenticatedError("token: it names no user");
  const Value& user = *status->Find("user");
  Value review;
  review["apiVersion"] = "authorization.k8s.io/v1";
  review["kind"] = "SubjectAccessReview";
  Value& spec = review["spec"];
  spec["user"] = name;
  for (const char* key : {"uid", "groups", "extra"}) {
    if (const Value* value = user.Find(key); value != nullptr) spec[key] = *value;
  }
  spec["nonResourceAttributes"]["path"] = kPath;
  spec["nonResourceAttributes"]["verb"] = "get";
  return review;
}

absl::Status AccessOf(const Value& access_review) {
  if (access_review.Find("status") == nullptr)
    return absl::UnavailableError("access review: an answer without a status");
  if (IsTrue(access_review, "allowed")) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("user \"", TextAt(access_review, {"spec", "user"}), "\" may not get ", kPath));
}

ScraperReviewer::ScraperReviewer(Client* client, Post post)
    : client_(client), gate_(std::make_shared<PostGate>(std::move(post))) {}

ScraperReviewer::~ScraperReviewer() {
  gate_->Shut();
  *alive_ = false;
}

void ScraperReviewer::Review(const std::string& token, Done done) {
  gate_->Post([this, alive = alive_, token, done = std::move(done)] {
    if (*alive) Ask(token, done);
  });
}

void ScraperReviewer::Ask(const std::string& token, Done done) {
  const auto create = [this](const char* path, Value object, Client::Done answered) {
    client_->Call({.method = "POST",
                   .path = path,
                   .content_type = kJson,
                   .body = std::move(object),
                   .timeout = kPatience},
                  std::move(answered));
  };
  create("/apis/authentication.k8s.io/v1/tokenreviews", MakeScraperTokenReview(token),
         [alive = alive_, create, done](const absl::StatusOr<Value>& reviewed) {
           if (!*alive) return;
           // An error of the call, 401 included, is about our own credentials.
           if (!reviewed.ok()) return done(NoAnswer("it cannot be reviewed", reviewed.status()));
           absl::StatusOr<Value> access = MakeScraperAccessReview(*reviewed);
           if (!access.ok()) return done(access.status());
           create("/apis/authorization.k8s.io/v1/subjectaccessreviews", *std::move(access),
                  [alive, done](const absl::StatusOr<Value>& answered) {
                    if (!*alive) return;
                    done(answered.ok()
                             ? AccessOf(*answered)
                             : NoAnswer("its access cannot be reviewed", answered.status()));
                  });
         });
}

}  // namespace openelb::kube
