#include "controller/ipam/address_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace openelb::ipam {
namespace {

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }
IpRange Range(absl::string_view text) { return IpRange::Parse(text).value(); }

TEST(AddressSetTest, FindsTheFirstMissing) {
  AddressSet set;
  EXPECT_EQ(set.FirstMissing(Range("10.0.0.0/30")), Ip("10.0.0.0"));
  set.Insert(Ip("10.0.0.0"));
  set.Insert(Ip("10.0.0.2"));
  EXPECT_EQ(set.FirstMissing(Range("10.0.0.0/30")), Ip("10.0.0.1"));
  set.Insert(Ip("10.0.0.1"));  // joins both runs
  EXPECT_EQ(set.FirstMissing(Range("10.0.0.0/30")), Ip("10.0.0.3"));
  EXPECT_EQ(set.FirstMissing(Range("10.0.0.1-10.0.0.2")), std::nullopt);
  set.Erase(Ip("10.0.0.1"));  // splits the run
  EXPECT_EQ(set.FirstMissing(Range("10.0.0.0/30")), Ip("10.0.0.1"));
  EXPECT_TRUE(set.Contains(Ip("10.0.0.0")));
  EXPECT_TRUE(set.Contains(Ip("10.0.0.2")));
  EXPECT_FALSE(set.Contains(Ip("10.0.0.1")));
}

TEST(AddressSetTest, StopsAtTheEndsOfAFamily) {
  AddressSet set;
  for (const char* text : {"0.0.0.0", "255.255.255.254", "255.255.255.255",
                           "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}) {
    set.Insert(Ip(text));
  }
  EXPECT_EQ(set.FirstMissing(Range("255.255.255.254/31")), std::nullopt);
  EXPECT_EQ(set.FirstMissing(Range("::/1")), Ip("::1"));
  EXPECT_EQ(set.FirstMissing(Range("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")), std::nullopt);
  set.Erase(Ip("255.255.255.255"));
  EXPECT_EQ(set.FirstMissing(Range("255.255.255.254/31")), Ip("255.255.255.255"));
}

TEST(AddressSetTest, AgreesWithAPlainSet) {
  std::mt19937 random(7);
  AddressSet set;
  std::set<uint32_t> plain;
  constexpr uint32_t kBase = 0x0a000000;
  for (int step = 0; step < 20000; ++step) {
    const uint32_t value = kBase + random() % 64;
    if (random() % 2 == 0) {
      set.Insert(IpAddress::FromV4(value));
      plain.insert(value);
    } else {
      set.Erase(IpAddress::FromV4(value));
      plain.erase(value);
    }
    uint32_t first = kBase + random() % 64;
    const IpRange range(IpAddress::FromV4(first), IpAddress::FromV4(kBase + 63));
    while (plain.contains(first)) ++first;
    const auto expected =
        first <= kBase + 63 ? std::optional(IpAddress::FromV4(first)) : std::nullopt;
    ASSERT_EQ(set.FirstMissing(range), expected) << "step " << step;
  }
}

}  // namespace
}  // namespace openelb::ipam
