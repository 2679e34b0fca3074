// How allocation starts, and what it does when a store has forgotten (README rules 2 and 11).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <random>

#include "absl/strings/str_cat.h"
#include "controller/ipam/ipam_test_fixture.h"

namespace openelb::ipam {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using StartTest = IpamTest;

TEST_F(StartTest, NothingHappensBeforeStart) {
  const Changes before = Put(Default(MakeEip("p", "10.0.0.0/24")), MakeService("ns/s"));
  EXPECT_TRUE(before.empty());
  EXPECT_EQ(ipam_.Find("ns/s"), nullptr);
  EXPECT_EQ(ipam_.PoolStatus("p"), nullptr);
  const Changes after = Start();
  EXPECT_THAT(after.services, ElementsAre("ns/s"));
  EXPECT_THAT(after.pools, ElementsAre("p"));
  EXPECT_EQ(Address("ns/s"), "10.0.0.0");
}

TEST_F(StartTest, StartAdoptsWhatStatusesHold) {
  network::Eip disabled = MakeEip("disabled", "10.0.1.0/24");
  disabled.disable = true;
  network::Eip deleting = MakeEip("deleting", "10.0.2.0/24");
  deleting.meta.deletion_timestamp = absl::UnixEpoch();
  Put(Default(MakeEip("p", "10.0.0.0/31")), disabled, deleting,
      MakeService("ns/a-waits", 1),  // older than who holds
      WithStatus(MakeService("ns/b", 2), "10.0.0.1"),
      WithStatus(MakeService("ns/c-disabled", 3), "10.0.1.9"),
      WithStatus(MakeService("ns/d-deleting", 4), "10.0.2.9"),
      WithStatus(MakeService("ns/e-same-port", 5), "10.0.0.1"),
      WithStatus(OnPort(MakeService("ns/f-other-port", 6), 81), "10.0.0.1"),
      WithStatus(MakeService("ns/g-nowhere", 7), "9.9.9.9"));
  const Changes changes = Start();
  EXPECT_EQ(Address("ns/a-waits"), "10.0.0.0");
  EXPECT_EQ(Address("ns/b"), "10.0.0.1");
  EXPECT_EQ(Address("ns/c-disabled"), "10.0.1.9");
  EXPECT_EQ(Pool("ns/c-disabled"), "disabled");
  EXPECT_EQ(Address("ns/d-deleting"), "10.0.2.9");
  EXPECT_EQ(Address("ns/e-same-port"), "") << "the older Service keeps it";
  EXPECT_EQ(Address("ns/f-other-port"), "10.0.0.1");
  EXPECT_EQ(changes.services.size(), 7u);
  const std::vector<std::string> messages = Messages(changes);
  ASSERT_EQ(messages.size(), 5u) << "adopting is no event";
  EXPECT_EQ(messages[0], "a-waits AssignIP: success to assign ip: 10.0.0.0");
  EXPECT_EQ(messages[1],
            "e-same-port ReleaseIP: success to release ip: 10.0.0.1 (Service ns/b already has port "
            "80/TCP there)");
  EXPECT_THAT(messages[2], HasSubstr("e-same-port AssignIPFailed"));
  EXPECT_EQ(messages[3],
            "g-nowhere ReleaseIP: success to release ip: 9.9.9.9 (no Eip contains it)");
  EXPECT_THAT(messages[4], HasSubstr("g-nowhere AssignIPFailed"));
}

TEST_F(StartTest, TheLabelSaysFromWhichEipAnAddressCame) {
  // "b" is refused, or cannot be read: what it gave is still its own.
  for (const char* address : {"10.0.0.0/24", "10.0.0.0/99"}) {
    Ipam ipam;
    kube::Service service = WithStatus(MakeService("ns/s"), "10.0.0.9");
    service.meta.labels["eip.openelb.kubesphere.io/v1alpha2"] = "b";
    ipam.Upsert(MakeEip("a", "10.0.0.0/25"));
    ipam.Upsert(MakeEip("b", address));
    ipam.Upsert(service);
    ipam.Start();
    ipam.TakeChanges();
    EXPECT_EQ(AddressOf(ipam, "ns/s"), "10.0.0.9");
    EXPECT_EQ(PoolOf(ipam, "ns/s"), "b");
  }
}

// What nobody wrote down of an earlier run: of Eips of the same age, the one in use was usable.
TEST_F(StartTest, OfEipsOfTheSameAgeTheOneInUseStaysUsableAndDefault) {
  const auto start = [](bool labelled, bool announced) {
    auto ipam = std::make_unique<Ipam>();
    for (const char* name : {"a", "b", "c"}) ipam->Upsert(MakeEip(name, "10.0.0.0/24"));
    ipam->Upsert(Default(MakeEip("d", "10.0.1.0/24")));
    ipam->Upsert(Default(MakeEip("e", "10.0.2.0/24")));
    kube::Service first = MakeService("ns/first");
    kube::Service second = MakeService("ns/second");
    if (announced) {
      ipam->SetAnnounced("ns/first", *IpAddress::Parse("10.0.0.9"));
      ipam->SetAnnounced("ns/second", *IpAddress::Parse("10.0.2.9"));
    } else {
      first = WithStatus(first, "10.0.0.9");
      second = WithStatus(second, "10.0.2.9");
    }
    if (labelled)
      first.meta.labels[network::kEipName.openelb] = "b";
    else
      first = FromEip(first, "b");
    ipam->Upsert(first);
    ipam->Upsert(second);
    ipam->Start();
    ipam->TakeChanges();
    return ipam;
  };
  for (const bool labelled : {false, true}) {
    for (const bool announced : {false, true}) {
      const auto ipam = start(labelled, announced);
      EXPECT_TRUE(ipam->PoolStatus("b")->ready);
      EXPECT_FALSE(ipam->PoolStatus("a")->ready);
      EXPECT_FALSE(ipam->PoolStatus("c")->ready);
      EXPECT_FALSE(ipam->PoolStatus("d")->conditions.at(1).status);
      EXPECT_TRUE(ipam->PoolStatus("e")->conditions.at(1).status);
    }
  }
}

TEST_F(StartTest, TheResultOfStartDoesNotDependOnTheOrderOfArrival) {
  std::vector<std::function<void(Ipam&)>> arrivals;
  const auto add = [&](const auto& object) {
    arrivals.push_back([=](Ipam& i) { i.Upsert(object); });
  };
  add(Bound(MakeEip("a", "10.0.0.0/30", 3), {"ns"}));
  add(Bound(MakeEip("b", "10.0.0.2-10.0.0.9", 2), {"ns"}));  // overlaps a and is older
  add(Default(MakeEip("c", "10.0.1.0/31", 2)));
  add(Default(MakeEip("d", "10.0.2.0/24", 1)));
  for (int i = 0; i < 12; ++i) {
    kube::Service service = MakeService(absl::StrCat("ns/s", i), i % 5);
    if (i % 3 == 0) service = WithStatus(service, absl::StrCat("10.0.0.", i % 4 + 2));
    if (i % 4 == 1) service = WithIp(service, "10.0.2.7");
    add(service);
  }
  std::mt19937 random(11);
  std::string expected;
  for (int run = 0; run < 50; ++run) {
    Ipam ipam;
    std::shuffle(arrivals.begin(), arrivals.end(), random);
    for (const auto& arrive : arrivals) arrive(ipam);
    ipam.Start();
    ipam.TakeChanges();
    std::string result;
    for (int i = 0; i < 12; ++i) {
      const std::string key = absl::StrCat("ns/s", i);
      absl::StrAppend(&result, key, " ", PoolOf(ipam, key), " ", AddressOf(ipam, key), " ",
                      PendingOf(ipam, key), "\n");
    }
    if (run == 0) expected = result;
    ASSERT_EQ(result, expected);
  }
}

TEST_F(StartTest, WhatSpeakersAnnounceIsHeldWhateverStatusesSay) {
  Put(Default(MakeEip("p", "10.0.0.0/24")), MakeService("ns/no-status", 1),
      WithStatus(MakeService("ns/older-status", 2), "10.0.0.8"),
      WithStatus(MakeService("ns/takes-anothers", 0), "10.0.0.7"),
      WithStatus(MakeService("ns/unannounced", 3), "10.0.0.9"));
  ipam_.SetAnnounced("ns/no-status", *IpAddress::Parse("10.0.0.6"));
  ipam_.SetAnnounced("ns/older-status", *IpAddress::Parse("10.0.0.7"));
  Start();
  EXPECT_EQ(Address("ns/no-status"), "10.0.0.6");
  EXPECT_EQ(Address("ns/older-status"), "10.0.0.7");
  EXPECT_EQ(Address("ns/takes-anothers"), "10.0.0.0") << "the one that carries traffic keeps it";
  EXPECT_EQ(Address("ns/unannounced"), "10.0.0.9");
}

TEST_F(StartTest, WhatSpeakersAnnounceForAnUnknownServiceRests) {
  Put(Default(MakeEip("p", "10.0.0.0/24")), WithStatus(MakeService("ns/a", 1), "10.0.0.0"),
      WithStatus(MakeService("ns/b", 2), "10.0.0.2"));
  ipam_.SetAnnounced("ns/a", *IpAddress::Parse("10.0.0.0"));
  ipam_.SetAnnounced("ns/gone", *IpAddress::Parse("10.0.0.1"));
  ipam_.SetAnnounced("ns/deleted", *IpAddress::Parse("10.0.0.3"));
  ipam_.SetAnnounced("ns/shares", *IpAddress::Parse("10.0.0.2"));
  ipam_.Remove(ServiceKey("ns/deleted"));
  ipam_.Start();
  const Changes changes = ipam_.TakeChanges();
  EXPECT_THAT(changes.rested, ElementsAre(*IpAddress::Parse("10.0.0.1")))
      << "neither one whose deletion was seen nor one that somebody holds";
  EXPECT_THAT(Messages(changes),
              ElementsAre(AllOf(HasSubstr("10.0.0.1"), HasSubstr("missing from the cluster's")),
                          AllOf(HasSubstr("10.0.0.2"), HasSubstr("missing from the cluster's"))));
  Put(MakeService("ns/new", 3), MakeService("ns/gone", 4));
  EXPECT_EQ(Address("ns/gone"), "10.0.0.1");
  EXPECT_EQ(Address("ns/new"), "10.0.0.3");
}

TEST_F(StartTest, TheAddressOfAMissingServiceRests) {
  Start();
  Put(Default(MakeEip("p", "10.0.0.0/31")), MakeService("ns/lost", 1));
  ipam_.Remove(ServiceKey("ns/lost"), /*missing=*/true);
  const Changes changes = ipam_.TakeChanges();
  EXPECT_THAT(changes.rested, ElementsAre(*IpAddress::Parse("10.0.0.0")));
  EXPECT_THAT(Messages(changes),
              ElementsAre(HasSubstr("missing from the cluster's complete list")));
  EXPECT_EQ(ipam_.PoolStatus("p")->usage, 0);

  Put(MakeService("ns/new", 2), MakeService("ns/waits", 3),
      OnPort(WithIp(MakeService("ns/asks", 4), "10.0.0.0"), 81));
  EXPECT_EQ(Address("ns/new"), "10.0.0.1") << "not the one that rests";
  EXPECT_THAT(Pending("ns/waits"), HasSubstr("full"));
  EXPECT_THAT(Pending("ns/asks"), HasSubstr("rests"));

  ipam_.EndRest(*IpAddress::Parse("10.0.0.0"));
  ipam_.TakeChanges();
  EXPECT_EQ(Address("ns/waits"), "10.0.0.0") << "the end of the rest wakes who waits";
}

TEST_F(StartTest, AMissingServiceThatComesBackHasItsAddress) {
  Start();
  Put(Default(MakeEip("p", "10.0.0.0/24")), MakeService("ns/a", 1), MakeService("ns/b", 2));
  ipam_.Remove(ServiceKey("ns/b"), /*missing=*/true);
  ipam_.TakeChanges();
  Delete(ServiceKey("ns/a"));
  Put(MakeService("ns/b", 3));
  EXPECT_EQ(Address("ns/b"), "10.0.0.1");
  ipam_.EndRest(*IpAddress::Parse("10.0.0.1"));  // too late to matter
  Put(WithIp(MakeService("ns/c", 4), "10.0.0.1"));
  EXPECT_THAT(Pending("ns/c"), HasSubstr("in use by Service ns/b"));
}

TEST_F(StartTest, ASharedAddressDoesNotRestWhileSomebodyHoldsIt) {
  Start();
  Put(Default(MakeEip("p", "10.0.0.0/24")), WithIp(MakeService("ns/a", 1), "10.0.0.3"),
      WithIp(OnPort(MakeService("ns/b", 2), 81), "10.0.0.3"));
  ipam_.Remove(ServiceKey("ns/a"), /*missing=*/true);
  EXPECT_THAT(ipam_.TakeChanges().rested, ElementsAre());
  Put(WithIp(OnPort(MakeService("ns/c", 3), 82), "10.0.0.3"));
  EXPECT_EQ(Address("ns/c"), "10.0.0.3");
}

}  // namespace
}  // namespace openelb::ipam
