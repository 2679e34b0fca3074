#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "api/network/v1alpha2/names.h"
#include "controller/kube/sink_test_world.h"

namespace openelb::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr const char* kFinalizer = network::kServiceFinalizer;

ClusterEvent Assigned(const std::string& name) {
  return {.about = ServiceKey(name), .reason = "AssignIP", .message = "success to assign ip: ..."};
}

class KubeSinkServiceTest : public ::testing::Test {
 protected:
  // A Service that holds 10.0.0.1 and is at rest.
  void HoldOne(const std::string& name = "a") {
    world_.CreateService(name);
    world_.RunFor(absl::Milliseconds(10));
    world_.Assign(name, "10.0.0.1");
    world_.RunFor(absl::Seconds(1));
    world_.TakeWrites();
    world_.answers.clear();
  }

  SinkTestWorld world_;
};

TEST_F(KubeSinkServiceTest, NewServiceCostsTwoCalls) {
  world_.CreateService("a");
  world_.RunFor(absl::Milliseconds(10));
  world_.Assign("a", "10.0.0.1");
  world_.sink().Record(Assigned("a"));
  world_.RunFor(absl::Seconds(60));
  EXPECT_EQ(world_.Ingress("a"), "10.0.0.1");
  EXPECT_EQ(world_.Label("a"), "pool");
  EXPECT_EQ(world_.Finalizers("services", "a"), kFinalizer);
  EXPECT_THAT(world_.answers, ElementsAre("Service/default/a: 10.0.0.1"));
  EXPECT_THAT(world_.TakeWrites(), ElementsAre("patch services/status a", "create events"));
}

TEST_F(KubeSinkServiceTest, BurstCostsTwoCallsEach) {
  constexpr int kServices = 100;
  for (int i = 0; i < kServices; ++i) world_.CreateService(absl::StrCat("s", i));
  world_.RunFor(absl::Milliseconds(10));
  for (int i = 0; i < kServices; ++i) {
    world_.Assign(absl::StrCat("s", i), absl::StrCat("10.0.", i / 250, ".", i % 250));
    world_.sink().Record(Assigned(absl::StrCat("s", i)));
  }
  world_.RunFor(absl::Minutes(1));
  EXPECT_THAT(world_.CountWrites(), ElementsAre(Pair("create events", kServices),
                                                Pair("patch services/status", kServices)));
  EXPECT_EQ(world_.answers.size(), kServices);
}

TEST_F(KubeSinkServiceTest, UnchangedAfterRestartCostsNothingAndIsAnswered) {
  HoldOne();
  world_.CreateService("waiting");
  world_.RunFor(absl::Milliseconds(10));
  world_.Pend("waiting", "no Eip has a free address");
  world_.RunFor(absl::Seconds(10));
  world_.TakeWrites();

  world_.Restart();
  world_.Assign("a", "10.0.0.1");
  world_.Pend("waiting", "no Eip has a free address");  // stamped anew: the time differs
  world_.RunFor(absl::Minutes(1));
  EXPECT_THAT(world_.TakeWrites(), IsEmpty());
  EXPECT_THAT(world_.answers, ElementsAre("Service/default/a: 10.0.0.1"));
}

TEST_F(KubeSinkServiceTest, OthersFinalizersAndConditionsStay) {
  world_.CreateService("a");
  world_.server().Patch("services", "default", "a",
                        R"({"metadata": {"finalizers": ["example.com/other"]},
                            "status": {"conditions": [{"type": "Other", "status": "True",
                                       "reason": "R", "message": "", "lastTransitionTime":
                                       "2026-01-01T00:00:00Z"}]}})");
  world_.RunFor(absl::Milliseconds(10));
  world_.Pend("a", "wait");
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Status("services", "a").Find("conditions")->list()->size(), 2u);
  world_.Assign("a", "10.0.0.1");
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Finalizers("services", "a"), absl::StrCat("example.com/other ", kFinalizer));
  EXPECT_EQ(world_.Status("services", "a").Find("conditions")->list()->size(), 1u);
  world_.Release("a");
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Finalizers("services", "a"), "example.com/other");
  EXPECT_EQ(world_.Status("services", "a").Find("conditions")->list()->size(), 1u);
}

