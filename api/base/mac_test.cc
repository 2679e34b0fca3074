#include "api/base/mac.h"

#include "gtest/gtest.h"

namespace openelb {
namespace {

TEST(MacAddressTest, ReadsAndWrites) {
  const std::array<uint8_t, 7> octets = {0x02, 0, 0x5e, 0x10, 0, 0xab, 9};
  const std::optional<MacAddress> mac = MacAddress::FromBytes(std::span(octets).first(6));
  ASSERT_TRUE(mac.has_value());
  EXPECT_EQ(mac->ToString(), "02:00:5e:10:00:ab");
  EXPECT_FALSE(MacAddress::FromBytes(octets).has_value());
  EXPECT_FALSE(MacAddress::FromBytes(std::span(octets).first(5)).has_value());
  EXPECT_EQ(MacAddress::OfGroup(IpAddress::Parse("ff02::1:ff12:3456").value()).ToString(),
            "33:33:ff:12:34:56");
}

TEST(MacAddressTest, KnowsItsKind) {
  EXPECT_TRUE(MacAddress::Broadcast().IsMulticast());
  EXPECT_FALSE(MacAddress::Broadcast().IsStation());
  EXPECT_TRUE(MacAddress().IsZero());
  EXPECT_FALSE(MacAddress().IsStation());
  EXPECT_TRUE(MacAddress({2, 0, 0, 0, 0, 1}).IsStation());
}

}  // namespace
}  // namespace openelb
