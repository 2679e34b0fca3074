#include "api/base/ip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace openelb {
namespace {

using ::testing::HasSubstr;

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

TEST(IpAddressTest, ParsesAndFormats) {
  for (const char* text : {"0.0.0.0", "192.168.0.3", "255.255.255.255", "::", "::1", "2001:db8::5",
                           "::ffff:1.2.3.4"}) {
    EXPECT_EQ(Ip(text).ToString(), text);
  }
  EXPECT_EQ(Ip("2001:DB8:0:0::1").ToString(), "2001:db8::1");
}

TEST(IpAddressTest, RefusesWhatIsNotAnAddress) {
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", " 1.2.3.4", "1.2.3.4 ",
                           "fe80::1%eth0", "abc", "1.2.3.4/24", "01.2.3.4", "00.0.0.0", "1.2.3.",
                           ".1.2.3", "1..2.3", "1.2.3.4.", "1.2.3.1000", "1.2.3.-4", "1.2.3.+4"}) {
    const auto parsed = IpAddress::Parse(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(text));
  }
  EXPECT_FALSE(IpAddress::Parse(absl::string_view("1.2.3.4\0x", 9)).ok());
}

TEST(IpAddressTest, OrdinalsRoundTrip) {
  for (const char* text :
       {"0.0.0.1", "10.0.0.255", "::2", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}) {
    EXPECT_EQ(IpAddress::FromOrdinal(Ip(text).family(), Ip(text).Ordinal()), Ip(text));
  }
  EXPECT_LT(Ip("9.0.0.1"), Ip("10.0.0.1"));
  EXPECT_LT(Ip("255.255.255.255"), Ip("::1"));
}

TEST(IpPrefixTest, DropsHostBitsAndContains) {
  const IpPrefix prefix = IpPrefix::Parse("192.168.0.3/24").value();
  EXPECT_EQ(prefix.ToString(), "192.168.0.0/24");
  EXPECT_TRUE(prefix.Contains(Ip("192.168.0.255")));
  EXPECT_FALSE(prefix.Contains(Ip("192.168.1.0")));
  EXPECT_FALSE(prefix.Contains(Ip("::1")));
  EXPECT_TRUE(IpPrefix::Parse("0.0.0.0/0").value().Contains(Ip("8.8.8.8")));
  EXPECT_TRUE(IpPrefix::Parse("::/0").value().Contains(Ip("fe80::1")));
  for (const char* text : {"1.2.3.4", "1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1", "::/129", "/24",
                           "1.2.3.4/255.255.255.0", "1.2.3.4/+8"}) {
    EXPECT_FALSE(IpPrefix::Parse(text).ok()) << text;
  }
}

TEST(IpRangeTest, ReadsTheThreeForms) {
  struct Case {
    const char* text;
    const char* first;
    const char* last;
  };
  for (const Case& c :
       {Case{"172.22.0.2", "172.22.0.2", "172.22.0.2"},
        Case{"192.168.0.1/24", "192.168.0.0", "192.168.0.255"},
        Case{"192.168.0.91-192.168.0.100", "192.168.0.91", "192.168.0.100"},
        Case{"2001:db8::/120", "2001:db8::", "2001:db8::ff"}, Case{"::1-::5", "::1", "::5"}}) {
    const IpRange range = IpRange::Parse(c.text).value();
    EXPECT_EQ(range.first(), Ip(c.first)) << c.text;
    EXPECT_EQ(range.last(), Ip(c.last)) << c.text;
  }
}

TEST(IpRangeTest, SizesDoNotOverflow) {
  EXPECT_EQ(IpRange::Parse("10.0.0.0/8").value().Size(), absl::uint128(1) << 24);
  EXPECT_EQ(IpRange::Parse("2001:db8::/64").value().Size(), absl::uint128(1) << 64);
  EXPECT_EQ(IpRange::Parse("::/1").value().Size(), absl::uint128(1) << 127);
  EXPECT_EQ(IpRange::Parse("::/0").value().Size(), absl::Uint128Max());
}

TEST(IpRangeTest, NamesWhatIsWrong) {
  struct Case {
    const char* text;
    const char* why;
  };
  for (const Case& c :
       {Case{"1.1.1.5-1.1.1.1", "end is below"}, Case{"1.1.1.1-::1", "different families"},
        Case{"a-b-c", "more than one"}, Case{"1.1.1.1 - 1.1.1.2", "not an IP address"},
        Case{"nonsense", "is not an address"}, Case{"1.1.1.0/40", "0..32"}}) {
    EXPECT_THAT(std::string(IpRange::Parse(c.text).status().message()), HasSubstr(c.why)) << c.text;
  }
}

TEST(IpRangeTest, Overlap) {
  const IpRange a = IpRange::Parse("10.0.0.10-10.0.0.20").value();
  EXPECT_TRUE(a.Overlaps(IpRange::Parse("10.0.0.20-10.0.0.30").value()));
  EXPECT_TRUE(a.Overlaps(IpRange::Parse("10.0.0.0/24").value()));
  EXPECT_FALSE(a.Overlaps(IpRange::Parse("10.0.0.21-10.0.0.30").value()));
  EXPECT_FALSE(a.Overlaps(IpRange::Parse("::/0").value()));
}

}  // namespace
}  // namespace openelb
