#include "api/network/v1alpha2/community.h"

#include <gtest/gtest.h>

namespace openelb::network {
namespace {

TEST(CommunityTest, EveryFormIsReadAndWritten) {
  const struct {
    const char* text;
    Community community;
    const char* shown;  // nullptr: as written
  } kCases[] = {
      {"0:0", StandardCommunity{0}, nullptr},
      {"65000:100", StandardCommunity{0xfde80064}, nullptr},
      {"65535:65535", StandardCommunity{0xffffffff}, nullptr},
      {"65535:666", StandardCommunity{0xffff029a}, "blackhole"},
      {"graceful-shutdown", StandardCommunity{0xffff0000}, nullptr},
      {"no-export", StandardCommunity{0xffffff01}, nullptr},
      {"no-advertise", StandardCommunity{0xffffff02}, nullptr},
      {"local-as", StandardCommunity{0xffffff03}, nullptr},
      {"no-export-subconfed", StandardCommunity{0xffffff03}, "local-as"},
      {"no-peer", StandardCommunity{0xffffff04}, nullptr},
      {"large:65000:1:2", LargeCommunity{{65000, 1, 2}}, nullptr},
      {"65000:1:2", LargeCommunity{{65000, 1, 2}}, "large:65000:1:2"},
      {"large:4294967295:0:4294967295", LargeCommunity{{4294967295, 0, 4294967295}}, nullptr},
      {"rt:65000:100", ExtendedCommunity{0x0002fde800000064}, nullptr},
      {"soo:65000:4294967295", ExtendedCommunity{0x0003fde8ffffffff}, nullptr},
      {"rt:4200000000:100", ExtendedCommunity{0x0202fa56ea000064}, nullptr},
      {"rt:192.0.2.1:65535", ExtendedCommunity{0x0102c0000201ffff}, nullptr},
      {"lb:65000:125000000", ExtendedCommunity{0x4004fde84cee6b28}, nullptr},
      {"0x0002fde800000064", ExtendedCommunity{0x0002fde800000064}, "rt:65000:100"},
      {"0x43000000000000FF", ExtendedCommunity{0x43000000000000ff}, "0x43000000000000ff"},
      // A four-octet form of an AS that fits two has no other spelling.
      {"0x0202000000010002", ExtendedCommunity{0x0202000000010002}, nullptr},
      {"0x4004fde87fc00000", ExtendedCommunity{0x4004fde87fc00000}, nullptr},
  };
  for (const auto& c : kCases) {
    const auto community = ParseCommunity(c.text);
    ASSERT_TRUE(community.has_value()) << c.text;
    EXPECT_EQ(*community, c.community) << c.text;
    const std::string shown = FormatCommunity(*community);
    EXPECT_EQ(shown, c.shown == nullptr ? c.text : c.shown);
    EXPECT_EQ(ParseCommunity(shown), community) << shown;
  }
}

TEST(CommunityTest, NothingElseIs) {
  for (const char* text : {"",
                           "65000",
                           "65536:1",
                           "1:65536",
                           "-1:1",
                           "1: 1",
                           "1:1 ",
                           "1:",
                           ":1",
                           ":",
                           "1:2:3:4",
                           "large:1:2",
                           "large:1:2:3:4",
                           "large:1:2:4294967296",
                           "LARGE:1:2:3",
                           "rt:65000",
                           "rt:65000:4294967296",
                           "rt:65536:65536",
                           "rt:4294967296:1",
                           "rt:192.0.2.1:65536",
                           "rt:192.0.2:1",
                           "rt:fd00::1:1",
                           "ro:65000:1",
                           "lb:65536:1",
                           "lb:1:-1",
                           "lb:1:1.5",
                           "0x",
                           "0x1",
                           "0x0002fde80000006g",
                           "0x0002fde8000000640",
                           "No-Export",
                           "my-alias",
                           "00000000001:1"}) {
    EXPECT_FALSE(ParseCommunity(text).has_value()) << text;
  }
}

TEST(CommunityTest, NamesOfAliases) {
  for (const char* text : {"a", "my-alias", "leaf1.no_transit"}) EXPECT_TRUE(IsAliasName(text));
  EXPECT_TRUE(IsAliasName(std::string(63, 'a')));
  for (const char* text : {"", "1a", "-a", "a b", "A", "a:1", "no-export", "local-as"})
    EXPECT_FALSE(IsAliasName(text)) << text;
  EXPECT_FALSE(IsAliasName(std::string(64, 'a')));
}

}  // namespace
}  // namespace openelb::network
