// What a source with a leader or standby beside it lists after an absence of its server, and when
// that was used to give it an earlier etcd.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "controller/kube/source_rig.h"

namespace openelb::kube {
namespace {

using fake::Fault;
using ::testing::ElementsAre;

class Witnessed : public ::testing::Test {
 protected:
  // The election is won, and the Lease renewed since the last change.
  void StartWithLease() {
    rig_.elector.Start();
    rig_.RunFor(absl::Seconds(1));
    StartWithServices();
    rig_.RunFor(absl::Seconds(5));
    ASSERT_TRUE(rig_.elector.election().leadership().may_write());
  }
  // Services "web" and "db", all read.
  void StartWithServices() {
    rig_.PutService("web");
    rig_.PutService("db");
    rig_.Start();
    ASSERT_EQ(rig_.told.synced, 1);
  }
  void Change(const std::string& name, const std::string& value) { rig_.SetLabel(name, value); }
  std::string ValueOf(const std::string& name) const { return rig_.told.LabelOf(name); }
  uint64_t Resumed() const {
    uint64_t sum = 0;
    for (const ResourceCounters& of : rig_.source.counters()) sum += of.reflector.resumed;
    return sum;
  }
  // `change` in an etcd restored to `snapshot`, until its revisions have passed all known ones.
  void RestoreAndPass(const fake::Store& snapshot) {
    const fake::Revision before = rig_.server.revision();
    rig_.server.Restore(snapshot);
    for (int i = 0; rig_.server.revision() <= before + 3; ++i) Change("web", absl::StrCat(i));
  }

