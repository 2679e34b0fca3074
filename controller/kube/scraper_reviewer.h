#pragma once
// Whether whoever shows a token may read metrics, by the API server's word: a TokenReview says
// whose it is, then a SubjectAccessReview whether that user may GET the path /metrics. The same is
// asked by controller-runtime, so roles for scrapers are written alike.

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/base/post.h"
#include "api/codec/value.h"
#include "controller/kube/client.h"

namespace openelb::kube {

// The two objects to create, and what is read from their answers. Errors: Unauthenticated,
// PermissionDenied saying what is missing, Unavailable when the answer is none.
codec::Value MakeScraperTokenReview(const std::string& token);
absl::StatusOr<codec::Value> MakeScraperAccessReview(const codec::Value& token_review);
absl::Status AccessOf(const codec::Value& access_review);

class ScraperReviewer {
 public:
  // OK, or as above.
  using Done = std::function<void(absl::Status)>;

  // `client` belongs to the thread that `post` reaches, and outlives it.
  ScraperReviewer(Client* client, Post post);
  // On the owner thread. No `done` is called any more.
  ~ScraperReviewer();

  // Any thread; `done` is called on the owner thread.
  void Review(const std::string& token, Done done);

 private:
  void Ask(const std::string& token, Done done);

  Client* const client_;
  const std::shared_ptr<PostGate> gate_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // owner thread
};

}  // namespace openelb::kube
