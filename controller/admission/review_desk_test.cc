// The desk between two threads that are played by queues, in virtual time.

#include "controller/admission/review_desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "api/base/scheduler.h"

namespace openelb::admission {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kReview[] =
    R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u",)"
    R"("kind":{"kind":"Eip"},"operation":"CREATE","object":{"apiVersion":)"
    R"("network.kubesphere.io/v1alpha2","kind":"Eip","metadata":{"name":"pool"},)"
    R"("spec":{"address":"192.0.2.1"}}}})";

class ReviewDeskTest : public ::testing::Test {
 protected:
  void Send(const std::string& path = "/validate", const std::string& body = kReview) {
    desk_.OnRequest(path, body, [this](const http::Answer& answer) { answers_.push_back(answer); });
    desk_.Turn();
  }
  // The controller's thread, then the desk's.
  void Run() {
    for (auto* queue : {&controller_, &own_}) {
      std::deque<std::function<void()>> tasks;
      tasks.swap(*queue);
      for (const auto& task : tasks) task();
    }
    desk_.Turn();
  }
  void Wait(absl::Duration time) {
    const absl::Duration end = scheduler_.Monotonic() + time;
    while (desk_.NextWakeup() <= end) {
      scheduler_.RunUntil(std::max(scheduler_.Monotonic(), desk_.NextWakeup()));
      desk_.Turn();
      if (controller_works_) Run();
    }
    scheduler_.RunUntil(end);
  }
  uint64_t Count(const char* verdict) const {
    const auto found = desk_.counters().reviews.find({"Eip", "CREATE", verdict});
    return found == desk_.counters().reviews.end() ? 0 : found->second;
  }

  Scheduler scheduler_;
  std::deque<std::function<void()>> controller_;
  std::deque<std::function<void()>> own_;
  bool controller_works_ = true;
  int asked_ = 0;
  std::optional<Verdict> verdict_ = Verdict();
  std::vector<http::Answer> answers_;
  ReviewDesk desk_{{{"/validate",
                     [this](const Review&) {
                       ++asked_;
                       return verdict_;
                     }}},
                   {.clock = &scheduler_,
                    .to_controller = [this](const auto& task) { controller_.push_back(task); },
                    .to_desk = [this](const auto& task) { own_.push_back(task); }}};
};

Verdict Overlap() {
  Verdict verdict = Refuse(422, "Invalid", "spec.address: overlaps");
  verdict.of_others = true;
  return verdict;
}

TEST_F(ReviewDeskTest, TheVerdictIsTheAnswer) {
  Send();
  EXPECT_THAT(answers_, IsEmpty());
  Run();
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].status, 200);
  EXPECT_THAT(answers_[0].body, HasSubstr("\"allowed\":true"));
  EXPECT_EQ(Count("allowed"), 1u);
  EXPECT_EQ(desk_.NextWakeup(), absl::InfiniteDuration());
}

TEST_F(ReviewDeskTest, GarbageNeverReachesTheController) {
  Send("/validate", "garbage");
  Send("/nowhere");
  Run();
  ASSERT_EQ(answers_.size(), 2u);
  EXPECT_EQ(answers_[0].status, 400);
  EXPECT_THAT(answers_[0].body, HasSubstr("not JSON"));
  EXPECT_EQ(answers_[1].status, 404);
  EXPECT_EQ(asked_, 0);
  EXPECT_EQ(desk_.counters().no_review, 1u);
  EXPECT_EQ(desk_.counters().no_path, 1u);
}

TEST_F(ReviewDeskTest, ARefusalThatNewsOverturnIsNone) {
  verdict_ = Overlap();
  Send();
  Run();
  Wait(absl::Milliseconds(120));
  EXPECT_THAT(answers_, IsEmpty());
  verdict_ = Verdict();
  Wait(absl::Milliseconds(60));
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(Count("allowed"), 1u);
  EXPECT_EQ(Count("refused"), 0u);
}

TEST_F(ReviewDeskTest, ARefusalThatStandsIsToldSoon) {
  verdict_ = Overlap();
  Send();
  Run();
  Wait(absl::Milliseconds(600));
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_THAT(answers_[0].body, HasSubstr("overlaps"));
  EXPECT_EQ(Count("refused"), 1u);
  EXPECT_LE(asked_, 12);
}

TEST_F(ReviewDeskTest, WhatIsWrongByItselfIsToldAtOnce) {
  verdict_ = Refuse(422, "Invalid", "spec.address: nonsense");
  Send();
  Run();
  EXPECT_EQ(answers_.size(), 1u);
}

TEST_F(ReviewDeskTest, ABusyControllerIsAskedOnceAndNotWaitedForLong) {
  controller_works_ = false;
  for (int i = 0; i < 10; ++i) Send();
  EXPECT_EQ(controller_.size(), 1u);
  Wait(absl::Seconds(1));
  EXPECT_THAT(answers_, IsEmpty());
  Wait(absl::Milliseconds(501));
  ASSERT_EQ(answers_.size(), 10u);
  EXPECT_EQ(answers_[0].status, 503);
  EXPECT_THAT(answers_[0].body, HasSubstr("try again"));
  EXPECT_EQ(Count("unanswered"), 10u);
  EXPECT_EQ(controller_.size(), 1u);
  // It comes to itself: what it says of requests that are over is nobody's.
  controller_works_ = true;
  Run();
  Send();
  Run();
  EXPECT_EQ(answers_.size(), 11u);
}

TEST_F(ReviewDeskTest, BeforeTheClusterIsKnownNothingIsSaid) {
  verdict_ = std::nullopt;
  Send();
  Run();
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].status, 503);
  EXPECT_THAT(answers_[0].body, HasSubstr("does not know the cluster's state yet"));
}

}  // namespace
}  // namespace openelb::admission