  SourceRig rig_;
};

TEST_F(Witnessed, NothingIsListedAfterACut) {
  StartWithLease();
  rig_.transport.SetReachable(false);
  Change("web", "1");
  rig_.server.Remove("services", "default", "db");
  rig_.RunFor(absl::Seconds(9));
  rig_.transport.SetReachable(true);
  rig_.RunFor(absl::Seconds(3));
  EXPECT_EQ(ValueOf("web"), "1");
  EXPECT_THAT(rig_.told.deleted, ElementsAre("Service/default/db"));
  EXPECT_EQ(rig_.Lists(), kResources);
  EXPECT_EQ(Resumed(), kResources);
  EXPECT_EQ(rig_.told.back, 1);
}

// Nor by a standby, which reads the Lease and does not write it.
TEST_F(Witnessed, NothingIsListedByAStandby) {
  FakeTransport others(&rig_.server, &rig_.scheduler);
  Elector leader("a_1", &others, &rig_.scheduler);
  leader.Start();
  rig_.elector.Start();
  StartWithServices();
  rig_.RunFor(absl::Minutes(2));
  const uint64_t lists = rig_.Lists();
  for (int i = 1; i <= 3; ++i) {
    rig_.transport.SetReachable(false);
    Change("web", absl::StrCat(i));
    rig_.RunFor(absl::Seconds(30));
    rig_.transport.SetReachable(true);
    rig_.RunFor(absl::Seconds(10));
    EXPECT_EQ(ValueOf("web"), absl::StrCat(i));
  }
  EXPECT_EQ(rig_.elector.election().leadership().role, Leadership::Role::kStandby);
  EXPECT_EQ(rig_.Lists(), lists);
  EXPECT_EQ(Resumed(), 3 * kResources);
}

TEST_F(Witnessed, WhatIsYoungerThanTheLeaseIsListed) {
  StartWithLease();
  Change("web", "1");
  rig_.RunFor(absl::Milliseconds(10));
  rig_.transport.SetReachable(false);
  rig_.RunFor(absl::Seconds(9));
  rig_.transport.SetReachable(true);
  rig_.RunFor(absl::Seconds(3));
  EXPECT_EQ(rig_.Counters("services").reflector.lists, 2u);
  EXPECT_EQ(rig_.Lists(), kResources + 1);
}

TEST_F(Witnessed, ARestoredEtcdWhoseRevisionsHavePassedOursIsListed) {
  StartWithLease();
  const fake::Store snapshot = rig_.server.Snapshot();
  rig_.server.Remove("services", "default", "db");
  rig_.RunFor(absl::Seconds(5));
  rig_.transport.SetReachable(false);
  RestoreAndPass(snapshot);
  rig_.RunFor(absl::Seconds(9));
  rig_.transport.SetReachable(true);
  rig_.RunFor(absl::Seconds(5));
  EXPECT_EQ(ValueOf("db"), "");
  EXPECT_EQ(Resumed(), 0u);
}

// And another one's, by a standby that hears of it when the leader has long gone on.
TEST_F(Witnessed, ARestoredEtcdIsListedByAStandby) {
  FakeTransport others(&rig_.server, &rig_.scheduler);
  Elector leader("a_1", &others, &rig_.scheduler);
  leader.Start();
  rig_.elector.Start();
  StartWithServices();
  rig_.RunFor(absl::Minutes(1));
  const fake::Store snapshot = rig_.server.Snapshot();
  rig_.server.Remove("services", "default", "db");
  rig_.RunFor(absl::Minutes(2));
  rig_.transport.SetReachable(false);
  RestoreAndPass(snapshot);
  rig_.RunFor(absl::Seconds(20));
  ASSERT_TRUE(leader.election().leadership().may_write());
  rig_.transport.SetReachable(true);
  rig_.RunFor(absl::Seconds(5));
  EXPECT_EQ(ValueOf("db"), "");
  EXPECT_EQ(Resumed(), 0u);
}

// However short the absence, and though watches run: its holder finds the Lease older.
TEST_F(Witnessed, ARestoredEtcdIsFoundOutByTheRenewal) {
  StartWithLease();
  const fake::Store snapshot = rig_.server.Snapshot();
  rig_.server.Remove("services", "default", "db");
  rig_.RunFor(absl::Seconds(5));
  RestoreAndPass(snapshot);
  EXPECT_TRUE(rig_.RunUntil([&] { return ValueOf("db").empty(); }, absl::Seconds(3)));
  EXPECT_EQ(rig_.elector.election().witness().restores(), 1u);
}

TEST_F(Witnessed, WithoutAnAnswerAboutTheLeaseAllIsListed) {
  const Fault kFaults[] = {{.kind = Fault::Kind::kStatus, .count = -1, .status = 403},
                           {.kind = Fault::Kind::kStatus, .count = -1, .status = 503},
                           {.kind = Fault::Kind::kHang, .count = -1},
                           {.kind = Fault::Kind::kCut, .count = -1, .bytes = 20}};
  StartWithLease();
  uint64_t lists = kResources;
  for (Fault fault : kFaults) {
    rig_.RunFor(absl::Seconds(70));  // renewed, and bookmarks
    rig_.transport.SetReachable(false);
    Change("web", absl::StrCat(lists));
    rig_.RunFor(absl::Seconds(9));
    fault.verb = "get";
    fault.resource = "leases";
    rig_.Inject(fault);
    rig_.transport.SetReachable(true);
    rig_.RunFor(absl::Seconds(12));
    EXPECT_EQ(ValueOf("web"), absl::StrCat(lists));
    lists += kResources;
    EXPECT_EQ(rig_.Lists(), lists);
    EXPECT_EQ(static_cast<int>(rig_.told.away.size()), rig_.told.back);
    rig_.transport.ClearFaults();
  }
  EXPECT_EQ(Resumed(), 0u);
}

TEST_F(Witnessed, WhereTheLeaseIsGoneAllIsListed) {
  StartWithLease();
  rig_.transport.SetReachable(false);
  rig_.server.Remove("leases", "openelb-system", "openelb-controller");
  rig_.RunFor(absl::Seconds(9));
  rig_.transport.SetReachable(true);
  rig_.RunFor(absl::Seconds(5));
  EXPECT_EQ(rig_.Lists(), 2 * kResources);
  EXPECT_EQ(Resumed(), 0u);
}

}  // namespace
}  // namespace openelb::kube
