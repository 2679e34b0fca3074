#pragma once
// Who is at the other end of a stream, and whether that still holds: tokens expire, and speakers
// send renewed ones. Pure.
//
// A live stream ends only when it is certain that its token has lost its meaning: while that cannot
// be told, it stays, because its speaker keeps its plan either way.

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/push/authenticator.h"

namespace openelb::push {

class StreamIdentity {
 public:
  static constexpr absl::Duration kRetry = absl::Seconds(10);  // while nothing can be told

  // The token that the stream was opened with.
  explicit StreamIdentity(std::string token) : offered_(std::move(token)) {}

  // The speaker has sent a renewed token.
  void OnRenewed(std::string token) { offered_ = std::move(token); }
  // The token to ask about now; nullopt: none, or one is being asked about.
  std::optional<std::string> Next(absl::Duration now);
  // The answer about it. Not OK: the stream must end, with this.
  absl::Status OnAnswer(const absl::StatusOr<Identity>& answer, absl::Duration now);

  // Empty until the first answer.
  const std::string& node() const { return node_; }

 private:
  std::string node_;
  std::string token_;                   // the last good one
  std::optional<std::string> offered_;  // to be asked about at once
  std::string next_;                    // to be asked about at check_at_
  absl::Duration check_at_;
  std::optional<std::string> asked_;  // under way
};

}  // namespace openelb::push
