#include "speaker/bgp/update_source.h"

#include <gmock/gmock.h>

namespace openelb::bgp {
namespace {

InterfaceAddress On(const char* interface, const char* address) {
  InterfaceAddress parsed = InterfaceAddress::Parse(address).value();
  parsed.interface = interface;
  return parsed;
}

TEST(UpdateSourceTest, IsAnAddressOrThatOfAnInterface) {
  const std::vector<InterfaceAddress> addresses = {
      On("eth0", "10.0.0.3/24"), On("eth0", "10.0.1.3/24"), On("eth0", "fd00::3/64"),
      On("lo", "10.255.0.3/32")};
  const struct {
    const char* peer;
    const char* source;
    const char* expected;  // empty: the kernel's choice
  } kCases[] = {
      {"10.0.0.1", "", ""},
      {"10.0.0.1", "10.255.0.3", "10.255.0.3"},
      {"10.0.0.1", "lo", "10.255.0.3"},
      {"10.0.0.1", "eth0", "10.0.0.3"},
      {"10.0.1.1", "eth0", "10.0.1.3"},
      {"10.9.0.1", "eth0", "10.0.0.3"},
      {"fd00::1", "eth0", "fd00::3"},
      {"fe80::1", "eth0", "fd00::3"},
  };
  for (const auto& c : kCases) {
    link::BgpPeer peer;
    peer.neighbor.address = IpAddress::Parse(c.peer).value();
    peer.update_source = c.source;
    const auto source = UpdateSource(peer, addresses);
    ASSERT_TRUE(source.ok()) << source.status();
    EXPECT_EQ(source->has_value() ? (*source)->ToString() : "", c.expected)
        << c.peer << " from " << c.source;
  }
  link::BgpPeer peer;
  peer.neighbor.address = IpAddress::Parse("fe80::1").value();
  peer.update_source = peer.neighbor.interface = "eth0";
  EXPECT_EQ(UpdateSource(peer, addresses).value(), std::nullopt);
}

TEST(UpdateSourceTest, SaysWhyThereIsNone) {
  const std::vector<InterfaceAddress> addresses = {On("eth0", "10.0.0.3/24")};
  const struct {
    const char* peer;
    const char* source;
    const char* why;
  } kCases[] = {
      {"10.0.0.1", "fd00::3", "updateSource \"fd00::3\": the peer's address is IPv4"},
      {"10.0.0.1", "10.0.0.4",
       "updateSource \"10.0.0.4\": the node has no interface that is up and has this address"},
      {"10.0.0.1", "eth9",
       "updateSource \"eth9\": the node has no interface of that name that is up and has an IPv4 "
       "address"},
      {"fd00::1", "eth0",
       "updateSource \"eth0\": the node has no interface of that name that is up and has an IPv6 "
       "address"},
  };
  for (const auto& c : kCases) {
    link::BgpPeer peer;
    peer.neighbor.address = IpAddress::Parse(c.peer).value();
    peer.update_source = c.source;
    EXPECT_EQ(UpdateSource(peer, addresses).status().message(), c.why);
  }
}

}  // namespace
}  // namespace openelb::bgp