TEST_F(KubeSinkServiceTest, EditedByHandIsPutBackEverMoreSlowly) {
  HoldOne();
  const auto edit = [&] {
    world_.server().Patch("services", "default", "a",
                          R"({"status": {"loadBalancer": {"ingress": [{"ip": "9.9.9.9"}]}}})");
  };
  edit();
  world_.RunFor(absl::Milliseconds(150));
  EXPECT_EQ(world_.Ingress("a"), "10.0.0.1");
  world_.TakeWrites();
  // Another controller that thinks the Service its own: neither spins.
  for (int i = 0; i < 600; ++i) {
    if (world_.Ingress("a") != "9.9.9.9") edit();
    world_.RunFor(absl::Milliseconds(100));
  }
  EXPECT_LE(world_.TakeWrites().size(), 15u);
  world_.RunFor(absl::Minutes(2));
  EXPECT_EQ(world_.Ingress("a"), "10.0.0.1");
}

// The source shows a change to us and to the controller at once; the controller needs a moment.
TEST_F(KubeSinkServiceTest, NothingIsPutBackBeforeTheControllerHasSpoken) {
  HoldOne();
  world_.server().Patch("services", "default", "a",
                        R"({"metadata": {"annotations": {"class": "other"}},
                            "status": {"loadBalancer": {"ingress": [{"ip": "9.9.9.9"}]}}})");
  world_.RunFor(absl::Milliseconds(50));
  world_.Release("a");
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Ingress("a"), "9.9.9.9");
  EXPECT_THAT(world_.TakeWrites(), ElementsAre("patch services/status a"));  // the marks go
}

TEST_F(KubeSinkServiceTest, OtherTypesShowNoAddress) {
  HoldOne();
  world_.server().Patch("services", "default", "a",
                        R"({"spec": {"type": "ClusterIP"}, "status": {"loadBalancer": {}}})");
  world_.RunFor(absl::Seconds(1));
  EXPECT_THAT(world_.TakeWrites(), IsEmpty());
  world_.Release("a");
  world_.RunFor(absl::Seconds(1));
  EXPECT_THAT(world_.TakeWrites(), ElementsAre("patch services/status a"));
}

TEST_F(KubeSinkServiceTest, MarksTakenAwayByHandComeBack) {
  HoldOne();
  world_.server().Patch("services", "default", "a",
                        R"({"metadata": {"finalizers": null, "labels": null}})");
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Label("a"), "pool");
  EXPECT_EQ(world_.Finalizers("services", "a"), kFinalizer);
  EXPECT_THAT(world_.TakeWrites(), ElementsAre("patch services/status a"));
}

TEST_F(KubeSinkServiceTest, DeletionWaitsForUsAndCostsOneCall) {
  HoldOne();
  world_.server().Remove("services", "default", "a");
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Ingress("a"), "10.0.0.1");  // the controller has not spoken
  world_.Release("a");
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Ingress("a"), "gone");
  EXPECT_THAT(world_.TakeWrites(), ElementsAre("patch services/status a"));
}

TEST_F(KubeSinkServiceTest, WhatStopsBeingOursLosesOnlyWhatWeWrote) {
  HoldOne();
  world_.server().Patch("services", "default", "a",
                        R"({"status": {"loadBalancer": {"ingress":
                            [{"ip": "10.0.0.1"}, {"hostname": "lb.example.com"},
                             {"ip": "9.9.9.9"}]}}})");
  world_.Release("a");
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Ingress("a"), R"({"hostname":"lb.example.com"} 9.9.9.9)");
  EXPECT_EQ(world_.Label("a"), "");
  EXPECT_EQ(world_.Finalizers("services", "a"), "");
}

