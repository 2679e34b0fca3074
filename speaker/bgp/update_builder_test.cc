#include "speaker/bgp/update_builder.h"

#include <gmock/gmock.h>

#include "speaker/bgp/attributes.h"
#include "speaker/bgp/test_bytes.h"

namespace openelb::bgp {
namespace {

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }
IpPrefix Prefix(absl::string_view text) { return IpPrefix::Parse(text).value(); }

constexpr AttributeContext kEbgp{true, 65000, true};

TEST(AttributesTest, EncodesEachKindOfSession) {
  plan::PathAttributes plain;
  plan::PathAttributes full;
  full.communities = {0xfde80064, 0xfde80065};
  full.extended_communities = {0x4004fdf349742400};
  full.large_communities = {{65000, 1, 2}};
  full.med = 50;
  full.local_pref = 200;
  full.prepend = 2;
  full.graceful_shutdown = true;
  const struct {
    const char* name;
    AttributeContext context;
    plan::PathAttributes attributes;
    const char* hex;
  } kCases[] = {
      {"eBGP", kEbgp, plain,
       "40010100"
       "400206 0201 0000fde8"
       "400304 0a000003"},
      {"eBGP, 2 octets",
       {true, 65000, false},
       plain,
       "40010100"
       "400204 0201 fde8"
       "400304 0a000003"},
      {"eBGP, 2 octets, large AS",
       {true, 4200000001, false},
       plain,
       "40010100"
       "400204 0201 5ba0"
       "400304 0a000003"
       "c01106 0201 fa56ea01"},
      {"iBGP",
       {false, 65000, true},
       plain,
       "40010100"
       "400200"
       "400304 0a000003"
       "400504 00000064"},
      {"eBGP, everything", kEbgp, full,
       "40010100"
       "40020e 0203 0000fde8 0000fde8 0000fde8"
       "400304 0a000003"
       "800404 00000032"
       "c0080c fde80064 fde80065 ffff0000"
       "c01008 4004fdf349742400"
       "c0200c 0000fde8 00000001 00000002"},
      {"iBGP, everything",
       {false, 65000, true},
       full,
       "40010100"
       "400200"
       "400304 0a000003"
       "800404 00000032"
       "400504 00000000"  // RFC 8326 4.2: not the 200 that is asked for
       "c0080c fde80064 fde80065 ffff0000"
       "c01008 4004fdf349742400"
       "c0200c 0000fde8 00000001 00000002"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(ToHex(EncodeAttributes(c.context, c.attributes, Ip("10.0.0.3"))), ToHex(Hex(c.hex)))
        << c.name;
  }
}

TEST(AttributesTest, UsesExtendedLengthWhereNeeded) {
  plan::PathAttributes attributes;
  for (uint32_t i = 0; i < 64; ++i) attributes.communities.push_back(i);
  const std::string hex = ToHex(EncodeAttributes(kEbgp, attributes, Ip("10.0.0.3")));
  EXPECT_THAT(hex, testing::HasSubstr("d0080100"));
}

TEST(AttributesTest, BoundsPrepends) {
  plan::PathAttributes attributes;
  attributes.prepend = 4000000000;
  const std::string hex = ToHex(EncodeAttributes(kEbgp, attributes, std::nullopt));
  EXPECT_THAT(hex, testing::StartsWith("40010100"
                                       "500203fe"
                                       "02ff"));
}

TEST(AttributesTest, SaysGracefulShutdownOnce) {
  plan::PathAttributes attributes;
  attributes.graceful_shutdown = true;
  const Bytes alone = EncodeAttributes(kEbgp, attributes, std::nullopt);
  attributes.communities = {kGracefulShutdownCommunity};
  EXPECT_EQ(ToHex(EncodeAttributes(kEbgp, attributes, std::nullopt)), ToHex(alone));
  // The community that somebody asks for says nothing of what we do.
  attributes.graceful_shutdown = false;
  attributes.local_pref = 200;
  EXPECT_THAT(ToHex(EncodeAttributes({false, 65000, true}, attributes, std::nullopt)),
              testing::HasSubstr("400504000000c8"));
  EXPECT_THAT(ToHex(alone), testing::HasSubstr("c00804ffff0000"));
}

TEST(AttributesTest, SaysWeightsAsLinkBandwidth) {
  // 125e6 octets a second as IEEE 754: 4cee6b28; an AS that does not fit two octets is AS_TRANS.
  EXPECT_EQ(LinkBandwidth(65000, 1), 0x4004fde84cee6b28u);
  EXPECT_EQ(LinkBandwidth(65000, 3), 0x4004fde84db2d05eu);
  EXPECT_EQ(LinkBandwidth(4200000000, 1), 0x40045ba04cee6b28u);
}

TEST(UpdateBuilderTest, AnnouncesIpv4InTheClassicFields) {
  const Path path{Family::kV4, 7, Ip("10.0.0.3"), EncodeAttributes(kEbgp, {}, Ip("10.0.0.3"))};
  Bytes nlri;
  AppendNlri(Prefix("172.22.0.2/32"), std::nullopt, &nlri);
  AppendNlri(Prefix("10.1.0.0/17"), std::nullopt, &nlri);
  AppendNlri(Prefix("0.0.0.0/0"), std::nullopt, &nlri);
  Bytes out;
  AppendAnnounce(path, nlri, &out);
  EXPECT_EQ(ToHex(out), ToHex(Hex("ffffffffffffffffffffffffffffffff 0035 02 0000 0014"
                                  "40010100 400206 0201 0000fde8 400304 0a000003"
                                  "20 ac160002 11 0a0100 00")));
}

TEST(UpdateBuilderTest, AnnouncesIpv6InMpReachFirst) {
  const Path path{Family::kV6, 7, Ip("2001:db8::3"), EncodeAttributes(kEbgp, {}, std::nullopt)};
  Bytes nlri;
  AppendNlri(Prefix("2001:db8:1::2/128"), 7, &nlri);
  Bytes out;
  AppendAnnounce(path, nlri, &out);
  EXPECT_EQ(ToHex(out), ToHex(Hex("ffffffffffffffffffffffffffffffff 0051 02 0000 003a"
                                  "800e2a 0002 01 10 20010db8000000000000000000000003 00"
                                  "00000007 80 20010db8000100000000000000000002"
                                  "40010100 400206 0201 0000fde8")));
}

TEST(UpdateBuilderTest, AnnouncesIpv4WithIpv6NextHopInMpReach) {
  const Path path{Family::kV4, 7, Ip("2001:db8::3"), EncodeAttributes(kEbgp, {}, std::nullopt)};
  Bytes nlri;
  AppendNlri(Prefix("172.22.0.2/32"), 7, &nlri);
  Bytes out;
  AppendAnnounce(path, nlri, &out);
  EXPECT_EQ(ToHex(out), ToHex(Hex("ffffffffffffffffffffffffffffffff 0045 02 0000 002e"
                                  "800e1e 0001 01 10 20010db8000000000000000000000003 00"
                                  "00000007 20 ac160002"
                                  "40010100 400206 0201 0000fde8")));
}

TEST(UpdateBuilderTest, Withdraws) {
  Bytes nlri;
  AppendNlri(Prefix("172.22.0.2/32"), 9, &nlri);
  Bytes out;
  AppendWithdraw(Family::kV4, nlri, &out);
  EXPECT_EQ(ToHex(out), ToHex(Hex("ffffffffffffffffffffffffffffffff 0020 02 0009"
                                  "00000009 20 ac160002 0000")));
  nlri.clear();
  out.clear();
  AppendNlri(Prefix("2001:db8::/32"), std::nullopt, &nlri);
  AppendWithdraw(Family::kV6, nlri, &out);
  EXPECT_EQ(ToHex(out), ToHex(Hex("ffffffffffffffffffffffffffffffff 0022 02 0000 000b"
                                  "800f08 0002 01 20 20010db8")));
}

TEST(UpdateBuilderTest, RoomIsExact) {
  const struct {
    Family family;
    const char* next_hop;
  } kCases[] = {
      {Family::kV4, "10.0.0.3"}, {Family::kV4, "2001:db8::3"}, {Family::kV6, "2001:db8::3"}};
  for (const auto& [family, text] : kCases) {
    const IpAddress next_hop = Ip(text);
    const Path path{
        family, 1, next_hop,
        EncodeAttributes(kEbgp, {}, next_hop.is_v4() ? std::optional(next_hop) : std::nullopt)};
    Bytes out;
    AppendAnnounce(path, Bytes(AnnounceRoom(path, 4096), 0), &out);
    EXPECT_EQ(out.size(), 4096u) << FamilyName(family) << " via " << text;
    out.clear();
    AppendWithdraw(family, Bytes(WithdrawRoom(family, 4096), 0), &out);
    EXPECT_EQ(out.size(), 4096u) << FamilyName(family);
    const Path heavy{family, 1, next_hop, Bytes(5000, 0)};
    EXPECT_EQ(AnnounceRoom(heavy, 4096), 0u);
  }
}

}  // namespace
}  // namespace openelb::bgp
