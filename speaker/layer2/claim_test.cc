#include "speaker/layer2/claim.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/base/test_bytes.h"

namespace openelb::layer2 {
namespace {

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

constexpr ClaimStamp kStamp = {.life = 0x1122334455667788,
                               .number = 9,
                               .question = 0xa1a2a3a4a5a6a7a8,
                               .answer = 0xb1b2b3b4b5b6b7b8};

ClaimWay TheWay() { return {Ip("10.0.0.1"), Ip("10.0.0.2")}; }

// "ok", or why the datagram is dropped.
std::string Judge(const Bytes& datagram, const ClaimWay& way,
                  const std::vector<std::string>& secrets, ClaimMessage* message) {
  const std::optional<ClaimDrop> drop = DecodeClaims(datagram, way, secrets, message);
  return drop.has_value() ? std::string(ClaimDropName(*drop)) : "ok";
}

std::string Judge(const Bytes& datagram) {
  ClaimMessage message;
  return Judge(datagram, TheWay(), {"secret"}, &message);
}

// An authentic datagram of what is written.
Bytes Signed(absl::string_view hex) {
  Bytes datagram = Hex(hex);
  SignClaims(TheWay(), "secret", &datagram);
  return datagram;
}

// The code was computed with Python's hmac over the octets before it, 04 0a000001 and 04 0a000002.
TEST(ClaimTest, AsOnTheWire) {
  const std::vector<Claim> claims = {{Ip("172.22.0.2"), 5, 1},
                                     {Ip("fd00::2"), 0x0102030405060708, 3}};
  const Bytes datagram = EncodeClaims(kStamp, claims, TheWay(), "secret");
  EXPECT_EQ(ToHex(datagram),
            ToHex(Hex("4f454c43 01 00 0002 1122334455667788 0000000000000009"
                      "a1a2a3a4a5a6a7a8 b1b2b3b4b5b6b7b8"
                      "04 01 0000000000000005 ac160002"
                      "06 03 0102030405060708 fd000000000000000000000000000002"
                      "30dd8ece90338b559f601a7ff5dee5969e6be3a9c51664c398893f4403adb13b")));
  ClaimMessage message;
  ASSERT_EQ(Judge(datagram, TheWay(), {"secret"}, &message), "ok");
  EXPECT_EQ(message, (ClaimMessage{kStamp, claims}));
}

TEST(ClaimTest, AnyOfTheSecretsWillDo) {
  const std::vector<Claim> claims = {{Ip("172.22.0.2")}};
  for (const char* secret : {"old", "new"}) {
    const Bytes datagram = EncodeClaims(kStamp, claims, TheWay(), secret);
    ClaimMessage message;
    EXPECT_EQ(Judge(datagram, TheWay(), {"new", "old"}, &message), "ok");
    EXPECT_EQ(Judge(datagram, TheWay(), {}, &message), "digest");
    EXPECT_EQ(Judge(datagram, TheWay(), {"other"}, &message), "digest");
  }
}

TEST(ClaimTest, ADatagramIsWorthNothingOnAnotherWay) {
  const Bytes datagram =
      EncodeClaims(kStamp, std::vector<Claim>{{Ip("172.22.0.2")}}, TheWay(), "secret");
  const IpAddress from = TheWay().from;
  const IpAddress to = TheWay().to;
  for (const ClaimWay& way : {ClaimWay{to, from}, ClaimWay{from, Ip("10.0.0.3")},
                              ClaimWay{Ip("10.0.0.3"), to}, ClaimWay{from, Ip("a00:2::")}}) {
    ClaimMessage message;
    EXPECT_EQ(Judge(datagram, way, {"secret"}, &message), "digest");
  }
}

TEST(ClaimTest, WrongDatagramsAreDroppedForTheirReason) {
  const std::string numbers = "0000000000000001 0000000000000001 0000000000000001 0000000000000000";
  const std::string header = absl::StrCat("4f454c43 01 00 0001", numbers);
  const std::string good = absl::StrCat(header, "04 01 0000000000000005 ac160002");
  struct Row {
    const char* what;
    Bytes datagram;
    const char* reason;
  };
  const auto changed = [&](const std::function<void(Bytes*)>& change) {
    Bytes datagram = Signed(good);
    change(&datagram);
    return datagram;
  };
  const Row rows[] = {
      {"nothing", {}, "length"},
      {"one octet too few", Bytes(71), "length"},
      {"zeros", Bytes(72), "magic"},
      {"another magic", Signed(absl::StrCat("4f454c44 01 00 0001", numbers)), "magic"},
      {"version 0", Signed(absl::StrCat("4f454c43 00 00 0001", numbers)), "version"},
      {"version 2", Signed(absl::StrCat("4f454c43 02 00 0001", numbers)), "version"},
      {"a code of zeros", changed([](Bytes* d) { std::fill(d->end() - 32, d->end(), 0); }),
       "digest"},
      {"the answer changed", changed([](Bytes* d) { (*d)[39] ^= 1; }), "digest"},
      {"the address changed", changed([](Bytes* d) { (*d)[53] ^= 1; }), "digest"},
      {"the code changed", changed([](Bytes* d) { d->back() ^= 1; }), "digest"},
      {"cut short", changed([](Bytes* d) { d->pop_back(); }), "digest"},
      {"more behind", changed([](Bytes* d) { d->push_back(0); }), "digest"},
      {"no life",
       Signed("4f454c43 01 00 0000 0000000000000000 0000000000000001 0000000000000001"
              "0000000000000000"),
       "content"},
      {"no number",
       Signed("4f454c43 01 00 0000 0000000000000001 0000000000000000 0000000000000001"
              "0000000000000000"),
       "content"},
      {"no question",
       Signed("4f454c43 01 00 0000 0000000000000001 0000000000000001 0000000000000000"
              "0000000000000000"),
       "content"},
      {"no claim, though one is announced", Signed(header), "content"},
      {"a claim too many", Signed(absl::StrCat(good, "04 01 0000000000000005 ac160003")),
       "content"},
      {"an octet too many", Signed(absl::StrCat(good, "00")), "content"},
      {"half a family", Signed(absl::StrCat(header, "04")), "content"},
      {"half a turn", Signed(absl::StrCat(header, "04 01 00000000000005")), "content"},
      {"half an address", Signed(absl::StrCat(header, "04 01 0000000000000005 ac1600")), "content"},
      {"family 5", Signed(absl::StrCat(header, "05 01 0000000000000005 ac160002")), "content"},
      {"no address", Signed(absl::StrCat(header, "04 01 0000000000000005 00000000")), "content"},
      {"multicast", Signed(absl::StrCat(header, "04 01 0000000000000005 e0000001")), "content"},
  };
  ASSERT_EQ(Judge(Signed(good)), "ok");
  for (const Row& row : rows) EXPECT_EQ(Judge(row.datagram), row.reason) << row.what;
  EXPECT_EQ(Judge(Signed(absl::StrCat("4f454c43 01 00 0000", numbers))), "ok") << "asks for all";
  EXPECT_EQ(Judge(Signed(absl::StrCat("4f454c43 01 ff", good.substr(14)))), "ok")
      << "what is reserved is for others to use";
}

TEST(ClaimTest, ADatagramHoldsWhatFits) {
  struct Row {
    const char* address;
    size_t fit;
  };
  for (const Row& row : {Row{"172.22.0.2", 80}, Row{"fd00::2", 43}}) {
    const std::vector<Claim> claims(500, {Ip(row.address)});
    EXPECT_EQ(ClaimsThatFit(claims), row.fit);
    const std::span<const Claim> all(claims);
    EXPECT_LE(EncodeClaims(kStamp, all.first(row.fit), TheWay(), "k").size(), kMaxClaimDatagram);
    EXPECT_GT(EncodeClaims(kStamp, all.first(row.fit + 1), TheWay(), "k").size(),
              kMaxClaimDatagram);
    EXPECT_EQ(ClaimsThatFit(all.first(3)), 3u);
  }
  EXPECT_EQ(ClaimsThatFit({}), 0u);
}

TEST(ClaimTest, ReasonsHaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (size_t i = 0; i < kClaimDrops; ++i) names.emplace(ClaimDropName(static_cast<ClaimDrop>(i)));
  EXPECT_EQ(names.size(), kClaimDrops);
}

}  // namespace
}  // namespace openelb::layer2
