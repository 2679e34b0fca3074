#include "controller/kube/slice_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "api/base/random.h"
#include "controller/ipam/request.h"

namespace openelb::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

EndpointSlice MakeSlice(const std::string& service, const std::string& name,
                        std::vector<Endpoint> endpoints = {}) {
  EndpointSlice slice;
  slice.meta.namespace_ = "ns";
  slice.meta.name = name;
  if (!service.empty()) slice.meta.labels[kServiceNameLabel] = service;
  slice.address_type = "IPv4";
  slice.endpoints = std::move(endpoints);
  return slice;
}

ObjectEvent Put(EndpointSlice slice) {
  return {.key = {EndpointSlice::kKind, "ns", slice.meta.name}, .object = std::move(slice)};
}

ObjectEvent PutService(const std::string& name, bool ours) {
  Service service;
  service.meta.namespace_ = "ns";
  service.meta.name = name;
  service.type = "LoadBalancer";
  if (ours) service.meta.annotations["lb.kubesphere.io/v1alpha1"] = "openelb";
  return {.key = {Service::kKind, "ns", name}, .object = service};
}

ObjectEvent Remove(const std::string& kind, const std::string& name, bool missing = false) {
  return {.key = {kind, "ns", name}, .object = std::nullopt, .missing = missing};
}

// "+web", "-web-1" where it is deleted, "?web-1" where it is missing, "!web-1" where it is refused.
std::vector<std::string> Names(const std::vector<ObjectEvent>& events) {
  std::vector<std::string> names;
  for (const ObjectEvent& event : events) {
    const char* what = event.object ? "+" : event.refusal ? "!" : event.missing ? "?" : "-";
    names.push_back(absl::StrCat(what, event.key.name));
  }
  return names;
}

ObjectEvent Refuse(const std::string& kind, const std::string& name) {
  return {.key = {kind, "ns", name}, .object = std::nullopt, .refusal = Refusal{.why = "bad"}};
}

class SliceGateTest : public ::testing::Test {
 protected:
  std::vector<std::string> Pass(std::vector<ObjectEvent> events) {
    return Names(gate_.Pass(std::move(events)));
  }
  SliceGate gate_;
};

TEST_F(SliceGateTest, WhatIsReadOfASliceComesBackAsItWas) {
  EndpointSlice slice = MakeSlice(
      "web", "web-1",
      {{.addresses = {"10.0.0.1", "10.0.0.255"}, .node_name = "n1", .ready = true},
       {.addresses = {"::1", "fd00::a:b", "FD00::0", "::0"}, .node_name = "", .ready = false},
       {.addresses = {"a.example.com", ""},
        .node_name = "n2",
        .serving = true,
        .terminating = true},
       {.addresses = {},
        .node_name = std::string(300, 'n'),
        .serving = false,
        .terminating = false}});
  for (const char* type : {"IPv4", "IPv6", "FQDN"}) {
    slice.address_type = type;
    SliceGate gate;
    EXPECT_THAT(gate.Pass({Put(slice)}), IsEmpty());
    const std::vector<ObjectEvent> events = gate.Pass({PutService("web", true)});
    ASSERT_THAT(events, SizeIs(2));
    EXPECT_EQ(events[1], Put(slice));
  }
}

TEST_F(SliceGateTest, AnEndpointTakesFewBytes) {
  std::vector<Endpoint> endpoints(
      100, {.addresses = {"10.100.200.100"}, .node_name = "worker.example.com", .ready = true});
  NameTable nodes;
  EXPECT_LE(PackEndpoints(MakeSlice("web", "web-1", endpoints), &nodes).size(), 802u);
}

TEST_F(SliceGateTest, PassesWhatIsOfOurServices) {
  EXPECT_THAT(Pass({PutService("web", true), Put(MakeSlice("web", "web-1")),
                    Put(MakeSlice("foreign", "foreign-1")), PutService("foreign", false)}),
              ElementsAre("+web", "+web-1", "+foreign"));
  EXPECT_THAT(Pass({PutService("foreign", true)}), ElementsAre("+foreign", "+foreign-1"));
  EXPECT_THAT(Pass({PutService("foreign", true)}), ElementsAre("+foreign"));
  EXPECT_THAT(Pass({PutService("foreign", false)}), ElementsAre("+foreign", "-foreign-1"));
  EXPECT_THAT(Pass({Remove(EndpointSlice::kKind, "web-1", true)}), ElementsAre("?web-1"));
  EXPECT_THAT(Pass({Remove(EndpointSlice::kKind, "foreign-1")}), IsEmpty());
  EXPECT_THAT(Pass({Remove(EndpointSlice::kKind, "never-1")}), IsEmpty());
}

// One that bears our marks is ours, until we have cleared up.
TEST_F(SliceGateTest, PassesWhatIsOfServicesWithOurMarks) {
  ObjectEvent left = PutService("web", false);
  std::get<Service>(*left.object).meta.finalizers = {"finalizer.lb.kubesphere.io/v1alpha1"};
  ASSERT_TRUE(ipam::BearsOurMarks(std::get<Service>(*left.object)));
  EXPECT_THAT(Pass({Put(MakeSlice("web", "web-1")), left}), ElementsAre("+web", "+web-1"));
}

