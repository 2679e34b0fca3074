#include "api/base/internet_checksum.h"

#include "api/base/test_bytes.h"
#include "gtest/gtest.h"

namespace openelb {
namespace {

// The example of RFC 1071 section 3.
TEST(InternetChecksumTest, SumsAsRfc1071Does) {
  EXPECT_EQ(InternetChecksum().Add(Hex("0001 f203 f4f5 f6f7")).Value(), 0x220d);
  EXPECT_EQ(InternetChecksum().Add(Hex("0001 f203 f4f5 f6f7 220d")).Value(), 0);
  EXPECT_EQ(InternetChecksum().Add(Hex("0001 f2")).Value(), 0x0dfe) << "padded with zero";
  EXPECT_EQ(InternetChecksum().Value(), 0xffff);
}

// An ICMPv6 echo request.
TEST(InternetChecksumTest, CoversThePseudoHeader) {
  const IpAddress source = IpAddress::Parse("::1").value();
  InternetChecksum sum;
  sum.AddPseudoHeader(source, source, 58, 8).Add(Hex("8000 0000 0001 0001"));
  // 0001 + 0001 + 003a + 0008 + 8000 + 0001 + 0001 = 8046
  EXPECT_EQ(sum.Value(), 0x7fb9);
}

}  // namespace
}  // namespace openelb
