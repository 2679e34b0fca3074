// What goes wrong between a source and its server, and what must not be lost then.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "controller/kube/source_rig.h"

namespace openelb::kube {
namespace {

using fake::Fault;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SourceFault : public ::testing::Test {
 protected:
  // Services "web" and "db", all read.
  void StartWithServices() {
    rig_.PutService("web");
    rig_.PutService("db");
    rig_.Start();
    ASSERT_EQ(rig_.told.synced, 1);
  }
  // Beside a controller that leads: its Lease tells that the store is the one that was known.
  void StartWithLease() {
    rig_.elector.Start();
    rig_.RunFor(absl::Seconds(1));
    StartWithServices();
    rig_.RunFor(absl::Seconds(3));
  }
  void Change(const std::string& name, const std::string& value) { rig_.SetLabel(name, value); }
  std::string ValueOf(const std::string& name) const { return rig_.told.LabelOf(name); }

  SourceRig rig_;
};

TEST_F(SourceFault, ACutWatchIsTakenUpWhereItEnded) {
  StartWithServices();
  rig_.transport.BreakConnections();
  Change("web", "1");
  rig_.server.Remove("services", "default", "db");
  rig_.RunFor(absl::Seconds(1));
  EXPECT_EQ(ValueOf("web"), "1");
  EXPECT_THAT(rig_.told.deleted, ElementsAre("Service/default/db"));
  EXPECT_EQ(rig_.Lists(), kResources);
  EXPECT_THAT(rig_.told.away, IsEmpty());
}

TEST_F(SourceFault, AServerThatIsGoneAMinuteIsServedAtOnceWhenItReturns) {
  StartWithServices();
  rig_.transport.SetReachable(false);
  Change("web", "1");
  rig_.RunFor(absl::Minutes(1));
  ASSERT_THAT(rig_.told.away, SizeIs(1));
  EXPECT_THAT(rig_.told.away[0], HasSubstr("cannot "));
  EXPECT_EQ(rig_.told.back, 0);
  EXPECT_THAT(rig_.told.deleted, IsEmpty());

  rig_.transport.SetReachable(true);
  const absl::Duration start = rig_.scheduler.Monotonic();
  EXPECT_TRUE(rig_.RunUntil([&] { return ValueOf("web") == "1" && rig_.told.back == 1; },
                            absl::Minutes(1)));
  // All watches are back when the first attempt of any has found the server.
  EXPECT_LT(rig_.scheduler.Monotonic() - start, absl::Milliseconds(1100));
  rig_.RunFor(absl::Minutes(1));
  EXPECT_EQ(rig_.Lists(), 2 * kResources);
}

// It serves custom resources a little later than the others, and says to come back in 5 s.
TEST_F(SourceFault, AServerThatStartsIsAskedOften) {
  StartWithServices();
  rig_.transport.SetReachable(false);
  rig_.RunFor(absl::Minutes(1));
  rig_.Inject({.kind = Fault::Kind::kStatus,
               .resource = "eips",
               .count = 3,
               .status = 503,
               .delay = absl::Seconds(5)});
  rig_.transport.SetReachable(true);
  rig_.RunFor(absl::Seconds(2));
  EXPECT_EQ(rig_.told.back, 1);
}

TEST_F(SourceFault, AServerThatForgotMeanwhileIsListedOnce) {
  StartWithServices();
  rig_.transport.SetReachable(false);
  Change("web", "1");
  rig_.server.Remove("services", "default", "db");
  rig_.PutService("new");
  rig_.server.Compact();
  rig_.RunFor(absl::Minutes(1));
  rig_.transport.SetReachable(true);
  rig_.RunFor(absl::Milliseconds(1200));
  EXPECT_EQ(ValueOf("web"), "1");
  EXPECT_EQ(ValueOf("new"), "");
  EXPECT_THAT(rig_.told.deleted, ElementsAre("Service/default/db"));
  EXPECT_EQ(rig_.Counters("services").reflector.lists, 2u);
  EXPECT_EQ(rig_.told.back, 1);
}

TEST_F(SourceFault, ANetworkThatSwallowsEverythingIsFoundOut) {
  StartWithServices();
  rig_.transport.SetSilent(true);
  Change("web", "1");
  rig_.RunFor(absl::Minutes(5));
  EXPECT_THAT(rig_.told.away, SizeIs(1));
  rig_.transport.SetSilent(false);
  EXPECT_TRUE(rig_.RunUntil([&] { return ValueOf("web") == "1" && rig_.told.back == 1; },
                            absl::Seconds(9)));
  EXPECT_THAT(rig_.told.deleted, IsEmpty());
  EXPECT_EQ(rig_.Lists(), 2 * kResources);
}

TEST_F(SourceFault, AnExpiredWatchListsOnceAndDeletesWhatIsGone) {
  StartWithServices();
  rig_.Inject({.kind = Fault::Kind::kExpired, .verb = "watch", .resource = "services"});
  rig_.transport.BreakConnections();
  rig_.server.Remove("services", "default", "db");
  rig_.RunFor(absl::Seconds(2));
  EXPECT_THAT(rig_.told.deleted, ElementsAre("Service/default/db"));
  EXPECT_EQ(rig_.Counters("services").reflector.lists, 2u);
  EXPECT_EQ(rig_.Lists(), kResources + 1);
}

TEST_F(SourceFault, AServerThatAsksForTimeGetsIt) {
  rig_.PutService("web");
  rig_.Inject({.kind = Fault::Kind::kStatus,
               .verb = "watch",
               .resource = "services",
               .count = 1,
               .status = 429,
               .delay = absl::Seconds(7)});
  rig_.Start();
  rig_.RunFor(absl::Seconds(5));
  EXPECT_EQ(rig_.Requests("watch", "services"), 0u);  // the fault struck before the server
  EXPECT_EQ(rig_.told.synced, 0);
  rig_.RunFor(absl::Seconds(2));
  EXPECT_EQ(rig_.told.synced, 1);
  EXPECT_EQ(rig_.Requests("watch", "services"), 1u);
}

TEST_F(SourceFault, AServerThatIsNotWellIsTriedAtMostEverySecondOrTwo) {
  StartWithLease();
  rig_.Inject({.kind = Fault::Kind::kStatus, .count = -1, .status = 500});
  rig_.transport.BreakConnections();
  const uint64_t before =
      rig_.Counters("services").reflector.failures[absl::StatusCode::kUnavailable];
  rig_.RunFor(absl::Minutes(1));
  const uint64_t failures =
      rig_.Counters("services").reflector.failures[absl::StatusCode::kUnavailable] - before;
  EXPECT_GT(failures, 30u);
  EXPECT_LT(failures, 70u);
  Change("web", "1");
  rig_.transport.ClearFaults();
  rig_.RunFor(absl::Seconds(2) + absl::Milliseconds(50));
  EXPECT_EQ(ValueOf("web"), "1");
  EXPECT_EQ(rig_.told.back, 1);
  EXPECT_EQ(rig_.Lists(), kResources);
}

struct Refused {
  int status;
  const char* resource;
  const char* words;
};

void PrintTo(const Refused& refused, std::ostream* out) { *out << refused.resource; }

class SourceRefused : public ::testing::TestWithParam<Refused> {};

TEST_P(SourceRefused, IsAnOutageThatSaysWhatToDo) {
  SourceRig rig;
  rig.PutService("web");
  rig.Inject({.kind = Fault::Kind::kStatus,
              .resource = GetParam().resource,
              .count = -1,
              .status = GetParam().status});
  rig.Start();
  rig.RunFor(absl::Seconds(9));
  EXPECT_EQ(rig.told.synced, 0);
  ASSERT_THAT(rig.told.away, SizeIs(1));
  EXPECT_THAT(rig.told.away[0], HasSubstr(GetParam().words));
  rig.transport.ClearFaults();
  rig.RunFor(absl::Seconds(3));
  EXPECT_EQ(rig.told.synced, 1);
  EXPECT_EQ(rig.told.back, 1);
}

INSTANTIATE_TEST_SUITE_P(
    , SourceRefused,
    ::testing::Values(Refused{404, "eips", "install the CRDs: kubectl apply -k crds"},
                      Refused{403, "nodes", "give the ServiceAccount the verb watch on nodes"},
                      Refused{401, "services", "cannot watch services: "}),
    [](const auto& info) { return info.param.resource; });

TEST_F(SourceFault, ARefusedListIsNoEmptyOne) {
  StartWithServices();
  for (const int status : {403, 404}) {
    rig_.Inject({.kind = Fault::Kind::kStatus, .count = -1, .status = status});
    rig_.transport.BreakConnections();
    rig_.server.Compact();
    rig_.RunFor(absl::Seconds(30));
    rig_.transport.ClearFaults();
  }
  EXPECT_THAT(rig_.told.deleted, IsEmpty());
  rig_.RunFor(absl::Seconds(3));
  EXPECT_THAT(rig_.told.deleted, IsEmpty());
  EXPECT_EQ(rig_.told.back, static_cast<int>(rig_.told.away.size()));
}

TEST_F(SourceFault, AnOlderServerIsListedInPages) {
  rig_.server.set_watch_list(false);
  for (int i = 0; i < 1200; ++i) rig_.PutService(absl::StrCat("s", i));
  rig_.Start();
  EXPECT_EQ(rig_.told.synced, 1);
  EXPECT_THAT(rig_.told.objects, SizeIs(1200 + 3));
  EXPECT_EQ(rig_.Counters("services").reflector.pages, 3u);
  EXPECT_EQ(rig_.Lists(), kResources);
  rig_.PutService("late");
  rig_.RunFor(absl::Milliseconds(10));
  EXPECT_NE(rig_.told.FindService("late"), nullptr);
}

TEST_F(SourceFault, AnExpiredPageBeginsTheListAnew) {
  rig_.server.set_watch_list(false);
  for (int i = 0; i < 1200; ++i) rig_.PutService(absl::StrCat("s", i));
  for (int i = 0; i < 2; ++i) {
    rig_.Inject({.kind = Fault::Kind::kStatus,
                 .verb = "list",
                 .resource = "services",
                 .skip = 1,
                 .status = 410});
  }
  rig_.Start();
  rig_.RunFor(absl::Seconds(1));
  EXPECT_EQ(rig_.told.synced, 1);
  EXPECT_EQ(rig_.told.events, 1203u);
  EXPECT_EQ(rig_.Counters("services").reflector.lists, 1u);
}

TEST_F(SourceFault, ABrokenListDeletesNothing) {
  for (int i = 0; i < 1200; ++i) rig_.PutService(absl::StrCat("s", i));
  rig_.Start();
  rig_.transport.SetReachable(false);
  rig_.server.Remove("services", "default", "s7");
  rig_.server.Compact();
  rig_.RunFor(absl::Seconds(5));
  rig_.Inject({.kind = Fault::Kind::kRefuse,
               .verb = "list",
               .resource = "services",
               .count = -1,
               .skip = 3});  // a probe and two pages
  rig_.transport.SetReachable(true);
  rig_.RunFor(absl::Seconds(5));
  EXPECT_THAT(rig_.told.deleted, IsEmpty());
  rig_.transport.ClearFaults();
  rig_.RunFor(absl::Seconds(3));
  EXPECT_THAT(rig_.told.deleted, ElementsAre("Service/default/s7"));
}

TEST_F(SourceFault, ARestoredEtcdIsFoundOutAndListedOnce) {
  StartWithServices();
  const fake::Store snapshot = rig_.server.Snapshot();
  rig_.PutService("new");
  rig_.server.Remove("services", "default", "db");
  Change("web", "1");
  rig_.RunFor(absl::Seconds(1));
  ASSERT_THAT(rig_.told.deleted, ElementsAre("Service/default/db"));
  rig_.transport.SetReachable(false);
  rig_.server.Restore(snapshot);
  rig_.RunFor(absl::Seconds(20));
  rig_.transport.SetReachable(true);
  rig_.RunFor(absl::Seconds(5));
  EXPECT_EQ(ValueOf("web"), "");
  EXPECT_EQ(ValueOf("db"), "");
  EXPECT_EQ(ValueOf("new"), "absent");
  EXPECT_THAT(rig_.told.deleted, ElementsAre("Service/default/db", "Service/default/new"));
  EXPECT_EQ(rig_.Counters("services").reflector.lists, 2u);
}

TEST_F(SourceFault, ARestoredEtcdWhoseRevisionsHavePassedOursIsFoundOut) {
  StartWithServices();
  const fake::Store snapshot = rig_.server.Snapshot();
  rig_.server.Remove("services", "default", "db");
  rig_.RunFor(absl::Seconds(1));
  rig_.transport.SetReachable(false);
  rig_.server.Restore(snapshot);
  for (int i = 0; i < 5; ++i) Change("web", absl::StrCat(i));
  rig_.RunFor(absl::Seconds(5));
  rig_.transport.SetReachable(true);
  rig_.RunFor(absl::Seconds(5));
  EXPECT_EQ(ValueOf("web"), "4");
  EXPECT_EQ(ValueOf("db"), "");
}

// Connections stay, and the watches see nothing: only their silence tells.
TEST_F(SourceFault, ARestoredEtcdBehindASoundConnectionIsFoundOut) {
  rig_.transport.set_bookmark_period(absl::Hours(1));
  StartWithServices();
  const fake::Store snapshot = rig_.server.Snapshot();
  for (int i = 0; i < 5; ++i) Change("web", absl::StrCat(i));
  rig_.RunFor(absl::Seconds(1));
  rig_.server.Restore(snapshot);
  Change("db", "restored");
  rig_.RunFor(absl::Minutes(4));
  EXPECT_EQ(ValueOf("web"), "");
  EXPECT_EQ(ValueOf("db"), "restored");
  EXPECT_THAT(rig_.told.deleted, IsEmpty());
}

// As where the network swallows everything meanwhile: the time without a word counts, not how long
// the server could not be reached.
TEST_F(SourceFault, ARestoredEtcdBehindAConnectionThatWasMuteIsFoundOut) {
  StartWithServices();
  const fake::Store snapshot = rig_.server.Snapshot();
  Change("db", "lost");
  rig_.RunFor(absl::Seconds(1));
  rig_.transport.SetSilent(true);
  const fake::Revision before = rig_.server.revision();
  rig_.server.Restore(snapshot);
  for (int i = 0; rig_.server.revision() <= before + 3; ++i) Change("web", absl::StrCat(i));
  rig_.RunFor(absl::Seconds(5));
  rig_.transport.SetSilent(false);
  rig_.transport.BreakConnections();
  rig_.RunFor(absl::Seconds(2));
  EXPECT_EQ(ValueOf("db"), "");
}

class MuteWatch : public SourceFault {
 protected:
  // From now on the watch of Services delivers nothing, not even the change that has come.
  void StartAndMute() {
    rig_.Inject({.kind = Fault::Kind::kMute,
                 .verb = "watch",
                 .resource = "services",
                 .delay = absl::Seconds(3)});
    StartWithLease();
    Change("web", "1");
  }
};

// The connection lives and delivers nothing, bookmarks neither: that the watch does not end tells.
TEST_F(MuteWatch, IsTakenUpAgainInTime) {
  StartAndMute();
  EXPECT_FALSE(rig_.RunUntil([&] { return ValueOf("web") == "1"; }, absl::Seconds(55)));
  EXPECT_TRUE(rig_.RunUntil([&] { return ValueOf("web") == "1"; }, absl::Seconds(40)));
  EXPECT_EQ(rig_.Counters("services").reflector.silent, 1u);
  EXPECT_EQ(rig_.Lists(), kResources);
  EXPECT_THAT(rig_.told.away, IsEmpty());
}

TEST_F(MuteWatch, ThatIsDoubtedIsTakenUpAtOnce) {
  StartAndMute();
  rig_.source.Doubt(rig_.scheduler.Monotonic());
  EXPECT_TRUE(rig_.RunUntil([&] { return ValueOf("web") == "1"; }, absl::Milliseconds(10)));
  EXPECT_EQ(rig_.Lists(), kResources);
  EXPECT_THAT(rig_.told.away, IsEmpty());
}

TEST_F(SourceFault, AWatchThatHasSpokenSinceIsNotDoubted) {
  StartWithLease();
  rig_.RunFor(absl::Seconds(5));
  const absl::Duration since = rig_.scheduler.Monotonic();
  rig_.RunFor(absl::Seconds(1));
  Change("web", "1");
  rig_.RunFor(absl::Seconds(1));
  rig_.source.Doubt(since);
  rig_.RunFor(absl::Seconds(1));
  EXPECT_EQ(rig_.Counters("services").reflector.silent, 0u);
  EXPECT_EQ(rig_.Counters("nodes").reflector.silent, 1u);
  EXPECT_EQ(rig_.Lists(), kResources);
}

TEST_F(SourceFault, FalseDoubtsAreFollowedEverMoreRarely) {
  StartWithLease();
  for (int i = 0; i < 600; ++i) {
    rig_.source.Doubt(rig_.scheduler.Monotonic());
    rig_.RunFor(absl::Seconds(1));
  }
  EXPECT_LE(rig_.Counters("nodes").reflector.silent, 12u);
  // The right one is not lost among them.
  rig_.Inject({.kind = Fault::Kind::kMute, .verb = "watch", .resource = "services"});
  rig_.RunFor(absl::Seconds(100));
  Change("web", "1");
  rig_.RunFor(absl::Seconds(100));
  EXPECT_EQ(ValueOf("web"), "1");
  EXPECT_EQ(rig_.Lists(), kResources);
}

// What the bound on silence costs the server, for all resources where nothing ever changes: a
// watch and a small list each, every 75 s.
TEST_F(SourceFault, ASourceAtRestAsksLittle) {
  StartWithServices();
  const size_t before = rig_.server.log().size();
  rig_.RunFor(absl::Minutes(60));
  const size_t requests = rig_.server.log().size() - before;
  EXPECT_LE(requests, 60 * 16u);
  RecordProperty("requests_per_hour", static_cast<int>(requests));
}

TEST_F(SourceFault, AStaleListIsNotBelieved) {
  StartWithServices();
  rig_.PutService("new");
  rig_.RunFor(absl::Seconds(1));
  rig_.Inject({.kind = Fault::Kind::kExpired, .verb = "watch", .resource = "services"});
  // The probe, then the list.
  rig_.Inject({.kind = Fault::Kind::kStale,
               .verb = "list",
               .resource = "services",
               .skip = 1,
               .behind = 3});
  rig_.transport.BreakConnections();
  rig_.RunFor(absl::Seconds(5));
  EXPECT_THAT(rig_.told.deleted, IsEmpty());
  EXPECT_EQ(rig_.Counters("services").reflector.outdated, 1u);
  EXPECT_EQ(rig_.Counters("services").reflector.lists, 2u);
}

TEST_F(SourceFault, DuplicateLateAndSlowEventsChangeNothing) {
  for (const auto kind : {Fault::Kind::kDuplicate, Fault::Kind::kLate, Fault::Kind::kSlow,
                          Fault::Kind::kNoBookmarks}) {
    SourceRig rig;
    rig.PutService("web");
    rig.Inject({.kind = kind, .count = -1, .delay = absl::Milliseconds(20), .bytes = 100});
    rig.Start();
    rig.RunFor(absl::Minutes(1));
    EXPECT_EQ(rig.told.synced, 1);
    for (int i = 0; i < 10; ++i) rig.PutService(absl::StrCat("s", i));
    rig.server.Remove("services", "default", "web");
    rig.server.Remove("services", "default", "s0");
    rig.RunFor(absl::Minutes(5));
    EXPECT_THAT(rig.told.Keys(), SizeIs(9 + 3));
    EXPECT_THAT(rig.told.deleted, ElementsAre("Service/default/web", "Service/default/s0"));
    EXPECT_EQ(rig.Lists(), kResources);
  }
}

TEST_F(SourceFault, AnObjectReplacedUnseenIsDeletedAndSentAnew) {
  StartWithServices();
  rig_.transport.SetReachable(false);
  rig_.server.Remove("services", "default", "web");
  rig_.PutService("web");
  rig_.server.Compact();
  rig_.RunFor(absl::Seconds(5));
  const std::string uid = rig_.told.FindService("web")->meta.uid;
  rig_.transport.SetReachable(true);
  rig_.RunFor(absl::Seconds(3));
  EXPECT_THAT(rig_.told.deleted, ElementsAre("Service/default/web"));
  ASSERT_NE(rig_.told.FindService("web"), nullptr);
  EXPECT_NE(rig_.told.FindService("web")->meta.uid, uid);
}

TEST_F(SourceFault, AFreshReadSeesThroughALaggingWatch) {
  rig_.PutService("web");
  rig_.Inject({.kind = Fault::Kind::kLate,
               .verb = "watch",
               .resource = "services",
               .delay = absl::Seconds(30)});
  rig_.Start();
  rig_.RunFor(absl::Minutes(1));
  ASSERT_EQ(rig_.told.synced, 1);
  Change("web", "1");
  bool done = false;
  rig_.source.RequestFresh([&] {
    done = true;
    EXPECT_EQ(ValueOf("web"), "1");
  });
  rig_.source.Turn();
  rig_.RunFor(absl::Seconds(1));
  EXPECT_TRUE(done);
}

TEST_F(SourceFault, AFreshReadWaitsForTheServer) {
  StartWithServices();
  rig_.transport.SetReachable(false);
  Change("web", "1");
  rig_.RunFor(absl::Seconds(5));
  bool done = false;
  rig_.source.RequestFresh([&] { done = true; });
  rig_.RunFor(absl::Seconds(5));
  EXPECT_FALSE(done);
  rig_.transport.SetReachable(true);
  rig_.RunFor(absl::Seconds(3));
  EXPECT_TRUE(done);
  EXPECT_EQ(ValueOf("web"), "1");
}

}  // namespace
}  // namespace openelb::kube
