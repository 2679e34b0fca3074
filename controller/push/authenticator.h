#pragma once
// The seam to who a speaker is: the node that its token is bound to.

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace openelb::push {

struct Identity {
  std::string node;
  // After so long the token is to be checked again: it may have expired.
  absl::Duration recheck = absl::InfiniteDuration();
};

class Authenticator {
 public:
  // Unauthenticated: the token is bound to no node. Unavailable: that cannot be told now.
  using Done = std::function<void(absl::StatusOr<Identity>)>;

  virtual ~Authenticator() = default;
  // Calls `done` once, from any thread, maybe before it returns. Callable from any thread.
  virtual void Authenticate(const std::string& token, Done done) = 0;
};

}  // namespace openelb::push
