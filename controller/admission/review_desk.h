#pragma once
// From requests to answers, over the controller's thread, which alone knows the cluster.
//
// Life of a request: its text is read here; the reviews that wait go to the controller's thread in
// one message, of which one at a time is under way; the verdict is the answer, unless it is a
// refusal that newer news may overturn, such as of a Secret created a moment before the BgpPeer
// that names it: then it is asked for again for a while. What has no verdict in time is answered
// with "try again": whether the object then passes is for the webhook's failurePolicy to say.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/event_loop.h"
#include "api/base/post.h"
#include "api/http/request.h"
#include "controller/admission/review.h"

namespace openelb::admission {

inline constexpr const char* kValidatePath = "/validate";
// That of OpenELB's own webhook, which an installation may still have.
inline constexpr const char* kOldValidatePath = "/validate-network-kubesphere-io-v1alpha2-eip";
inline constexpr const char* kMutatePath = "/mutate-services";

// Totals since the start.
struct ReviewCounters {
  // By kind, operation and verdict: "allowed", "changed", "refused", or "unanswered" in time.
  std::map<std::tuple<std::string, std::string, std::string>, uint64_t> reviews;
  uint64_t no_path = 0;    // requests for a path that is none of these
  uint64_t no_review = 0;  // requests that are none of an API server's
};

class ReviewDesk final : public EventLoopWork {
 public:
  using Reply = std::function<void(http::Answer)>;
  // On the controller's thread. nullopt: nothing is known of the cluster yet.
  using Judgement = std::function<std::optional<Verdict>(const Review&)>;

  static constexpr absl::Duration kPatience = absl::Milliseconds(1500);  // of the controller
  static constexpr absl::Duration kNewsMayTake = absl::Milliseconds(500);
  static constexpr absl::Duration kAskAgain = absl::Milliseconds(50);

  struct Seams {
    const Clock* clock;
    Post to_controller;
    Post to_desk;
  };
  // By path.
  ReviewDesk(std::map<std::string, Judgement, std::less<>> judgements, Seams seams)
      : judgements_(std::move(judgements)), seams_(std::move(seams)) {}

  void OnRequest(const std::string& path, absl::string_view body, Reply reply);

  void Turn() override;
  absl::Duration NextWakeup() override;

  const ReviewCounters& counters() const { return counters_; }

 private:
  struct Waiting {
    std::shared_ptr<const Review> review;
    const Judgement* judgement;
    Reply reply;
    absl::Duration deadline;
    absl::Duration news_until;
    absl::Duration ask_at;
  };
  using Verdicts = std::vector<std::pair<uint64_t, std::optional<Verdict>>>;
  void Ask(absl::Duration now);
  void OnVerdicts(const Verdicts& verdicts);
  void Finish(std::map<uint64_t, Waiting>::iterator it, const char* verdict, http::Answer answer);

  const std::map<std::string, Judgement, std::less<>> judgements_;
  const Seams seams_;
  std::map<uint64_t, Waiting> waiting_;
  uint64_t next_id_ = 0;
  bool asking_ = false;  // a message is under way
  ReviewCounters counters_;
};

}  // namespace openelb::admission
