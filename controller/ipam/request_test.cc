#include "controller/ipam/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "controller/ipam/ipam_testing.h"

namespace openelb::ipam {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Edit = std::function<void(kube::Service&)>;

TEST(RequestTest, WhatIsServed) {
  struct Case {
    const char* what;
    Edit edit;
    bool served;
  };
  const Case cases[] = {
      {"opted in", [](auto&) {}, true},
      {"PorterLB's value",
       [](auto& s) { s.meta.annotations["lb.kubesphere.io/v1alpha1"] = "porter"; }, true},
      {"another value", [](auto& s) { s.meta.annotations["lb.kubesphere.io/v1alpha1"] = "yes"; },
       false},
      {"no annotation at all", [](auto& s) { s.meta.annotations.clear(); }, false},
      {"our class without annotation",
       [](auto& s) {
         s.meta.annotations.clear();
         s.load_balancer_class = "network.kubesphere.io/openelb";
       },
       true},
      {"a foreign class despite the annotation",
       [](auto& s) { s.load_balancer_class = "metallb.io/metallb"; }, false},
      {"another type", [](auto& s) { s.type = "NodePort"; }, false},
      {"being deleted", [](auto& s) { s.meta.deletion_timestamp = absl::UnixEpoch(); }, false},
  };
  for (const Case& c : cases) {
    kube::Service service = MakeService("ns/s");
    c.edit(service);
    EXPECT_EQ(IsServed(service), c.served) << c.what;
  }
}

TEST(RequestTest, ReadsEveryPart) {
  struct Case {
    const char* what;
    Edit edit;
    std::function<void(Request&)> expected;  // on top of an empty request
  };
  const auto ip = [](const char* text) { return IpAddress::Parse(text).value(); };
  const Case cases[] = {
      {"nothing", [](auto&) {}, [](Request&) {}},
      {"an Eip", [](auto& s) { s.meta.annotations["eip.openelb.kubesphere.io/v1alpha2"] = "p"; },
       [](Request& r) { r.pool = "p"; }},
      {"an Eip, PorterLB's key",
       [](auto& s) { s.meta.annotations["eip.porter.kubesphere.io/v1alpha2"] = "p"; },
       [](Request& r) { r.pool = "p"; }},
      {"both keys: OpenELB's wins",
       [](auto& s) {
         s.meta.annotations["eip.porter.kubesphere.io/v1alpha2"] = "porter";
         s.meta.annotations["eip.openelb.kubesphere.io/v1alpha2"] = "openelb";
       },
       [](Request& r) { r.pool = "openelb"; }},
      {"spec.loadBalancerIP", [](auto& s) { s.load_balancer_ip = "10.0.0.1"; },
       [&](Request& r) { r.address = ip("10.0.0.1"); }},
      {"the annotation wins over spec.loadBalancerIP",
       [](auto& s) {
         s.load_balancer_ip = "10.0.0.1";
         s.meta.annotations["eip.openelb.kubesphere.io/v1alpha1"] = "10.0.0.2";
       },
       [&](Request& r) { r.address = ip("10.0.0.2"); }},
      {"an empty annotation is none",
       [](auto& s) {
         s.load_balancer_ip = "10.0.0.1";
         s.meta.annotations["eip.openelb.kubesphere.io/v1alpha1"] = "";
       },
       [&](Request& r) { r.address = ip("10.0.0.1"); }},
      {"a protocol",
       [](auto& s) { s.meta.annotations["protocol.porter.kubesphere.io/v1alpha1"] = "layer2"; },
       [](Request& r) { r.protocol = network::Protocol::kLayer2; }},
      {"an unknown protocol is ignored",
       [](auto& s) { s.meta.annotations["protocol.openelb.kubesphere.io/v1alpha1"] = "ospf"; },
       [](Request&) {}},
      {"one family", [](auto& s) { s.ip_families = {"IPv6"}; },
       [](Request& r) { r.families = {.v4 = false, .v6 = true}; }},
      {"both families", [](auto& s) { s.ip_families = {"IPv6", "IPv4"}; }, [](Request&) {}},
      {"policy Local", [](auto& s) { s.external_traffic_policy = kube::TrafficPolicy::kLocal; },
       [](Request& r) { r.local_policy = true; }},
  };
  for (const Case& c : cases) {
    kube::Service service = MakeService("ns/s");
    c.edit(service);
    Request expected;
    expected.ports = {{"TCP", 80}};
    c.expected(expected);
    EXPECT_EQ(ReadRequest(service), expected) << c.what;
  }
}

TEST(RequestTest, SortsPortsAndDropsDuplicates) {
  kube::Service service = MakeService("ns/s");
  service.ports = {{.name = "", .protocol = "UDP", .port = 53},
                   {.name = "", .protocol = "TCP", .port = 53},
                   {.name = "", .protocol = "UDP", .port = 53}};
  EXPECT_THAT(ReadRequest(service).ports, ElementsAre(Port("TCP", 53), Port("UDP", 53)));
}

TEST(RequestTest, NamesTheFieldThatDoesNotParse) {
  kube::Service service = MakeService("ns/s");
  service.load_balancer_ip = "abc";
  EXPECT_THAT(ReadRequest(service).error,
              AllOf(HasSubstr("spec.loadBalancerIP"), HasSubstr("\"abc\"")));
  service = WithIp(service, "10.0.0.0/24");
  EXPECT_THAT(ReadRequest(service).error,
              AllOf(HasSubstr("eip.openelb.kubesphere.io/v1alpha1"), HasSubstr("10.0.0.0/24")));
}

TEST(RequestTest, NodeProxyAsksForNoAddress) {
  for (const char* key :
       {"node-proxy.openelb.kubesphere.io/type", "node-proxy.porter.kubesphere.io/type"}) {
    kube::Service service = WithIp(MakeService("ns/s"), "10.0.0.1");
    service.meta.annotations[key] = "daemonset";
    const Request request = ReadRequest(service);
    EXPECT_TRUE(request.node_proxy);
    EXPECT_EQ(request.address, std::nullopt);
    EXPECT_THAT(request.error, HasSubstr("node-proxy"));
  }
}

}  // namespace
}  // namespace openelb::ipam