TEST_F(KubeSinkServiceTest, WhatAnEarlierProcessWroteGoesByItsEip) {
  world_.server().Put(R"({"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip",
                          "metadata": {"name": "pool"}, "spec": {"address": "10.0.0.0/24"}})");
  HoldOne();
  world_.server().Patch("services", "default", "a",
                        R"({"status": {"loadBalancer": {"ingress":
                            [{"ip": "10.0.0.1"}, {"ip": "9.9.9.9"}]}}})");
  world_.Restart();
  world_.Release("a");
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Ingress("a"), "9.9.9.9");
  EXPECT_EQ(world_.Finalizers("services", "a"), "");
}

TEST_F(KubeSinkServiceTest, ServiceOfAnotherImplementationIsNeverTouched) {
  world_.CreateService("a");
  world_.server().Patch("services", "default", "a",
                        R"({"status": {"loadBalancer": {"ingress": [{"ip": "9.9.9.9"}]}}})");
  world_.RunFor(absl::Milliseconds(10));
  world_.Release("a");
  world_.RunFor(absl::Minutes(1));
  EXPECT_THAT(world_.TakeWrites(), IsEmpty());
}

TEST_F(KubeSinkServiceTest, OursAndWithoutAddressShowsNone) {
  world_.CreateService("a");
  world_.server().Patch("services", "default", "a",
                        R"({"status": {"loadBalancer": {"ingress": [{"ip": "9.9.9.9"}]}}})");
  world_.RunFor(absl::Milliseconds(10));
  world_.Pend("a", "10.0.0.1 belongs to Service default/b");
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Ingress("a"), "");
  EXPECT_THAT(world_.TakeWrites(), ElementsAre("patch services/status a"));
}

TEST_F(KubeSinkServiceTest, AddressOfAnEarlierObjectIsNotWrittenOntoItsSuccessor) {
  HoldOne();
  world_.server().Patch("services", "default", "a", R"({"metadata": {"finalizers": null}})");
  world_.server().Remove("services", "default", "a");
  world_.CreateService("a");
  // The controller has not heard of it yet and speaks of the earlier one.
  world_.sink().WriteService(ServiceKey("a"),
                             {.ips = {"10.0.0.1"}, .pool = "pool", .ours = true, .uid = "earlier"});
  world_.RunFor(absl::Minutes(1));
  EXPECT_EQ(world_.Ingress("a"), "");
  EXPECT_THAT(world_.answers, IsEmpty());
  world_.sink().Forget(ServiceKey("a"));
  const codec::Value successor = world_.server().Find("services", "default", "a");
  world_.sink().WriteService(
      ServiceKey("a"),
      {.ips = {"10.0.0.2"}, .pool = "pool", .ours = true, .uid = ReadMeta(successor).uid});
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Ingress("a"), "10.0.0.2");
}

TEST_F(KubeSinkServiceTest, LatestStateWins) {
  world_.CreateService("a");
  world_.RunFor(absl::Milliseconds(10));
  for (int i = 1; i < 200; ++i) {
    world_.Assign("a", absl::StrCat("10.0.0.", i));
    if (i % 50 == 0) world_.RunFor(absl::Microseconds(500));
  }
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Ingress("a"), "10.0.0.199");
  EXPECT_LE(world_.TakeWrites().size(), 3u);
  EXPECT_EQ(world_.answers.back(), "Service/default/a: 10.0.0.199");
}

TEST_F(KubeSinkServiceTest, NothingIsWrittenByAStandby) {
  world_.CreateService("a");
  world_.RunFor(absl::Milliseconds(10));
  world_.sink().SetActive(false);
  world_.Assign("a", "10.0.0.1");
  world_.sink().Record(Assigned("a"));
  world_.RunFor(absl::Minutes(1));
  EXPECT_THAT(world_.TakeWrites(), IsEmpty());
  world_.sink().SetActive(true);
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Ingress("a"), "10.0.0.1");
  EXPECT_THAT(world_.TakeWrites(), ElementsAre("patch services/status a", "create events"));
}

}  // namespace
}  // namespace openelb::kube
