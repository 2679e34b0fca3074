#include "controller/admission/review_desk.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::admission {
namespace {

http::Answer TryAgain(absl::string_view why) { return {503, absl::StrCat(why, ": try again\n")}; }

}  // namespace

void ReviewDesk::OnRequest(const std::string& path, absl::string_view body, Reply reply) {
  const auto judgement = judgements_.find(path);
  if (judgement == judgements_.end()) {
    ++counters_.no_path;
    return reply({404, "no such webhook\n"});
  }
  absl::StatusOr<Review> review = ReadReview(body);
  if (!review.ok()) {
    ++counters_.no_review;
    return reply({400, absl::StrCat(review.status().message(), "\n")});
  }
  const absl::Duration now = seams_.clock->Monotonic();
  waiting_[next_id_++] = {.review = std::make_shared<const Review>(*std::move(review)),
                          .judgement = &judgement->second,
                          .reply = std::move(reply),
                          .deadline = now + kPatience,
                          .news_until = now + kNewsMayTake,
                          .ask_at = now};
}

void ReviewDesk::Turn() {
  const absl::Duration now = seams_.clock->Monotonic();
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    const auto next = std::next(it);
    if (it->second.deadline <= now)
      Finish(it, "unanswered", TryAgain("the controller has too much to do to answer"));
    it = next;
  }
  Ask(now);
}

void ReviewDesk::Ask(absl::Duration now) {
  if (asking_) return;
  struct Question {
    uint64_t id;
    std::shared_ptr<const Review> review;
    Judgement judgement;
  };
  std::vector<Question> questions;
  for (auto& [id, waiting] : waiting_) {
    if (waiting.ask_at > now) continue;
    questions.push_back({id, waiting.review, *waiting.judgement});
  }
  if (questions.empty()) return;
  asking_ = true;
  seams_.to_controller([this, questions = std::move(questions), to_desk = seams_.to_desk] {
    Verdicts verdicts;
    verdicts.reserve(questions.size());
    for (const Question& question : questions)
      verdicts.emplace_back(question.id, question.judgement(*question.review));
    to_desk([this, verdicts = std::move(verdicts)] { OnVerdicts(verdicts); });
  });
}

void ReviewDesk::OnVerdicts(const Verdicts& verdicts) {
  asking_ = false;
  const absl::Duration now = seams_.clock->Monotonic();
  for (const auto& [id, verdict] : verdicts) {
    const auto it = waiting_.find(id);
    if (it == waiting_.end()) continue;
    if (!verdict) {
      Finish(it, "unanswered", TryAgain("the controller does not know the cluster's state yet"));
    } else if (!verdict->allowed && verdict->of_others && now < it->second.news_until) {
      it->second.ask_at = now + kAskAgain;
    } else {
      Finish(it,
             !verdict->allowed              ? "refused"
             : verdict->annotations.empty() ? "allowed"
                                            : "changed",
             {.status = 200,
              .body = WriteVerdict(*it->second.review, *verdict),
              .content_type = "application/json"});
    }
  }
}

void ReviewDesk::Finish(std::map<uint64_t, Waiting>::iterator it, const char* verdict,
                        http::Answer answer) {
  const Review& review = *it->second.review;
  ++counters_.reviews[{review.kind, std::string(OperationName(review.operation)), verdict}];
  it->second.reply(std::move(answer));
  waiting_.erase(it);
}

absl::Duration ReviewDesk::NextWakeup() {
  absl::Duration next = absl::InfiniteDuration();
  for (const auto& [id, waiting] : waiting_) {
    next = std::min(next, waiting.deadline);
    if (!asking_) next = std::min(next, waiting.ask_at);
  }
  return next;
}

}  // namespace openelb::admission
