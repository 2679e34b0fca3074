#include "controller/kube/lease_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/codec/parse.h"
#include "api/codec/write.h"

namespace openelb::kube {
namespace {

using codec::Value;
using ::testing::HasSubstr;

using Role = Leadership::Role;

// As client-go writes it.
constexpr char kOldLease[] = R"({
  "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
  "metadata": {"name": "openelb-controller", "namespace": "openelb-system", "resourceVersion": "7",
               "labels": {"kept": "yes"}, "annotations": {"other": "kept"}},
  "spec": {"holderIdentity": "old-pod_4c5f", "leaseDurationSeconds": 15,
           "acquireTime": "2025-12-31T23:00:00.123456Z", "renewTime": "2025-12-31T23:59:59.000000Z",
           "leaseTransitions": 4, "strategy": "OldestEmulationVersion"}})";

Value Parse(const std::string& json) { return codec::ParseYaml(json).documents.at(0).value; }

TEST(LeaseTest, ReadsWhatClientGoWritesAndLeavesTheRest) {
  Value lease = Parse(kOldLease);
  LeaseRecord record = ReadLease(lease);
  EXPECT_EQ(record.holder, "old-pod_4c5f");
  EXPECT_EQ(record.duration, absl::Seconds(15));
  EXPECT_EQ(record.transitions, 4);
  EXPECT_EQ(record.epoch, 0u);
  record.holder = "new-pod_1";
  record.epoch = 5;
  record.endpoint = "10.0.0.1:50051";
  record.renewed = absl::FromUnixMicros(1767225600'000001);
  WriteLease(record, &lease);
  EXPECT_EQ(codec::ToJson(lease), codec::ToJson(Parse(R"({
  "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
  "metadata": {"name": "openelb-controller", "namespace": "openelb-system", "resourceVersion": "7",
               "labels": {"kept": "yes"},
               "annotations": {"other": "kept", "openelb.kubesphere.io/epoch": "5",
                               "openelb.kubesphere.io/endpoint": "10.0.0.1:50051"}},
  "spec": {"holderIdentity": "new-pod_1", "leaseDurationSeconds": 15,
           "acquireTime": "2025-12-31T23:00:00.123456Z", "renewTime": "2026-01-01T00:00:00.000001Z",
           "leaseTransitions": 4, "strategy": "OldestEmulationVersion"}})")));
  EXPECT_EQ(ReadLease(lease).epoch, 5u);
}

TEST(LeaseTest, WhatMakesNoSenseCountsAsMissing) {
  const struct {
    const char* lease;
    absl::Duration duration;
    uint64_t epoch;
    const char* damage;
  } kCases[] = {
      {"{}", absl::Seconds(15), 0, ""},
      {R"({"spec": [], "metadata": "x"})", absl::Seconds(15), 0, ""},
      {R"({"spec": {"leaseDurationSeconds": 86400}})", absl::Minutes(1), 0, ""},
      {R"({"spec": {"leaseDurationSeconds": -3, "leaseTransitions": -1, "holderIdentity": 3}})",
       absl::Seconds(15), 0, ""},
      {R"({"metadata": {"annotations": {"openelb.kubesphere.io/epoch": "12"}}})", absl::Seconds(15),
       12, ""},
      {R"({"metadata": {"annotations": {"openelb.kubesphere.io/epoch": "twelve"}}})",
       absl::Seconds(15), 0, "\"twelve\" is no epoch"},
      {R"({"metadata": {"annotations": {"openelb.kubesphere.io/epoch": "18446744073709551615"}}})",
       absl::Seconds(15), 0, "\"18446744073709551615\" is no epoch"},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.lease);
    const LeaseRecord record = ReadLease(Parse(test.lease));
    EXPECT_EQ(record.duration, test.duration);
    EXPECT_EQ(record.epoch, test.epoch);
    EXPECT_EQ(record.transitions, 0);
    EXPECT_EQ(record.holder, "");
    EXPECT_THAT(record.damage, HasSubstr(test.damage));
    EXPECT_EQ(record.damage.empty(), *test.damage == '\0');
    Value lease = Parse(test.lease);
    WriteLease(record, &lease);
    EXPECT_EQ(ReadLease(lease).epoch, test.epoch);
  }
}

class LeaseMachineTest : public ::testing::Test {
 protected:
  static LeaseOptions Options() { return {.identity = "pod-a_1", .pod = "pod-a"}; }
  // The next call's method; empty: none is due.
  std::string Next() {
    const auto call = machine_.Next(now_, absl::UnixEpoch());
    if (call) body_ = call->body;
    return call ? call->method : "";
  }
  void Answer(absl::StatusOr<Value> answer) { machine_.OnAnswer(std::move(answer), now_); }
  Value Held(const std::string& holder, uint64_t epoch, int transitions = 0) const {
    Value lease;
    WriteLease({.holder = holder,
                .duration = absl::Seconds(15),
                .transitions = transitions,
                .epoch = epoch},
               &lease);
    return lease;
  }
  void Lead() {
    ASSERT_EQ(Next(), "GET");
    Answer(absl::NotFoundError("none"));
    ASSERT_EQ(Next(), "POST");
    Answer(body_);
    ASSERT_EQ(machine_.leadership().role, Role::kLeading);
  }

  absl::Duration now_ = absl::Seconds(100);
  SeededRandom random_{1};
  LeaseMachine machine_{Options(), &random_};
  Value body_;
};

TEST_F(LeaseMachineTest, TheEpochExceedsAllThatIsKnown) {
  const struct {
    uint64_t annotation;
    int transitions;
    uint64_t seen;
    uint64_t epoch;
  } kCases[] = {{0, 0, 0, 1}, {7, 2, 3, 8}, {1, 9, 3, 10}, {1, 2, 30, 31}};
  for (const auto& test : kCases) {
    LeaseMachine machine(Options(), &random_);
    machine.RaiseAbove(test.seen);
    ASSERT_TRUE(machine.Next(now_, absl::UnixEpoch()).has_value());
    machine.OnAnswer(Held("", test.annotation, test.transitions), now_);
    const auto write = machine.Next(now_, absl::UnixEpoch());
    ASSERT_TRUE(write.has_value());
    EXPECT_EQ(write->method, "PUT");
    EXPECT_EQ(machine.leadership().epoch, 0u);  // not before it is kept
    machine.OnAnswer(write->body, now_);
    EXPECT_EQ(machine.leadership().epoch, test.epoch);
    EXPECT_EQ(ReadLease(write->body).transitions, test.transitions + 1);
  }
}

TEST_F(LeaseMachineTest, ALeaseThatNobodyRenewedForLongMayBeARestoredOne) {
  const absl::Time wall = absl::UnixEpoch() + absl::Hours(1);
  const struct {
    absl::Duration age;
    bool old;
  } kCases[] = {{absl::Seconds(-5), false},
                {absl::Seconds(1), false},
                {absl::Seconds(25), false},
                {absl::Seconds(26), true},
                {absl::Hours(1), true}};
  for (const auto& test : kCases) {
    SCOPED_TRACE(absl::FormatDuration(test.age));
    LeaseMachine machine(Options(), &random_);
    Value lease;
    WriteLease({.holder = "pod-a_0", .duration = absl::Seconds(15), .renewed = wall - test.age},
               &lease);
    ASSERT_TRUE(machine.Next(now_, wall));
    machine.OnAnswer(lease, now_);
    for (int renewal = 0; renewal < 2; ++renewal, now_ += absl::Seconds(2)) {
      const auto write = machine.Next(now_, wall);
      ASSERT_TRUE(write);
      machine.OnAnswer(write->body, now_);
      ASSERT_EQ(machine.leadership().role, Role::kLeading);
      EXPECT_EQ(machine.leadership().old_lease, test.old) << "renewal " << renewal;
    }
  }
}

// Lost must not be: what only the speakers know, when the one who asks them for it dies meanwhile.
TEST_F(LeaseMachineTest, TheNextLeaderGoesOnWithARecoveryThatWasCutShort) {
  const absl::Time wall = absl::UnixEpoch() + absl::Hours(1);
  Value lease;
  WriteLease({.holder = "pod-a_0", .renewed = wall - absl::Hours(1)}, &lease);
  const auto write = [&](LeaseMachine* machine) {
    std::optional<ApiCall> call = machine->Next(now_, wall);
    if (call && call->method == "GET") {
      machine->OnAnswer(lease, now_);
      call = machine->Next(now_, wall);
    }
    if (!call) return;
    lease = call->body;
    machine->OnAnswer(lease, now_);
    now_ += absl::Seconds(2);
  };
  LeaseMachine cut_short(Options(), &random_);
  write(&cut_short);
  LeaseMachine second(Options(), &random_);
  write(&second);
  EXPECT_TRUE(second.leadership().old_lease);
  EXPECT_TRUE(ReadLease(lease).recovering);
  second.Recovered();
  write(&second);
  EXPECT_FALSE(ReadLease(lease).recovering);
  LeaseMachine third(Options(), &random_);
  write(&third);
  EXPECT_FALSE(third.leadership().old_lease);
}

TEST_F(LeaseMachineTest, ARaiseIsWrittenAtOnceAndCountsOnceItIsKept) {
  Lead();
  EXPECT_EQ(machine_.leadership().epoch, 1u);
  EXPECT_EQ(Next(), "");
  machine_.RaiseAbove(40);
  machine_.RaiseAbove(~uint64_t{0});  // of no use to anybody
  EXPECT_LE(machine_.NextWakeup(), now_);
  EXPECT_EQ(Next(), "PUT");
  EXPECT_EQ(machine_.leadership().epoch, 1u);
  Answer(body_);
  EXPECT_EQ(machine_.leadership().epoch, 41u);
  EXPECT_EQ(Next(), "");
  machine_.RaiseAbove(12);
  EXPECT_EQ(Next(), "");
}

TEST_F(LeaseMachineTest, AnUpdateOfUnknownOutcomeIsLookedUp) {
  Lead();
  now_ += absl::Seconds(2);
  ASSERT_EQ(Next(), "PUT");
  Answer(absl::DeadlineExceededError("silence"));
  now_ = machine_.NextWakeup();
  ASSERT_EQ(Next(), "GET");
  Answer(Held("pod-a_1", 1));  // it was done
  ASSERT_EQ(Next(), "PUT");
  Answer(body_);
  EXPECT_EQ(machine_.leadership().role, Role::kLeading);
  EXPECT_EQ(machine_.leadership().epoch, 1u);
}

// Others can tell by its acquireTime that the store it is in is another one.
TEST_F(LeaseMachineTest, AnOlderLeaseOfOursIsTakenAnew) {
  const absl::Time wall = absl::UnixEpoch() + absl::Hours(1);
  Value lease = Held("", 4);
  int revision = 100;
  const auto write = [&](absl::Time at) {
    const auto call = machine_.Next(now_, at);
    ASSERT_TRUE(call && call->method == "PUT");
    lease = call->body;
    lease["metadata"]["resourceVersion"] = absl::StrCat(++revision);
    Answer(lease);
    now_ += absl::Seconds(2);
  };
  ASSERT_EQ(Next(), "GET");
  Answer(lease);
  write(wall);
  const Value snapshot = lease;
  write(wall + absl::Seconds(2));
  EXPECT_EQ(ReadLease(lease).acquired, wall);
  ASSERT_EQ(Next(), "PUT");
  Answer(absl::AbortedError("conflict"));
  ASSERT_EQ(Next(), "GET");
  Answer(snapshot);
  EXPECT_EQ(machine_.witness().restores(), 1u);
  // Until that is done.
  ASSERT_TRUE(machine_.Next(now_, wall + absl::Seconds(4)));
  Answer(absl::DeadlineExceededError("silence"));
  now_ = machine_.NextWakeup();
  ASSERT_EQ(Next(), "GET");
  Answer(snapshot);
  write(wall + absl::Seconds(5));
  EXPECT_EQ(ReadLease(lease).acquired, wall + absl::Seconds(5));
  write(wall + absl::Seconds(7));
  EXPECT_EQ(ReadLease(lease).acquired, wall + absl::Seconds(5));
  EXPECT_EQ(ReadLease(lease).transitions, ReadLease(snapshot).transitions);
  EXPECT_EQ(machine_.leadership().epoch, 5u);
  EXPECT_EQ(machine_.leadership().role, Role::kLeading);
  EXPECT_EQ(machine_.witness().restores(), 1u);
}

TEST_F(LeaseMachineTest, AnEarlierProcessOfThisPodIsNotWaitedFor) {
  ASSERT_EQ(Next(), "GET");
  Answer(Held("pod-a_0", 3));
  EXPECT_EQ(Next(), "PUT");
  Answer(body_);
  EXPECT_EQ(machine_.leadership().epoch, 4u);

  for (const char* holder : {"pod-ab_0", "pod-a", "other_pod-a_0"}) {
    LeaseMachine machine(Options(), &random_);
    ASSERT_TRUE(machine.Next(now_, absl::UnixEpoch()).has_value());
    machine.OnAnswer(Held(holder, 3), now_);
    EXPECT_FALSE(machine.Next(now_, absl::UnixEpoch()).has_value()) << holder;
  }
}

TEST_F(LeaseMachineTest, ConflictsAndARefusingServerAreNotAskedInALoop) {
  for (const absl::Status& error :
       {absl::AbortedError("conflict"), absl::NotFoundError("no namespace"),
        absl::PermissionDeniedError("forbidden"), absl::UnavailableError("away")}) {
    LeaseMachine machine(Options(), &random_);
    int calls = 0;
    for (const absl::Duration end = now_ + absl::Seconds(60); now_ < end;) {
      if (const auto call = machine.Next(now_, absl::UnixEpoch())) {
        ++calls;
        const bool read = call->method == "GET" && absl::IsAborted(error);
        machine.OnAnswer(read ? absl::StatusOr<Value>(Held("", 0)) : error, now_);
      }
      now_ = std::max(now_ + absl::Milliseconds(1), machine.NextWakeup());
    }
    EXPECT_LT(calls, 120) << error;
    EXPECT_GT(calls, 20) << error;
  }
}

TEST_F(LeaseMachineTest, SpeakersLookElsewhereOnceAnotherMayLead) {
  Lead();
  const absl::Duration start = now_;
  std::vector<absl::Duration> searches;
  while (now_ < start + absl::Minutes(5)) {
    if (!Next().empty()) Answer(absl::UnavailableError("away"));
    if (machine_.searches() > static_cast<int>(searches.size())) searches.push_back(now_ - start);
    EXPECT_EQ(machine_.leadership().role == Role::kLapsed, now_ >= start + absl::Seconds(10));
    EXPECT_EQ(machine_.leadership().epoch, 1u);
    now_ = std::max(now_ + absl::Milliseconds(1), machine_.NextWakeup());
  }
  ASSERT_EQ(searches.size(), 6u);
  EXPECT_EQ(searches[0], absl::Seconds(17));
  for (size_t i = 1; i < searches.size(); ++i) {
    const absl::Duration interval = absl::Seconds(5) * (1 << (i - 1));
    EXPECT_GE(searches[i], searches[i - 1] + interval) << i;
    EXPECT_LT(searches[i], searches[i - 1] + interval + absl::Seconds(3)) << i;
  }
}

}  // namespace
}  // namespace openelb::kube
