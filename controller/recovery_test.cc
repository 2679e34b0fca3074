#include "controller/recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace openelb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr absl::Duration kPatience = absl::Seconds(10);
constexpr absl::Duration kNow = absl::Seconds(100);
const absl::Duration kJustBefore = kNow + kPatience - absl::Nanoseconds(1);

plan::v1::Hello Holding(uint64_t epoch, uint64_t counter) {
  plan::v1::Hello hello;
  hello.mutable_generation()->set_epoch(epoch);
  hello.mutable_generation()->set_counter(counter);
  hello.set_largest_epoch(epoch);
  return hello;
}

plan::v1::Announced Announces(const std::string& service, const std::string& address,
                              bool last = true) {
  plan::v1::Announced announced;
  plan::v1::AnnouncedAddress* entry = announced.add_addresses();
  entry->set_address(address);
  entry->add_services(service);
  announced.set_last(last);
  return announced;
}

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

TEST(RecoveryTest, NothingIsDoneBeforeItBegins) {
  Recovery recovery(kPatience);
  recovery.OnSpeakerUp("n1", Holding(3, 1), 4);
  EXPECT_FALSE(recovery.IsDone(absl::Hours(1)));
  EXPECT_EQ(recovery.deadline(), absl::InfiniteDuration());
}

TEST(RecoveryTest, WithoutSpeakersThereIsNothingToWaitFor) {
  Recovery recovery(kPatience);
  recovery.Begin(std::set<std::string>{}, kNow);
  EXPECT_TRUE(recovery.IsDone(kNow));
}

TEST(RecoveryTest, OneSpeakerThatHasSeenNoLaterLeaderIsEnough) {
  Recovery recovery(kPatience);
  recovery.Begin(std::set<std::string>{"n1", "n2"}, kNow);
  EXPECT_FALSE(recovery.IsDone(kNow));
  recovery.OnSpeakerUp("n1", plan::v1::Hello(), 4);
  EXPECT_FALSE(recovery.IsDone(kNow)) << "one without a plan says nothing";
  recovery.OnSpeakerUp("n2", Holding(3, 7), 4);
  EXPECT_TRUE(recovery.IsDone(kNow));
  EXPECT_FALSE(recovery.Asks());
}

TEST(RecoveryTest, SpeakersThatDoNotComeAreNotWaitedForForEver) {
  Recovery recovery(kPatience);
  recovery.Begin(std::set<std::string>{"n1"}, kNow);
  EXPECT_FALSE(recovery.IsDone(kJustBefore));
  EXPECT_TRUE(recovery.IsDone(recovery.deadline()));
}

TEST(RecoveryTest, ALaterEpochMeansThatTheStoreForgot) {
  Recovery recovery(kPatience);
  recovery.Begin(std::set<std::string>{"n1", "n2"}, kNow);
  recovery.OnSpeakerUp("n1", Holding(9, 7), 4);
  EXPECT_TRUE(recovery.Asks());
  recovery.OnAnnounced("n1", Announces("ns/a", "10.0.0.1", /*last=*/false));
  EXPECT_FALSE(recovery.IsDone(kNow));
  recovery.OnAnnounced("n1", Announces("ns/b", "10.0.0.2"));
  EXPECT_FALSE(recovery.IsDone(kNow)) << "n2 may know more";
  recovery.OnSpeakerUp("n2", Holding(9, 8), 4);
  recovery.OnAnnounced("n2", Announces("ns/a", "10.0.0.3"));
  EXPECT_TRUE(recovery.IsDone(kNow));
  EXPECT_THAT(recovery.announced(),
              UnorderedElementsAre(Pair("ns/a", Ip("10.0.0.3")), Pair("ns/b", Ip("10.0.0.2"))))
      << "the newer plan counts";
}

TEST(RecoveryTest, OurOwnEpochSeenBeforeWeSentAnythingIsAnothers) {
  Recovery recovery(kPatience);
  recovery.Begin(std::set<std::string>{"n1"}, kNow);
  recovery.OnSpeakerUp("n1", Holding(4, 7), 4);
  EXPECT_TRUE(recovery.Asks());
}

TEST(RecoveryTest, AStoreThatLooksOldIsNotBelievedWhateverTheEpoch) {
  Recovery recovery(kPatience);
  recovery.DistrustStore();
  recovery.Begin(std::set<std::string>{"n1"}, kNow);
  recovery.OnSpeakerUp("n1", Holding(3, 7), 4);
  EXPECT_TRUE(recovery.Asks());
  EXPECT_FALSE(recovery.IsDone(kNow));
  recovery.OnAnnounced("n1", Announces("ns/a", "10.0.0.1"));
  EXPECT_TRUE(recovery.IsDone(kNow));
}

TEST(RecoveryTest, WithoutFactsEverySpeakerMayBeOneOfMany) {
  Recovery recovery(kPatience);
  recovery.OnSpeakerUp("n1", Holding(3, 7), 4);
  recovery.Begin(std::nullopt, kNow);
  EXPECT_TRUE(recovery.Asks());
  recovery.OnAnnounced("n1", Announces("ns/a", "10.0.0.1"));
  EXPECT_FALSE(recovery.IsDone(kJustBefore));
  EXPECT_TRUE(recovery.IsDone(recovery.deadline()));
}

TEST(RecoveryTest, ANewClusterIsServedWhenItsFirstSpeakerComes) {
  Recovery recovery(kPatience);
  recovery.Begin(std::nullopt, kNow);
  EXPECT_FALSE(recovery.IsDone(kNow));
  recovery.OnSpeakerUp("n1", plan::v1::Hello(), 1);
  EXPECT_TRUE(recovery.IsDone(kNow));
}

TEST(RecoveryTest, ChoicesOfTheNewestPlanComeLast) {
  Recovery recovery(kPatience);
  const auto say = [&](const std::string& node, uint64_t counter, const std::string& owner) {
    plan::v1::Announced announced = Announces("ns/a", "10.0.0.1");
    announced.mutable_addresses(0)->add_ranks(owner);
    announced.add_addresses()->set_address("10.0.0.2");  // a route, which nobody was chosen for
    recovery.OnSpeakerUp(node, Holding(9, counter), 4);
    recovery.OnAnnounced(node, announced);
  };
  say("n1", 8, "old");
  say("n1", 8, "n1");  // a new stream
  say("n2", 7, "n2");
  std::vector<std::string> told;
  for (const auto& [node, choice] : recovery.TakeChoices())
    told.push_back(absl::StrCat(node, ": ", choice.ranks(0)));
  EXPECT_THAT(told, ElementsAre("n2: n2", "n1: n1"));
  EXPECT_THAT(recovery.TakeChoices(), IsEmpty());
}

TEST(RecoveryTest, WhatIsNoAddressIsPassedOver) {
  Recovery recovery(kPatience);
  recovery.OnSpeakerUp("n1", Holding(3, 7), 4);
  recovery.OnAnnounced("n1", Announces("ns/a", "10.0.0.1/32"));
  EXPECT_THAT(recovery.announced(), IsEmpty());
}

}  // namespace
}  // namespace openelb
