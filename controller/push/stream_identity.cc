#include "controller/push/stream_identity.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::push {

std::optional<std::string> StreamIdentity::Next(absl::Duration now) {
  if (asked_) return std::nullopt;
  if (offered_) {
    asked_ = std::exchange(offered_, std::nullopt);
  } else if (now >= check_at_) {
    asked_ = next_;
  }
  return asked_;
}

absl::Status StreamIdentity::OnAnswer(const absl::StatusOr<Identity>& answer, absl::Duration now) {
  const std::string asked = *std::exchange(asked_, std::nullopt);
  if (answer.ok()) {
    if (!node_.empty() && node_ != answer->node) {
      return absl::PermissionDeniedError(absl::StrCat("token: the renewed one is bound to node \"",
                                                      answer->node, "\", the stream is of node \"",
                                                      node_, "\""));
    }
    node_ = answer->node;
    token_ = next_ = asked;
    check_at_ = now + answer->recheck;
    return absl::OkStatus();
  }
  if (node_.empty()) return answer.status();
  check_at_ = now + kRetry;
  if (!absl::IsUnauthenticated(answer.status())) {
    next_ = asked;
    return absl::OkStatus();
  }
  // A renewed token that is no good leaves the last one to be judged by itself.
  next_ = token_;
  return asked == token_ ? answer.status() : absl::OkStatus();
}

}  // namespace openelb::push
