// Which address a Service gets, and the sentence that says why none (README rules 1, 3, 4 and 10).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "absl/strings/str_cat.h"
#include "controller/ipam/ipam_testing.h"

namespace openelb::ipam {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ChoiceTest : public ::testing::Test {
 protected:
  ChoiceTest() { ipam_.Start(); }
  template <typename... Objects>
  Changes Put(const Objects&... objects) {
    (ipam_.Upsert(objects), ...);
    return ipam_.TakeChanges();
  }
  Changes Delete(const ObjectKey& key) {
    ipam_.Remove(key);
    return ipam_.TakeChanges();
  }
  std::string Address(const std::string& service) { return AddressOf(ipam_, service); }
  std::string Pool(const std::string& service) { return PoolOf(ipam_, service); }
  std::string Pending(const std::string& service) { return PendingOf(ipam_, service); }

  Ipam ipam_;
};

TEST_F(ChoiceTest, FirstFitTakesEveryAddressOfEveryForm) {
  struct Case {
    const char* address;
    std::vector<std::string> given;  // to Services in order; "" when full
    const char* size;
  };
  const std::vector<Case> cases = {
      {"10.0.0.5", {"10.0.0.5", ""}, "1"},
      {"10.0.0.254/31", {"10.0.0.254", "10.0.0.255", ""}, "2"},
      {"192.168.0.1/30", {"192.168.0.0", "192.168.0.1", "192.168.0.2", "192.168.0.3", ""}, "4"},
      {"172.22.0.2-172.22.0.3", {"172.22.0.2", "172.22.0.3", ""}, "2"},
      {"10.0.0.255-10.0.1.0", {"10.0.0.255", "10.0.1.0", ""}, "2"},
      {"2001:db8::/127", {"2001:db8::", "2001:db8::1", ""}, "2"},
      {"2001:db8::/64", {"2001:db8::", "2001:db8::1"}, "18446744073709551616"},
      {"::/1", {"::", "::1"}, "170141183460469231731687303715884105728"},
  };
  for (const Case& c : cases) {
    Ipam ipam;
    ipam.Start();
    ipam.Upsert(MakeEip("p", c.address));
    for (size_t i = 0; i < c.given.size(); ++i)
      ipam.Upsert(FromEip(MakeService(absl::StrCat("ns/s", i)), "p"));
    ipam.TakeChanges();
    for (size_t i = 0; i < c.given.size(); ++i) {
      EXPECT_EQ(AddressOf(ipam, absl::StrCat("ns/s", i)), c.given[i]) << c.address << " #" << i;
    }
    EXPECT_EQ(ipam.PoolStatus("p")->pool_size, c.size);
    EXPECT_EQ(ipam.PoolStatus("p")->occupied, c.given.back().empty()) << c.address;
  }
}

// The table of the documented page "IP assignment".
TEST_F(ChoiceTest, NamespacesSelectorsAndTheDefault) {
  network::Eip by_selector = MakeEip("eip-selector", "10.0.2.0/30");
  by_selector.namespace_selector = {{"label", "test"}};
  by_selector.priority = 1;
  Put(Bound(MakeEip("eip-ns", "10.0.1.0/30"), {"ns1"}), by_selector,
      Default(MakeEip("eip-default", "10.0.3.0/30")), MakeEip("eip-unbound", "10.0.4.0/24"),
      MakeNamespace("ns1", {{"label", "test"}}), MakeNamespace("ns2", {{"label", "test"}}));
  for (int i = 0; i < 13; ++i)
    for (const char* ns : {"ns1", "ns2", "ns3"}) Put(MakeService(absl::StrCat(ns, "/s", i)));
  // ns1: its own Eip first, then the others' remainder; each of ns2 and ns3 as far as it may.
  EXPECT_EQ(Pool("ns1/s0"), "eip-ns");
  EXPECT_EQ(Pool("ns2/s0"), "eip-selector");
  EXPECT_EQ(Pool("ns3/s0"), "eip-default");
  for (const char* pool : {"eip-ns", "eip-selector", "eip-default"})
    EXPECT_TRUE(ipam_.PoolStatus(pool)->occupied) << pool;
  EXPECT_EQ(ipam_.PoolStatus("eip-unbound")->usage, 0);
  EXPECT_EQ(
      Pending("ns3/s12"),
      "no Eip for namespace \"ns3\" can give an address (Eip \"eip-default\" is full): free an "
      "address, add an Eip, or name one with annotation eip.openelb.kubesphere.io/v1alpha2");
  EXPECT_THAT(Pending("ns1/s12"), HasSubstr("Eip \"eip-ns\" is full; Eip \"eip-selector\" is full; "
                                            "Eip \"eip-default\" is full"));
}

TEST_F(ChoiceTest, WithoutBindingOrDefaultItStaysPending) {
  Put(MakeEip("p", "10.0.0.0/24"), MakeService("ns3/s"));
  EXPECT_EQ(Pending("ns3/s"),
            "no Eip is bound to namespace \"ns3\" and there is no default Eip: bind one with "
            "spec.namespaces or spec.namespaceSelector, or name one with annotation "
            "eip.openelb.kubesphere.io/v1alpha2");
  Put(Default(MakeEip("p", "10.0.0.0/24")));
  EXPECT_EQ(Address("ns3/s"), "10.0.0.0");
}

TEST_F(ChoiceTest, PriorityThenNameThenTheNextWhenFull) {
  Put(Bound(MakeEip("b", "10.0.1.0"), {"ns"}), Bound(MakeEip("a", "10.0.0.0"), {"ns"}),
      Bound(MakeEip("z", "10.0.2.0"), {"ns"}, -1));
  for (const char* service : {"ns/1", "ns/2", "ns/3"}) Put(MakeService(service));
  EXPECT_EQ(Pool("ns/1"), "z");
  EXPECT_EQ(Pool("ns/2"), "a");
  EXPECT_EQ(Pool("ns/3"), "b");
}

TEST_F(ChoiceTest, TheNameOfANamespaceIsALabelOfIt) {
  network::Eip eip = MakeEip("p", "10.0.0.0/24");
  eip.namespace_selector = {{"kubernetes.io/metadata.name", "ns"}};
  Put(eip, MakeService("ns/s"), MakeService("other/s"));
  EXPECT_EQ(Address("ns/s"), "10.0.0.0");
  EXPECT_EQ(Address("other/s"), "");
}

TEST_F(ChoiceTest, ALabelOnTheNamespaceServesIt) {
  network::Eip eip = MakeEip("p", "10.0.0.0/24");
  eip.namespace_selector = {{"team", "web"}, {"env", "prod"}};
  Put(eip, MakeService("ns/s"), MakeNamespace("ns", {{"team", "web"}}));
  EXPECT_EQ(Address("ns/s"), "");
  Put(MakeNamespace("ns", {{"team", "web"}, {"env", "prod"}}));
  EXPECT_EQ(Address("ns/s"), "10.0.0.0");
  ipam_.Remove({"Namespace", "", "ns"});
  ipam_.TakeChanges();
  EXPECT_EQ(Address("ns/s"), "10.0.0.0") << "unbinding moves nobody";
}

TEST_F(ChoiceTest, TheDefaultEip) {
  network::Eip upper = MakeEip("upper", "10.0.0.0/24", 1);
  upper.meta.annotations["eip.porter.kubesphere.io/is-default-eip"] = "TRUE";
  const Changes first =
      Put(upper, Default(MakeEip("later", "10.0.1.0/24", 2)), MakeService("ns/s"));
  EXPECT_EQ(Pool("ns/s"), "upper");
  const auto& conditions = ipam_.PoolStatus("later")->conditions;
  ASSERT_EQ(conditions.size(), 2u);
  EXPECT_EQ(conditions[1].type, "Default");
  EXPECT_FALSE(conditions[1].status);
  EXPECT_THAT(conditions[1].message, HasSubstr("Eip \"upper\" is it"));
  // The first one goes: the second becomes the default, and nobody moves.
  upper.meta.annotations.clear();
  const Changes second = Put(upper, MakeService("ns/t"));
  EXPECT_THAT(second.pools, ::testing::Contains("later"));
  EXPECT_EQ(Pool("ns/s"), "upper");
  EXPECT_EQ(Pool("ns/t"), "later");
}

TEST_F(ChoiceTest, ADefaultEipThatGivesNothingSaysWhy) {
  Put(MakeEip("a", "10.0.0.0/24", 1), Default(MakeEip("b", "10.0.0.0/25", 2)), MakeService("ns/s"));
  EXPECT_THAT(Pending("ns/s"), HasSubstr("(Eip \"b\" is not usable (spec.address: \"10.0.0.0/25\" "
                                         "overlaps Eip \"a\" (10.0.0.0/24), which is older)): "));
  network::Eip deleting = Default(MakeEip("b", "10.0.1.0/24", 2));
  deleting.meta.deletion_timestamp = absl::UnixEpoch();
  Put(deleting);
  EXPECT_THAT(Pending("ns/s"), HasSubstr("(Eip \"b\" is being deleted): "));
  // Another one that can be it is all that is spoken of, and serves.
  Put(Default(MakeEip("c", "10.0.2.0/24", 3)));
  EXPECT_EQ(Address("ns/s"), "10.0.2.0");
  network::Eip disabled = Default(MakeEip("c", "10.0.2.0/24", 3));
  disabled.disable = true;
  Put(disabled, MakeService("ns/t"));
  EXPECT_THAT(Pending("ns/t"), HasSubstr("(Eip \"c\" is disabled): "));
}

TEST_F(ChoiceTest, WhatIsWrongWithEipsIsNamed) {
  const ObjectKey b = EipKey("b");
  const ObjectKey d = EipKey("d");
  Put(Default(MakeEip("a", "10.0.0.0/24", 1)));
  EXPECT_THAT(ipam_.Problems(), IsEmpty());
  const Changes changes = Put(MakeEip("b", "10.0.0.0/25", 2), MakeEip("c", "10.0.0.0/33", 3),
                              Default(MakeEip("d", "10.0.1.0/24", 4)));
  const std::vector<Problem> problems = ipam_.Problems();
  ASSERT_EQ(problems.size(), 3u);
  EXPECT_EQ(problems[0], (Problem{b, "Overlap",
                                  "spec.address: \"10.0.0.0/25\" overlaps Eip \"a\" (10.0.0.0/24), "
                                  "which is older; it gives no new address"}));
  EXPECT_EQ(problems[1].reason, "InvalidAddress");
  EXPECT_THAT(problems[1].message, HasSubstr("spec.address: \"10.0.0.0/33\""));
  EXPECT_EQ(
      problems[2],
      (Problem{d, "NotDefault",
               "annotation eip.openelb.kubesphere.io/is-default-eip: \"true\": not used as default "
               "because Eip \"a\" is it: remove one of the two annotations"}));
  EXPECT_THAT(changes.pools, ::testing::IsSupersetOf({"b", "c", "d"}));
  // All of them are over with the first one.
  ipam_.Remove(EipKey("c"));
  EXPECT_THAT(Delete(EipKey("a")).pools, ::testing::IsSupersetOf({"b", "d"}));
  EXPECT_THAT(ipam_.Problems(), IsEmpty());
}

TEST_F(ChoiceTest, RequestsAndWhyTheyWait) {
  network::Eip disabled = MakeEip("disabled", "10.0.1.0/24");
  disabled.disable = true;
  network::Eip deleting = MakeEip("deleting", "10.0.2.0/24");
  deleting.meta.deletion_timestamp = absl::UnixEpoch();
  network::Eip layer2 = Bound(MakeEip("layer2", "10.0.4.0/24"), {"ns"}, 5);
  layer2.protocol = network::Protocol::kLayer2;
  Put(Bound(MakeEip("p", "10.0.0.0/24"), {"other"}), disabled, deleting, layer2,
      MakeEip("bad", "10.0.3.0/40"), Default(MakeEip("v6", "2001:db8::/64")),
      MakeEip("one", "10.9.0.1"), FromEip(MakeService("x/takes-one"), "one"));

  struct Case {
    const char* what;
    std::function<void(kube::Service&)> edit;
    const char* address;  // "" if none
    const char* pending;  // part of it
  };
  const auto eip = [](const char* name) {
    return [name](kube::Service& s) { s = FromEip(s, name); };
  };
  const auto ip = [](const char* text) {
    return [text](kube::Service& s) { s.load_balancer_ip = text; };
  };
  const Case cases[] = {
      {"named, bound to another namespace", eip("p"), "10.0.0.0", ""},
      {"named, unknown", eip("nope"), "", "Eip \"nope\" does not exist: create it"},
      {"named, disabled", eip("disabled"), "", "Eip \"disabled\" is disabled: name another"},
      {"named, being deleted", eip("deleting"), "", "Eip \"deleting\" is being deleted"},
      {"named, unreadable", eip("bad"), "",
       "Eip \"bad\" is not usable (spec.address: \"10.0.3.0/40\""},
      {"named, full", eip("one"), "", "Eip \"one\" is full: delete a Service"},
      {"named, wrong family",
       [](auto& s) {
         s = FromEip(s, "p");
         s.ip_families = {"IPv6"};
       },
       "", "Eip \"p\" holds IPv4 addresses, which spec.ipFamilies of the Service does not list"},
      {"an address, no namespace check", ip("10.0.0.77"), "10.0.0.77", ""},
      {"an address nobody has", ip("9.9.9.9"), "", "no Eip contains the requested address 9.9.9.9"},
      {"an address of a disabled Eip", ip("10.0.1.1"), "",
       "Eip \"disabled\", which has the requested"},
      {"an address outside the named Eip", [](auto& s) { s = WithIp(FromEip(s, "p"), "10.0.1.1"); },
       "", "10.0.1.1 is not in Eip \"p\" (10.0.0.0/24)"},
      {"an address inside the named Eip",
       [](auto& s) { s = WithIp(FromEip(s, "p"), "10.0.0.255"); }, "10.0.0.255", ""},
      {"an address that does not parse, with an Eip",
       [](auto& s) { s = WithIp(FromEip(s, "p"), "abc"); }, "", "\"abc\" is not an IP address"},
      {"a taken port", [](auto& s) { s.load_balancer_ip = "10.9.0.1"; }, "",
       "10.9.0.1 is in use by Service x/takes-one for port 80/TCP: change the port"},
      {"automatic, bound before default", [](auto&) {}, "10.0.4.0", ""},
      {"automatic, only IPv6", [](auto& s) { s.ip_families = {"IPv6"}; }, "2001:db8::", ""},
      {"automatic, only bgp",
       [](auto& s) { s.meta.annotations["protocol.openelb.kubesphere.io/v1alpha1"] = "bgp"; },
       "2001:db8::", ""},
      {"automatic, only vip",
       [](auto& s) { s.meta.annotations["protocol.openelb.kubesphere.io/v1alpha1"] = "vip"; }, "",
       "Eip \"layer2\" is for protocol layer2; Eip \"v6\" is for protocol bgp"},
      {"node-proxy",
       [](auto& s) { s.meta.annotations["node-proxy.openelb.kubesphere.io/type"] = "daemonset"; },
       "", "node-proxy mode"},
  };
  for (const Case& c : cases) {
    kube::Service service = MakeService("ns/case");
    c.edit(service);
    const Changes changes = Put(service);
    EXPECT_EQ(Address("ns/case"), c.address) << c.what;
    EXPECT_THAT(Pending("ns/case"), HasSubstr(c.pending)) << c.what;
    EXPECT_EQ(Pending("ns/case").empty(), *c.address != '\0') << c.what;
    EXPECT_EQ(ipam_.WaitingCount(), *c.address != '\0' ? 0u : 1u) << c.what;
    ASSERT_EQ(changes.events.size(), 1u) << c.what;
    EXPECT_EQ(changes.events[0].about, ServiceKey("ns/case"));
    EXPECT_EQ(changes.events[0].reason, *c.address != '\0' ? "AssignIP" : "AssignIPFailed");
    EXPECT_EQ(changes.events[0].warning, *c.address == '\0') << c.what;
    ipam_.Remove(ServiceKey("ns/case"));
    EXPECT_THAT(ipam_.TakeChanges().services, ::testing::ElementsAre("ns/case")) << c.what;
    EXPECT_EQ(ipam_.Find("ns/case"), nullptr);
  }
}

TEST_F(ChoiceTest, ManyFullEipsMakeAShortSentence) {
  for (int i = 0; i < 6; ++i)
    ipam_.Upsert(Bound(MakeEip(absl::StrCat("p", i), absl::StrCat("10.0.0.", i)), {"ns"}));
  for (int i = 0; i < 7; ++i) ipam_.Upsert(MakeService(absl::StrCat("ns/s", i)));
  ipam_.TakeChanges();
  EXPECT_THAT(Pending("ns/s6"),
              AllOf(HasSubstr("Eip \"p2\" is full; 3 more likewise"), Not(HasSubstr("p3"))));
}

TEST_F(ChoiceTest, AnEventLooksOnlyAtWhomItConcerns) {
  // 2,000 Services wait for a full Eip, 1,000 more for an address each that no Eip contains.
  ipam_.Upsert(MakeEip("p", "10.0.0.0/31"));
  for (int i = 0; i < 2000; ++i)
    ipam_.Upsert(FromEip(MakeService(absl::StrCat("ns/s", i), i), "p"));
  for (int i = 0; i < 1000; ++i) {
    ipam_.Upsert(
        WithIp(MakeService(absl::StrCat("ns/w", i)), absl::StrCat("10.1.", i / 250, ".", i % 250)));
  }
  ipam_.TakeChanges();
  const auto visits = [&](const std::function<void()>& event) {
    const uint64_t before = ipam_.counters().visited;
    event();
    ipam_.TakeChanges();
    return ipam_.counters().visited - before;
  };
  // The freed address goes to the oldest; one more look finds the Eip full again.
  EXPECT_LE(visits([&] { ipam_.Remove(ServiceKey("ns/s0")); }), 3u);
  EXPECT_EQ(Address("ns/s2"), "10.0.0.0");
  EXPECT_LE(visits([&] { ipam_.Upsert(FromEip(MakeService("ns/new", 3000), "p")); }), 2u);
  EXPECT_THAT(Pending("ns/new"), HasSubstr("is full"));
  EXPECT_LE(visits([&] { ipam_.Upsert(MakeEip("q", "10.1.2.7")); }), 1u);
  EXPECT_EQ(Address("ns/w507"), "10.1.2.7");
  EXPECT_LE(visits([&] { ipam_.Upsert(MakeNamespace("ns", {{"a", "b"}})); }), 0u);
}

}  // namespace
}  // namespace openelb::ipam
