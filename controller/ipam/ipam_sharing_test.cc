// Several Services on one address (README rule 5).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/ipam/ipam_testing.h"

namespace openelb::ipam {
namespace {

using ::testing::HasSubstr;

class SharingTest : public ::testing::Test {
 protected:
  SharingTest() {
    ipam_.Start();
    ipam_.Upsert(Default(MakeEip("p", "10.0.0.0/24")));
    ipam_.TakeChanges();
  }
  template <typename... Objects>
  Changes Put(const Objects&... objects) {
    (ipam_.Upsert(objects), ...);
    return ipam_.TakeChanges();
  }
  Changes Delete(const std::string& service) {
    ipam_.Remove(ServiceKey(service));
    return ipam_.TakeChanges();
  }
  std::string Address(const std::string& service) { return AddressOf(ipam_, service); }
  std::string Pending(const std::string& service) { return PendingOf(ipam_, service); }
  std::string Used(const std::string& address) {
    const auto& used = ipam_.PoolStatus("p")->used;
    const auto it = used.find(address);
    return it == used.end() ? "" : it->second;
  }

  Ipam ipam_;
};

TEST_F(SharingTest, WhoMayShare) {
  struct Case {
    const char* what;
    kube::Service newcomer;
    const char* address;
    const char* pending;  // part of it
  };
  const kube::Service plain = MakeService("other/new", 9);
  const Case cases[] = {
      {"same port", WithIp(plain, "10.0.0.5"), "", "in use by Service ns/holder for port 80/TCP"},
      {"same number, other protocol", WithIp(OnPort(plain, 80, "UDP"), "10.0.0.5"), "10.0.0.5", ""},
      {"other port, other namespace", WithIp(OnPort(plain, 81), "10.0.0.5"), "10.0.0.5", ""},
      {"no request: never", OnPort(plain, 81), "10.0.0.0", ""},
  };
  Put(WithIp(MakeService("ns/holder", 1), "10.0.0.5"));
  for (const Case& c : cases) {
    Put(c.newcomer);
    EXPECT_EQ(Address("other/new"), c.address) << c.what;
    EXPECT_THAT(Pending("other/new"), HasSubstr(c.pending)) << c.what;
    EXPECT_EQ(Address("ns/holder"), "10.0.0.5") << c.what;
    Delete("other/new");
  }
}

TEST_F(SharingTest, ASharedAddressCountsOnce) {
  Put(WithIp(OnPort(MakeService("ns2/b"), 443), "10.0.0.5"),
      WithIp(MakeService("ns1/a"), "10.0.0.5"), MakeService("ns/other"));
  EXPECT_EQ(Used("10.0.0.5"), "ns1/a;ns2/b");
  EXPECT_EQ(ipam_.PoolStatus("p")->usage, 2);
  Delete("ns1/a");
  EXPECT_EQ(Used("10.0.0.5"), "ns2/b");
  Delete("ns2/b");
  EXPECT_EQ(ipam_.PoolStatus("p")->used.size(), 1u);
}

TEST_F(SharingTest, AnAutomaticAddressMayBeAskedFor) {
  Put(MakeService("ns/auto"));
  Put(WithIp(OnPort(MakeService("ns/asks"), 81), "10.0.0.0"));
  EXPECT_EQ(Address("ns/asks"), "10.0.0.0");
  EXPECT_EQ(Address("ns/auto"), "10.0.0.0");
}

// Both got it, and the route stayed after the first was deleted: not here.
TEST_F(SharingTest, TheWaitingServiceFollowsTheOneThatBlocksIt) {
  Put(WithIp(MakeService("ns/first", 1), "10.0.0.5"));
  Put(WithIp(MakeService("ns/second", 2), "10.0.0.5"),
      WithIp(MakeService("ns/third", 3), "10.0.0.5"));
  EXPECT_EQ(Address("ns/second"), "");
  const Changes changes = Delete("ns/first");
  EXPECT_EQ(Address("ns/second"), "10.0.0.5");
  EXPECT_EQ(Address("ns/third"), "");
  EXPECT_THAT(Pending("ns/third"), HasSubstr("in use by Service ns/second"));
  EXPECT_THAT(changes.services, ::testing::ElementsAre("ns/first", "ns/second", "ns/third"));
}

TEST_F(SharingTest, APortGivenUpServesWhoWaitsForIt) {
  Put(WithIp(MakeService("ns/first", 1), "10.0.0.5"));
  Put(WithIp(MakeService("ns/second", 2), "10.0.0.5"));
  Put(WithIp(OnPort(MakeService("ns/first", 1), 8080), "10.0.0.5"));
  EXPECT_EQ(Address("ns/first"), "10.0.0.5");
  EXPECT_EQ(Address("ns/second"), "10.0.0.5");
}

TEST_F(SharingTest, WhoEditsItsPortsIntoAClashYields) {
  Put(WithIp(MakeService("ns/old", 1), "10.0.0.5"),
      WithIp(OnPort(MakeService("ns/young", 2), 81), "10.0.0.5"));
  // Although it is the older one: the younger did nothing.
  const Changes changes = Put(WithIp(OnPort(MakeService("ns/old", 1), 81), "10.0.0.5"));
  EXPECT_EQ(Address("ns/old"), "");
  EXPECT_THAT(Pending("ns/old"), HasSubstr("in use by Service ns/young for port 81/TCP"));
  EXPECT_EQ(Address("ns/young"), "10.0.0.5");
  ASSERT_EQ(changes.events.size(), 2u);
  EXPECT_EQ(changes.events[0].message,
            "success to release ip: 10.0.0.5 (Service ns/young already has port 81/TCP there)");
  EXPECT_EQ(changes.events[1].reason, "AssignIPFailed");
  // It takes the edit back.
  Put(WithIp(MakeService("ns/old", 1), "10.0.0.5"));
  EXPECT_EQ(Address("ns/old"), "10.0.0.5");
}

TEST_F(SharingTest, AnAutomaticHolderEditedIntoAClashGetsAnother) {
  Put(MakeService("ns/auto", 1));
  Put(WithIp(OnPort(MakeService("ns/asks", 2), 81), "10.0.0.0"));
  Put(OnPort(MakeService("ns/auto", 1), 81));
  EXPECT_EQ(Address("ns/auto"), "10.0.0.1");
  EXPECT_EQ(Address("ns/asks"), "10.0.0.0");
}

TEST_F(SharingTest, TwoMayExchangeTheirPortsAtOnce) {
  Put(WithIp(OnPort(MakeService("ns/a"), 80), "10.0.0.5"),
      WithIp(OnPort(MakeService("ns/b"), 81), "10.0.0.5"));
  const Changes changes = Put(WithIp(OnPort(MakeService("ns/a"), 81), "10.0.0.5"),
                              WithIp(OnPort(MakeService("ns/b"), 80), "10.0.0.5"));
  EXPECT_TRUE(changes.services.empty());
  EXPECT_TRUE(changes.events.empty());
  // Edited into each other's way: the younger, by name here, yields.
  Put(WithIp(OnPort(MakeService("ns/a"), 90), "10.0.0.5"),
      WithIp(OnPort(MakeService("ns/b"), 90), "10.0.0.5"));
  EXPECT_EQ(Address("ns/a"), "10.0.0.5");
  EXPECT_EQ(Address("ns/b"), "");
}

TEST_F(SharingTest, PolicyLocalIsWarnedOfWhenSharingBegins) {
  const auto warnings = [](const Changes& changes) {
    std::vector<std::string> about;
    for (const ClusterEvent& event : changes.events) {
      if (event.reason != "SharedIPWithLocalPolicy") continue;
      EXPECT_TRUE(event.warning);
      about.push_back(event.about.name);
    }
    return about;
  };
  using ::testing::ElementsAre;
  using ::testing::IsEmpty;
  kube::Service local = WithIp(MakeService("ns/local"), "10.0.0.5");
  local.external_traffic_policy = kube::TrafficPolicy::kLocal;
  kube::Service cluster = WithIp(OnPort(MakeService("ns/cluster"), 81), "10.0.0.5");
  EXPECT_THAT(warnings(Put(local)), IsEmpty()) << "alone";
  EXPECT_THAT(warnings(Put(cluster)), ElementsAre("local"));
  EXPECT_THAT(warnings(Put(WithIp(OnPort(MakeService("ns/third"), 82), "10.0.0.5"))), IsEmpty());
  cluster.external_traffic_policy = kube::TrafficPolicy::kLocal;
  EXPECT_THAT(warnings(Put(cluster)), ElementsAre("cluster"));
  EXPECT_EQ(Address("ns/cluster"), "10.0.0.5");
  // It moves to another shared address.
  Put(WithIp(OnPort(MakeService("ns/fourth"), 83), "10.0.0.6"));
  EXPECT_THAT(warnings(Put(WithIp(local, "10.0.0.6"))), ElementsAre("local"));
}

}  // namespace
}  // namespace openelb::ipam
