// What happens to an allocation over time: edits, Eips that go or turn bad, waiting (README
// rules 1 and 6 to 9).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>

#include "absl/strings/str_cat.h"
#include "controller/ipam/ipam_test_fixture.h"

namespace openelb::ipam {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using LifecycleTest = IpamTest;

// --- What ends being ours ---

TEST_F(LifecycleTest, WhateverEndsItReleasesTheAddress) {
  const std::pair<const char*, std::function<void(kube::Service&)>> cases[] = {
      {"another type", [](auto& s) { s.type = "ClusterIP"; }},
      {"annotation removed",
       [](auto& s) { s.meta.annotations.erase("lb.kubesphere.io/v1alpha1"); }},
      {"all annotations removed", [](auto& s) { s.meta.annotations.clear(); }},
      {"annotation changed",
       [](auto& s) { s.meta.annotations["lb.kubesphere.io/v1alpha1"] = "metallb"; }},
      {"foreign class", [](auto& s) { s.load_balancer_class = "a/b"; }},
      {"being deleted", [](auto& s) { s.meta.deletion_timestamp = absl::UnixEpoch(); }},
  };
  Start();
  Put(MakeEip("p", "10.0.0.0"));
  for (const auto& [what, edit] : cases) {
    Put(FromEip(MakeService("ns/s", 1), "p"));
    Put(FromEip(MakeService("ns/waits", 2), "p"));
    ASSERT_EQ(Address("ns/s"), "10.0.0.0") << what;
    kube::Service edited = FromEip(MakeService("ns/s", 1), "p");
    edit(edited);
    const Changes changes = Put(edited);
    EXPECT_EQ(ipam_.Find("ns/s"), nullptr) << what;
    EXPECT_EQ(Address("ns/waits"), "10.0.0.0") << what;
    EXPECT_THAT(changes.services, ElementsAre("ns/s", "ns/waits")) << what;
    EXPECT_THAT(Messages(changes), ElementsAre("s ReleaseIP: success to release ip: 10.0.0.0",
                                               "waits AssignIP: success to assign ip: 10.0.0.0"));
    Delete(ServiceKey("ns/s"));
    Delete(ServiceKey("ns/waits"));
  }
}

TEST_F(LifecycleTest, OurMarksOnAServiceThatIsNotOursAreReported) {
  kube::Service labelled = MakeService("ns/labelled");
  labelled.meta.annotations.clear();
  labelled.meta.labels["eip.openelb.kubesphere.io/v1alpha2"] = "p";
  kube::Service with_finalizer = MakeService("ns/with-finalizer");
  with_finalizer.type = "ClusterIP";
  with_finalizer.meta.finalizers = {"finalizer.lb.kubesphere.io/v1alpha1"};
  kube::Service foreign = MakeService("ns/foreign");
  foreign.meta.annotations.clear();
  ipam_.Upsert(labelled);
  ipam_.Upsert(with_finalizer);
  ipam_.Upsert(foreign);
  EXPECT_THAT(Start().services, ElementsAre("ns/labelled", "ns/with-finalizer"));
  EXPECT_EQ(ipam_.Find("ns/labelled"), nullptr);
}

TEST_F(LifecycleTest, ARecreatedServiceStartsAnew) {
  Start();
  kube::Service service = MakeService("ns/s", 1);
  service.meta.uid = "one";
  Put(Default(MakeEip("p", "10.0.0.0/24")), MakeService("ns/first", 0), service);
  ASSERT_EQ(Address("ns/s"), "10.0.0.1");
  service.meta.uid = "two";
  ipam_.Remove(ServiceKey("ns/first"));
  Put(service);
  EXPECT_EQ(Address("ns/s"), "10.0.0.0");
}

// --- Sticky ---

// Each of these took the address away, or made it flap, in OpenELB.
TEST_F(LifecycleTest, NothingButItsOwnRequestMovesAService) {
  Start();
  const network::Eip p = Bound(Default(MakeEip("p", "10.0.0.0", 1)), {"ns"}, 5);
  Put(p, Bound(MakeEip("q", "10.0.1.0/24", 1), {"ns"}, 6), MakeService("ns/s"));
  ASSERT_EQ(Pool("ns/s"), "p");
  EXPECT_TRUE(ipam_.PoolStatus("p")->occupied) << "its Eip is full with this very Service";
  const std::pair<const char*, std::function<void(network::Eip&)>> edits[] = {
      {"disabled", [](auto& e) { e.disable = true; }},
      {"no longer default", [](auto& e) { e.meta.annotations.clear(); }},
      {"no longer bound", [](auto& e) { e.namespaces.clear(); }},
      {"priority", [](auto& e) { e.priority = 100; }},
      {"being deleted", [](auto& e) { e.meta.deletion_timestamp = absl::UnixEpoch(); }},
      {"unreadable", [](auto& e) { e.address = "10.0.0.0/99"; }},
      {"overlapping an older one",
       [](auto& e) {
         e.address = "10.0.0.0-10.0.1.5";
         e.meta.creation_timestamp = absl::FromUnixSeconds(2);
       }},
      {"larger", [](auto& e) { e.address = "10.0.0.0/30"; }},
  };
  for (const auto& [what, edit] : edits) {
    network::Eip edited = p;
    edit(edited);
    kube::Service touched = MakeService("ns/s");
    touched.meta.labels["touched"] = what;
    const Changes changes =
        Put(edited, touched, Bound(MakeEip("better", "10.7.0.0/24"), {"ns"}, -9));
    EXPECT_EQ(Address("ns/s"), "10.0.0.0") << what;
    EXPECT_EQ(Pool("ns/s"), "p") << what;
    EXPECT_THAT(changes.services, IsEmpty()) << what;
    EXPECT_THAT(ipam_.PoolStatus("p")->used, ElementsAre(std::pair("10.0.0.0", "ns/s"))) << what;
  }
}

TEST_F(LifecycleTest, AChangedRequestKeepsTheOldAddressUntilTheNewOneIsThere) {
  Start();
  network::Eip small = MakeEip("small", "10.0.1.0");
  Put(Default(MakeEip("p", "10.0.0.0/24")), small, FromEip(MakeService("ns/blocker"), "small"),
      MakeService("ns/s"));
  struct Case {
    const char* what;
    kube::Service edited;
    const char* pending;
  };
  kube::Service v6 = MakeService("ns/s");
  v6.ip_families = {"IPv6"};
  const Case cases[] = {
      {"a full Eip", FromEip(MakeService("ns/s"), "small"),
       "keeps 10.0.0.0: Eip \"small\" is full"},
      {"an unknown Eip", FromEip(MakeService("ns/s"), "nope"),
       "keeps 10.0.0.0: Eip \"nope\" does not"},
      {"an address in use", WithIp(MakeService("ns/s"), "10.0.1.0"),
       "keeps 10.0.0.0: the requested"},
      {"no address at all", WithIp(MakeService("ns/s"), "abc"), "\"abc\" is not an IP address"},
      {"a family no Eip has", v6, "keeps 10.0.0.0: no Eip for namespace"},
  };
  for (const Case& c : cases) {
    const Changes changes = Put(c.edited);
    EXPECT_EQ(Address("ns/s"), "10.0.0.0") << c.what;
    EXPECT_THAT(Pending("ns/s"), HasSubstr(c.pending)) << c.what;
    ASSERT_EQ(changes.events.size(), 1u) << c.what;
    EXPECT_EQ(changes.events[0].reason, "AssignIPFailed");
  }
  Put(FromEip(MakeService("ns/s"), "small"));
  const Changes moved = Delete(ServiceKey("ns/blocker"));
  EXPECT_EQ(Address("ns/s"), "10.0.1.0");
  EXPECT_EQ(Pending("ns/s"), "");
  EXPECT_THAT(Messages(moved),
              ElementsAre("blocker ReleaseIP: success to release ip: 10.0.1.0",
                          "s ReleaseIP: success to release ip: 10.0.0.0 (its request changed)",
                          "s AssignIP: success to assign ip: 10.0.1.0"));
}

TEST_F(LifecycleTest, NodeProxyModeGivesTheAddressBack) {
  Start();
  Put(Default(MakeEip("p", "10.0.0.0/24")), MakeService("ns/s"));
  kube::Service service = MakeService("ns/s");
  service.meta.annotations["node-proxy.openelb.kubesphere.io/type"] = "deployment";
  Put(service);
  EXPECT_EQ(Address("ns/s"), "");
  EXPECT_THAT(Pending("ns/s"), HasSubstr("node-proxy"));
  EXPECT_EQ(ipam_.PoolStatus("p")->usage, 0);
}

// --- Eips that go ---

TEST_F(LifecycleTest, AnEipThatIsGone) {
  Start();
  Put(MakeEip("p", "10.0.0.0/24"), Default(MakeEip("q", "10.0.1.0/24")),
      FromEip(MakeService("ns/names-it"), "p"), WithIp(MakeService("ns/asks"), "10.0.0.9"));
  network::Eip r = MakeEip("r", "10.0.0.8/30");
  EXPECT_FALSE(Put(r).empty());
  EXPECT_FALSE(Ready("r").status) << "overlaps p";
  const Changes changes = Delete(EipKey("p"));
  EXPECT_EQ(ipam_.PoolStatus("p"), nullptr);
  EXPECT_THAT(changes.pools, ::testing::IsSupersetOf({"p", "r"}));
  EXPECT_EQ(Address("ns/names-it"), "");
  EXPECT_THAT(Pending("ns/names-it"), HasSubstr("Eip \"p\" does not exist"));
  EXPECT_EQ(Address("ns/asks"), "10.0.0.9") << "another Eip covers it";
  EXPECT_EQ(Pool("ns/asks"), "r");
  EXPECT_THAT(Messages(changes),
              ElementsAre("names-it ReleaseIP: success to release ip: 10.0.0.0 (Eip \"p\" is gone)",
                          HasSubstr("names-it AssignIPFailed")));
  EXPECT_THAT(ipam_.PoolStatus("r")->used, ElementsAre(std::pair("10.0.0.9", "ns/asks")));
}

TEST_F(LifecycleTest, AServiceOfAGoneEipIsServedAgainAndGetsItsOldAddressBack) {
  Start();
  Put(Default(MakeEip("p", "10.0.0.0/24")), MakeService("ns/a"), MakeService("ns/b"));
  ASSERT_EQ(Address("ns/b"), "10.0.0.1");
  Delete(ServiceKey("ns/a"));
  Delete(EipKey("p"));
  EXPECT_EQ(Address("ns/b"), "");
  Put(Default(MakeEip("p", "10.0.0.0/23")));
  EXPECT_EQ(Address("ns/b"), "10.0.0.1");
}

TEST_F(LifecycleTest, AnEipReplacedAtOnceDisturbsNobody) {
  Start();
  Put(Default(MakeEip("p", "10.0.0.0/24")), MakeService("ns/s"));
  ipam_.Remove(EipKey("p"));
  network::Eip renamed = MakeEip("renamed", "10.0.0.0/23");
  renamed.disable = true;  // that concerns new addresses only
  const Changes changes = Put(renamed);
  EXPECT_EQ(Address("ns/s"), "10.0.0.0");
  EXPECT_EQ(Pool("ns/s"), "renamed");
  EXPECT_THAT(changes.events, IsEmpty());
  EXPECT_THAT(changes.services, ElementsAre("ns/s"));
}

TEST_F(LifecycleTest, AnEditedAddressMovesOnlyWhoIsOutside) {
  Start();
  Put(Default(MakeEip("p", "10.0.0.0/30")));
  for (int i = 0; i < 4; ++i) Put(MakeService(absl::StrCat("ns/s", i)));
  Put(Default(MakeEip("p", "10.0.0.2-10.0.0.4")));
  EXPECT_EQ(Address("ns/s0"), "10.0.0.4");
  EXPECT_EQ(Address("ns/s1"), "");
  EXPECT_EQ(Address("ns/s2"), "10.0.0.2");
  EXPECT_EQ(Address("ns/s3"), "10.0.0.3");
  EXPECT_EQ(ipam_.PoolStatus("p")->first_ip, "10.0.0.2");
  EXPECT_EQ(ipam_.PoolStatus("p")->last_ip, "10.0.0.4");
}

TEST_F(LifecycleTest, AProtocolEditReachesItsServices) {
  Start();
  network::Eip eip = Default(MakeEip("p", "10.0.0.0/24"));
  Put(eip, MakeService("ns/s"));
  eip.protocol = network::Protocol::kLayer2;
  const Changes changes = Put(eip);
  EXPECT_EQ(ipam_.Find("ns/s")->allocation->protocol, network::Protocol::kLayer2);
  EXPECT_THAT(changes.services, ElementsAre("ns/s"));
  EXPECT_THAT(changes.events, IsEmpty());
}

// --- Bad Eips ---

TEST_F(LifecycleTest, OfOverlappingEipsTheOlderCounts) {
  Start();
  // c overlaps b, b overlaps a: with b refused, c is usable.
  Put(MakeEip("c", "10.0.0.20-10.0.0.30", 3), MakeEip("b", "10.0.0.10-10.0.0.20", 2),
      MakeEip("a", "10.0.0.0-10.0.0.10", 1));
  EXPECT_TRUE(Ready("a").status);
  EXPECT_TRUE(Ready("c").status);
  EXPECT_FALSE(ipam_.PoolStatus("b")->ready);
  EXPECT_EQ(Ready("b").reason, "Overlap");
  EXPECT_EQ(
      Ready("b").message,
      "spec.address: \"10.0.0.10-10.0.0.20\" overlaps Eip \"a\" (10.0.0.0-10.0.0.10), which is "
      "older");
  EXPECT_EQ(ipam_.counters().refused, 1u);
  Put(FromEip(MakeService("ns/s"), "b"));
  EXPECT_THAT(Pending("ns/s"), HasSubstr("Eip \"b\" is not usable (spec.address: "));
  Delete(EipKey("a"));
  EXPECT_EQ(Address("ns/s"), "10.0.0.10");
  EXPECT_FALSE(ipam_.PoolStatus("c")->ready) << "now b is in its way";
}

TEST_F(LifecycleTest, ARefusedEipKeepsWhatItGave) {
  Start();
  Put(Default(MakeEip("b", "10.0.0.0/24", 2)), MakeService("ns/s"));
  const Changes changes = Put(MakeEip("a", "10.0.0.0/25", 1));
  EXPECT_FALSE(ipam_.PoolStatus("b")->ready);
  EXPECT_EQ(Pool("ns/s"), "b");
  EXPECT_THAT(changes.services, IsEmpty());
  Put(FromEip(MakeService("ns/t"), "a"));
  EXPECT_EQ(Address("ns/t"), "10.0.0.1") << "10.0.0.0 is in use";
}

// Manifests written by hand have no creationTimestamp, and those applied together have the same.
TEST_F(LifecycleTest, OfEipsOfTheSameAgeTheOneThatIsUsableStaysSo) {
  for (const bool given : {false, true}) {
    SCOPED_TRACE(given);
    Ipam ipam;
    const auto make = [&](const std::string& name, const std::string& address) {
      network::Eip eip = MakeEip(name, address);
      if (!given) eip.meta.creation_timestamp = absl::InfinitePast();
      return eip;
    };
    ipam.Start();
    ipam.Upsert(Default(make("bgp", "10.0.0.2-10.0.0.10")));
    ipam.TakeChanges();
    ipam.Upsert(Default(make("a-late", "10.0.0.8-10.0.0.20")));
    ipam.TakeChanges();
    ipam.Upsert(make("z-late", "10.0.0.0/30"));
    ipam.TakeChanges();
    const auto ready = [&](const std::string& pool) { return ipam.PoolStatus(pool)->ready; };
    EXPECT_TRUE(ready("bgp"));
    EXPECT_FALSE(ready("a-late"));
    EXPECT_FALSE(ready("z-late"));
    EXPECT_EQ(ipam.PoolStatus("a-late")->conditions[0].message,
              "spec.address: \"10.0.0.8-10.0.0.20\" overlaps Eip \"bgp\" (10.0.0.2-10.0.0.10), "
              "which is usable already");
    // Nor does it lose its place by an edit of something else, or of both at once.
    network::Eip edited = Default(make("bgp", "10.0.0.2-10.0.0.10"));
    edited.priority = 7;
    ipam.Upsert(edited);
    ipam.Upsert(make("a-late", "10.0.0.0-10.0.0.20"));
    ipam.TakeChanges();
    EXPECT_TRUE(ready("bgp"));
    EXPECT_FALSE(ready("a-late"));
    // One that is extended into another's range does not take it.
    ipam.Upsert(make("a-other", "10.0.1.0/24"));
    ipam.TakeChanges();
    ipam.Upsert(make("a-other", "10.0.0.0/16"));
    ipam.TakeChanges();
    EXPECT_TRUE(ready("bgp"));
    EXPECT_FALSE(ready("a-other"));
    ipam.Remove(EipKey("bgp"));
    ipam.TakeChanges();
    EXPECT_TRUE(ready("a-late"));
    EXPECT_FALSE(ready("z-late"));
  }
}

TEST_F(LifecycleTest, AnEipOfUnknownAgeTakesNothingFromAnotherAndLosesNothingToIt) {
  Start();
  network::Eip unknown = MakeEip("unknown", "10.0.0.0/24");
  unknown.meta.creation_timestamp = absl::InfinitePast();
  Put(unknown);
  Put(MakeEip("known", "10.0.0.0/25", 1));
  EXPECT_TRUE(Ready("unknown").status);
  EXPECT_THAT(Ready("known").message, HasSubstr("which is usable already"));
  Delete(EipKey("unknown"));
  EXPECT_TRUE(Ready("known").status);
  Put(unknown);
  EXPECT_TRUE(Ready("known").status);
  EXPECT_THAT(Ready("unknown").message, HasSubstr("which is usable already"));
}

TEST_F(LifecycleTest, OfDefaultsOfTheSameAgeTheOneThatIsItStaysIt) {
  Start();
  Put(Default(MakeEip("b", "10.0.0.0/24")));
  Put(Default(MakeEip("a-new", "10.0.1.0/24")), MakeService("ns/s"));
  EXPECT_EQ(Pool("ns/s"), "b");
  EXPECT_EQ(ipam_.PoolStatus("a-new")->conditions.at(1).reason, "NotDefault");
  Put(Default(MakeEip("older", "10.0.2.0/24", -1)), MakeService("ns/t"));
  EXPECT_EQ(Pool("ns/t"), "older");
}

TEST_F(LifecycleTest, StatusesOfEips) {
  Start();
  network::Eip eip = MakeEip("p", "192.168.0.91-192.168.0.92");
  eip.meta.generation = 7;
  eip.protocol = network::Protocol::kVip;
  eip.disable = true;
  network::Eip bad = Default(MakeEip("bad", "a-b-c"));
  Put(eip, bad, MakeEip("v6", "2001:db8::/127"), FromEip(MakeService("ns/s"), "v6"));
  const network::EipStatus& p = *ipam_.PoolStatus("p");
  EXPECT_EQ(p.first_ip, "192.168.0.91");
  EXPECT_EQ(p.last_ip, "192.168.0.92");
  EXPECT_EQ(p.pool_size, "2");
  EXPECT_TRUE(p.v4);
  EXPECT_TRUE(p.ready);
  EXPECT_FALSE(p.occupied);
  std::vector<std::string> types;
  for (const kube::Condition& condition : p.conditions) {
    types.push_back(condition.type);
    EXPECT_EQ(condition.observed_generation, 7);
  }
  EXPECT_THAT(types, ElementsAre("Ready"));
  EXPECT_EQ(p.conditions[0].reason, "Disabled");
  EXPECT_EQ(Ready("bad").reason, "InvalidAddress");
  EXPECT_THAT(Ready("bad").message, HasSubstr("\"a-b-c\""));
  EXPECT_FALSE(ipam_.PoolStatus("bad")->ready);
  EXPECT_EQ(ipam_.PoolStatus("bad")->pool_size, "0");
  const network::EipStatus& v6 = *ipam_.PoolStatus("v6");
  EXPECT_FALSE(v6.v4);
  EXPECT_EQ(v6.usage, 1);
  EXPECT_FALSE(v6.occupied);
}

// --- Waiting ---

TEST_F(LifecycleTest, TheOldestWaitingServiceIsServedFirst) {
  Start();
  Put(MakeEip("p", "10.0.0.0"), FromEip(MakeService("ns/holds"), "p"));
  Put(FromEip(MakeService("b/y", 2), "p"), FromEip(MakeService("a/z", 3), "p"),
      FromEip(MakeService("b/x", 2), "p"), FromEip(MakeService("a-b/x", 2), "p"));
  std::vector<std::string> served;
  for (std::string holder = "ns/holds"; served.size() < 4; holder = served.back()) {
    Delete(ServiceKey(holder));
    for (const char* key : {"a/z", "b/x", "b/y", "a-b/x"})
      if (!Address(key).empty()) served.push_back(key);
  }
  EXPECT_THAT(served, ElementsAre("a-b/x", "b/x", "b/y", "a/z"));
}

TEST_F(LifecycleTest, EveryEventThatHelpsServes) {
  Start();
  network::Eip disabled = MakeEip("p", "10.0.0.0/31");
  disabled.disable = true;
  struct Case {
    const char* what;
    std::function<void()> blocked;
    std::function<void()> event;
    bool by_address = true;  // it also helps who asks for the address
  };
  const auto put = [&](const auto& object) { return [&, object] { ipam_.Upsert(object); }; };
  const auto put_with_holder = [&](const network::Eip& eip) {
    return [&, eip] {
      ipam_.Upsert(eip);
      ipam_.Upsert(MakeEip("q", "10.0.1.0"));
      ipam_.Upsert(MakeService("ns/other"));
    };
  };
  const network::Eip p = Default(MakeEip("p", "10.0.0.0/31", 5));
  const Case cases[] = {
      {"an Eip is created", [] {}, put(p)},
      {"an Eip is enabled", put(Default(disabled)), put(p)},
      {"an Eip is bound", put(MakeEip("p", "10.0.0.0/31")),
       put(Bound(MakeEip("p", "10.0.0.0/31"), {"ns"})), false},
      {"an Eip grows", put_with_holder(Default(MakeEip("p", "10.0.0.1"))), put(p)},
      {"an address is freed", put_with_holder(Default(MakeEip("p", "10.0.0.0"))),
       [&] { ipam_.Remove(ServiceKey("ns/other")); }},
      {"a holder moves away", put_with_holder(Default(MakeEip("p", "10.0.0.0"))),
       put(FromEip(MakeService("ns/other"), "q"))},
      {"an overlap ends",
       [&] {
         ipam_.Upsert(MakeEip("older", "10.0.0.0/24"));
         ipam_.Upsert(p);
       },
       [&] { ipam_.Remove(EipKey("older")); }, false},
  };
  for (const Case& c : cases) {
    for (const bool by_address : {false, true}) {
      if (by_address && !c.by_address) continue;
      c.blocked();
      ipam_.TakeChanges();
      kube::Service service = MakeService("ns/waits", 9);
      if (by_address) service.load_balancer_ip = "10.0.0.0";
      Put(service);
      EXPECT_EQ(Address("ns/waits"), "") << c.what;
      EXPECT_NE(Pending("ns/waits"), "") << c.what;
      c.event();
      ipam_.TakeChanges();
      EXPECT_EQ(Address("ns/waits"), "10.0.0.0") << c.what;
      EXPECT_EQ(Pending("ns/waits"), "") << c.what;
      for (const char* key : {"ns/waits", "ns/other"}) ipam_.Remove(ServiceKey(key));
      for (const char* name : {"p", "q", "older"}) ipam_.Remove(EipKey(name));
      ipam_.TakeChanges();
    }
  }
}

TEST_F(LifecycleTest, AReasonFollowsWhatCausesIt) {
  Start();
  Put(FromEip(MakeService("ns/s"), "p"), WithIp(FromEip(MakeService("ns/t"), "p"), "10.9.9.9"));
  EXPECT_THAT(Pending("ns/s"), HasSubstr("does not exist"));
  EXPECT_THAT(Pending("ns/t"), HasSubstr("does not exist"));
  network::Eip eip = MakeEip("p", "10.0.0.0/24");
  eip.disable = true;
  EXPECT_THAT(Put(eip).services, UnorderedElementsAre("ns/s", "ns/t"));
  EXPECT_THAT(Pending("ns/s"), HasSubstr("is disabled"));
  EXPECT_THAT(Pending("ns/t"), HasSubstr("is disabled"));
  eip.disable = false;
  Put(eip);
  EXPECT_EQ(Address("ns/s"), "10.0.0.0");
  EXPECT_THAT(Pending("ns/t"), HasSubstr("10.9.9.9 is not in Eip \"p\""));
}

}  // namespace
}  // namespace openelb::ipam
