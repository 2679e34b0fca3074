#include "speaker/ndp/router.h"

#include <gmock/gmock.h>

#include "api/base/test_bytes.h"

namespace openelb::ndp {
namespace {

const IpAddress kRouter = IpAddress::Parse("fe80::1").value();

TEST(RouterMessageTest, IsReadAsWritten) {
  for (const RouterMessage type : {RouterMessage::kSolicitation, RouterMessage::kAdvertisement}) {
    EXPECT_EQ(ParseRouterMessage(SerializeRouterMessage(type), kRouter, 255), type);
  }
  EXPECT_EQ(SerializeRouterMessage(RouterMessage::kAdvertisement),
            Hex("86 00 0000 00 00 0000 00000000 00000000"));
}

TEST(RouterMessageTest, IgnoresWhatIsNoneOrNotOfTheLink) {
  const struct {
    const char* what;
    const char* message;
    const char* source = "fe80::1";
    int hop_limit = 255;
    bool good = false;
  } kCases[] = {
      {"an advertisement with options",
       "86 00 1234 40 00 0708 00000000 00000000 01 01 0a0b0c0d0e0f 05 01 0000 00000500", "fe80::1",
       255, true},
      {"a solicitation from nowhere", "85 00 1234 00000000", "::", 255, true},
      {"nothing", ""},
      {"a solicitation cut off", "85 00 1234 000000"},
      {"an advertisement cut off", "86 00 1234 40 00 0708 00000000 000000"},
      {"another type", "87 00 1234 00000000 00000000 00000000"},
      {"another code", "86 01 1234 40 00 0708 00000000 00000000"},
      {"from afar", "86 00 1234 40 00 0708 00000000 00000000", "fe80::1", 254},
      {"not from a link-local address", "86 00 1234 40 00 0708 00000000 00000000", "2001:db8::1"},
      {"an option of no length", "86 00 1234 40 00 0708 00000000 00000000 01 00 0a0b0c0d0e0f"},
      {"an option beyond the end", "86 00 1234 40 00 0708 00000000 00000000 01 02 0a0b0c0d0e0f"},
      {"half an option", "86 00 1234 40 00 0708 00000000 00000000 01"},
  };
  for (const auto& c : kCases) {
    const IpAddress source = IpAddress::Parse(c.source).value();
    EXPECT_EQ(ParseRouterMessage(Hex(c.message), source, c.hop_limit).has_value(), c.good)
        << c.what;
  }
}

}  // namespace
}  // namespace openelb::ndp
