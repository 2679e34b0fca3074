// Which interface of a node a pool means.

#include "controller/plan/local_eligibility.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace openelb::plan {
namespace {

constexpr bool NodeView::* kLayer2 = &NodeView::layer2;
constexpr bool NodeView::* kVip = &NodeView::vip;

// eth0 and eth1 share a part of their networks, eth2 and eth3 all of it.
NodeView Node(const std::string& layer2_address = "") {
  NodeView node;
  for (const auto& [interface, address] :
       std::initializer_list<std::pair<const char*, const char*>>{{"eth0", "10.0.0.1/8"},
                                                                  {"eth1", "10.1.0.1/24"},
                                                                  {"eth2", "192.168.0.1/24"},
                                                                  {"eth3", "192.168.0.2/24"},
                                                                  {"eth2", "2001:db8::1/64"}}) {
    node.prefixes.push_back(InterfaceAddress::Parse(address).value());
    node.prefixes.back().interface = interface;
  }
  node.layer2_address = layer2_address;
  return node;
}

std::string Link(bool NodeView::* mode, const NodeView& node, const std::string& interface,
                 absl::string_view address, bool off_link = false) {
  const InterfaceAddress* link = LinkFor(mode, node, {.name = interface, .off_link = off_link},
                                         IpAddress::Parse(address).value());
  return link == nullptr ? "none" : link->interface;
}

TEST(LinkFor, ByNameByWhatItReachesOrAny) {
  const struct {
    const char* interface;
    const char* address;
    const char* link;
  } kCases[] = {
      {"eth2", "192.168.0.91", "eth2"},
      {"eth3", "192.168.0.91", "eth3"},
      {"eth2", "2001:db8::91", "eth2"},
      {"eth0", "192.168.0.91", "none"},
      {"eth9", "192.168.0.91", "none"},
      {"can_reach:192.168.0.2", "192.168.0.91", "eth2"},
      {"can_reach:192.168.0.2", "2001:db8::91", "eth2"},
      {"can_reach:10.1.0.2", "10.1.0.9", "eth1"},
      {"can_reach:10.2.0.2", "10.1.0.9", "eth0"},
      {"can_reach:172.16.0.1", "10.1.0.9", "none"},
      {"can_reach:nonsense", "10.1.0.9", "none"},
      {"", "192.168.0.91", "eth2"},
      {"", "10.1.0.9", "eth1"},
      {"", "10.2.0.9", "eth0"},
      {"", "2001:db8::91", "eth2"},
      {"", "172.16.0.1", "none"},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(absl::StrCat(test.interface, " ", test.address));
    EXPECT_EQ(Link(kLayer2, Node(), test.interface, test.address), test.link);
    EXPECT_EQ(Link(kVip, Node(), test.interface, test.address), test.link);
  }
}

TEST(LinkFor, APoolThatIsOffLinkNeedsNoNetworkOnTheInterfaceThatItNames) {
  const struct {
    const char* interface;
    const char* address;
    const char* link;
  } kCases[] = {
      {"eth2", "203.0.113.1", "eth2"},
      {"eth1", "2001:db8:1::1", "eth1"},  // where the node has IPv4 alone
      {"eth3", "192.168.0.91", "eth3"},
      {"eth9", "203.0.113.1", "none"},
      {"", "203.0.113.1", "none"},
      {"", "192.168.0.91", "eth2"},
      {"can_reach:10.1.0.2", "203.0.113.1", "eth1"},
      {"can_reach:172.16.0.1", "203.0.113.1", "none"},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(absl::StrCat(test.interface, " ", test.address));
    for (bool NodeView::* mode : {kLayer2, kVip})
      EXPECT_EQ(Link(mode, Node(), test.interface, test.address, /*off_link=*/true), test.link);
  }
  EXPECT_EQ(Link(kLayer2, Node("192.168.0.2"), "eth1", "203.0.113.1", /*off_link=*/true), "eth3");
}

TEST(LinkFor, WhatIsOnNoNetworkIsReachedOverTheDefaultRoute) {
  NodeView node = Node();
  node.default_routes = {.v4 = "eth2", .v6 = "eth1"};
  const struct {
    const char* interface;
    const char* address;
    const char* link;
  } kCases[] = {
      {"can_reach:172.16.0.1", "192.168.0.91", "eth2"},
      {"can_reach:172.16.0.1", "10.1.0.9", "none"},  // not there
      {"can_reach:2001:db8:1::1", "10.1.0.9", "eth1"},
      {"can_reach:10.1.0.2", "10.1.0.9", "eth1"},  // on a network
      {"can_reach:nonsense", "192.168.0.91", "none"},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(absl::StrCat(test.interface, " ", test.address));
    for (bool NodeView::* mode : {kLayer2, kVip})
      EXPECT_EQ(Link(mode, node, test.interface, test.address), test.link);
  }
}

TEST(LinkFor, ForLayer2TheAnnotatedAddressComesFirst) {
  const struct {
    const char* annotated;
    const char* interface;
    const char* address;
    const char* link;
  } kCases[] = {
      {"192.168.0.2", "eth2", "192.168.0.91", "eth3"},
      {"192.168.0.2", "can_reach:192.168.0.1", "192.168.0.91", "eth3"},
      {"192.168.0.2", "ens3", "192.168.0.91", "eth3"},
      {"192.168.0.1", "eth2", "2001:db8::91", "eth2"},
      {"192.168.0.2", "eth1", "10.1.0.9", "eth1"},      // on another network
      {"192.168.0.9", "eth2", "192.168.0.91", "eth2"},  // no address of the node
      {"eth3", "eth2", "192.168.0.91", "eth2"},         // no address at all
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(absl::StrCat(test.annotated, " ", test.interface, " ", test.address));
    EXPECT_EQ(Link(kLayer2, Node(test.annotated), test.interface, test.address), test.link);
  }
  EXPECT_EQ(Link(kVip, Node("192.168.0.2"), "eth2", "192.168.0.91"), "eth2");
}

}  // namespace
}  // namespace openelb::plan