TEST_F(SliceGateTest, AServiceThatIsDeletedTakesItsSlicesAlong) {
  Pass({PutService("web", true), Put(MakeSlice("web", "web-1"))});
  EXPECT_THAT(Pass({Remove(Service::kKind, "web", true)}), ElementsAre("?web", "?web-1"));
  EXPECT_THAT(Pass({Put(MakeSlice("web", "web-1"))}), IsEmpty());
  EXPECT_THAT(Pass({PutService("web", true)}), ElementsAre("+web", "+web-1"));
}

TEST_F(SliceGateTest, ASliceMayGoOverToAnotherService) {
  Pass({PutService("a", true), PutService("b", true), Put(MakeSlice("a", "s"))});
  EXPECT_THAT(Pass({Put(MakeSlice("b", "s"))}), ElementsAre("-s", "+s"));
  EXPECT_THAT(Pass({Put(MakeSlice("foreign", "s"))}), ElementsAre("-s"));
  EXPECT_THAT(Pass({Put(MakeSlice("a", "s"))}), ElementsAre("+s"));
  EXPECT_THAT(Pass({Put(MakeSlice("", "s"))}), ElementsAre("-s"));
  EXPECT_EQ(gate_.slices(), 0u);
}

TEST_F(SliceGateTest, KeepsNothingOfWhatIsGone) {
  for (int i = 0; i < 1000; ++i) {
    const std::string name = absl::StrCat("s", i % 7);
    Pass({Put(MakeSlice("web", name, {{.node_name = absl::StrCat("n", i)}}))});
    if (i % 3 == 0) Pass({Remove(EndpointSlice::kKind, name)});
  }
  EXPECT_LE(gate_.nodes(), 7u);
  for (int i = 0; i < 7; ++i) Pass({Remove(EndpointSlice::kKind, absl::StrCat("s", i))});
  EXPECT_EQ(gate_.nodes(), 0u);
  EXPECT_EQ(gate_.slices(), 0u);
}

// Whatever happens in whatever order: who listens knows the slices of Services that are ours, as
// they are, and no others.
TEST_F(SliceGateTest, EndsAsItShould) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SeededRandom dice(seed);
    const auto below = [&](int n) { return static_cast<int>(dice.Next64() % n); };
    SliceGate gate;
    std::map<ObjectKey, Object> all, told;
    for (int step = 0; step < 500; ++step) {
      const std::string service = absl::StrCat("web", below(4));
      const std::string slice = absl::StrCat("s", below(6));
      ObjectEvent event;
      switch (below(5)) {
        case 0:
          event = PutService(service, below(2) == 0);
          break;
        case 1:
          event = Remove(Service::kKind, service);
          break;
        case 2:
          event = Remove(EndpointSlice::kKind, slice);
          break;
        default:
          event =
              Put(MakeSlice(below(9) == 0 ? "" : service, slice,
                            {{.node_name = absl::StrCat("n", below(3)), .ready = below(2) == 0}}));
      }
      if (event.object) {
        all[event.key] = *event.object;
      } else if (all.erase(event.key) == 0) {
        continue;  // an informer tells no such thing
      }
      for (ObjectEvent& passed : gate.Pass({event})) {
        if (passed.object) {
          told[passed.key] = *std::move(passed.object);
        } else {
          EXPECT_EQ(told.erase(passed.key), 1u) << passed.key.ToString() << " was not told";
        }
      }
      std::map<ObjectKey, Object> expected;
      for (const auto& [key, object] : all) {
        const auto* of = std::get_if<EndpointSlice>(&object);
        if (of != nullptr) {
          const auto owner = all.find(ServiceKeyOf(of->ServiceKey()));
          if (owner == all.end() || !ipam::IsServed(std::get<Service>(owner->second))) continue;
        }
        expected[key] = object;
      }
      ASSERT_EQ(told, expected) << "seed " << seed << " step " << step;
    }
  }
}

// What cannot be used takes nothing away that was good.
TEST_F(SliceGateTest, ARefusedObjectStaysWhatItWas) {
  Pass({PutService("web", true), Put(MakeSlice("web", "web-1")), Put(MakeSlice("db", "db-1"))});
  EXPECT_THAT(Pass({Refuse(EndpointSlice::kKind, "web-1")}), ElementsAre("!web-1"));
  EXPECT_THAT(Pass({Refuse(Service::kKind, "web")}), ElementsAre("!web"));
  EXPECT_THAT(Pass({Put(MakeSlice("web", "web-1"))}), ElementsAre("+web-1"));
  // Of others nobody would be told that they are good again.
  EXPECT_THAT(Pass({Refuse(EndpointSlice::kKind, "db-1"), Refuse(EndpointSlice::kKind, "new-1")}),
              IsEmpty());
  EXPECT_THAT(Pass({PutService("db", true)}), ElementsAre("+db", "+db-1"));
  EXPECT_EQ(gate_.slices(), 2u);
}

}  // namespace
}  // namespace openelb::kube
