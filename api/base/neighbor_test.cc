#include "api/base/neighbor.h"

#include <gmock/gmock.h>

namespace openelb {
namespace {

TEST(NeighborTest, Parses) {
  const struct {
    const char* text;
    const char* address;
    const char* interface;
  } kCases[] = {{"192.168.0.5", "192.168.0.5", ""},
                {"169.254.0.1", "169.254.0.1", ""},
                {"2001:db8::5", "2001:db8::5", ""},
                {"fe80::1%eth0", "fe80::1", "eth0"},
                {"fe80::1%bond0.100", "fe80::1", "bond0.100"}};
  for (const auto& c : kCases) {
    const auto neighbor = ParseNeighborAddress(c.text);
    ASSERT_TRUE(neighbor.ok()) << neighbor.status();
    EXPECT_EQ(neighbor->address, IpAddress::Parse(c.address).value());
    EXPECT_EQ(neighbor->interface, c.interface);
  }
}

TEST(NeighborTest, IsReadAsWritten) {
  for (const char* text : {"192.168.0.5", "2001:db8::5", "fe80::1%eth0", "eth0", "bond0.100"}) {
    const auto neighbor = Neighbor::Parse(text);
    ASSERT_TRUE(neighbor.ok()) << neighbor.status();
    EXPECT_EQ(neighbor->ToString(), text);
  }
  EXPECT_EQ(Neighbor::Parse("eth0").value(), Neighbor::Unnumbered("eth0"));
  EXPECT_TRUE(Neighbor::Unnumbered("eth0").unnumbered());
  EXPECT_FALSE(Neighbor(IpAddress::Parse("fe80::1").value(), "eth0").unnumbered());
  EXPECT_FALSE(Neighbor::Parse("").ok());
  EXPECT_FALSE(Neighbor::Parse("fe80::1").ok());
  EXPECT_FALSE(Neighbor::Parse("a-name-too-long0").ok());
}

TEST(NeighborTest, SaysWhatIsWrong) {
  const struct {
    const char* text;
    const char* why;
  } kCases[] = {
      {"", "\"\" is not the IP address of a router"},
      {"leaf1", "\"leaf1\" is not the IP address of a router"},
      {"0.0.0.0", "\"0.0.0.0\" is not the IP address of a router"},
      {"ff02::1%eth0", "\"ff02::1%eth0\" is not the IP address of a router"},
      {"fe80::1", "\"fe80::1\" is link-local; name its interface, too, as in fe80::1%eth0"},
      {"10.0.0.1%eth0",
       "\"10.0.0.1%eth0\" names an interface, but is not a link-local IPv6 address"},
      {"2001:db8::5%eth0",
       "\"2001:db8::5%eth0\" names an interface, but is not a link-local IPv6 address"},
      {"fe80::1%", "\"fe80::1%\" does not name an interface (up to 15 characters) after \"%\""},
      {"fe80::1%eth0%eth1",
       "\"fe80::1%eth0%eth1\" does not name an interface (up to 15 characters) after \"%\""},
      {"fe80::1%a-name-too-long0",
       "\"fe80::1%a-name-too-long0\" does not name an interface (up to 15 characters) after "
       "\"%\""},
  };
  for (const auto& c : kCases) EXPECT_EQ(ParseNeighborAddress(c.text).status().message(), c.why);
}

}  // namespace
}  // namespace openelb
