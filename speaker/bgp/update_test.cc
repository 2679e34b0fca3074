#include "speaker/bgp/update.h"

#include <gmock/gmock.h>

#include "speaker/bgp/test_bytes.h"

namespace openelb::bgp {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Severity = MessageError::Severity;

// Writes an UPDATE's parts down.
class Recorder final : public UpdateVisitor {
 public:
  void OnWithdrawn(const IpPrefix& prefix, uint32_t id) override {
    seen.push_back(absl::StrCat("-", prefix.ToString(), "#", id));
  }
  void OnAttribute(uint8_t, uint8_t type, std::span<const uint8_t>) override {
    seen.push_back(absl::StrCat("@", type));
  }
  void OnAnnounced(const IpPrefix& prefix, uint32_t id,
                   const std::optional<IpAddress>& next_hop) override {
    seen.push_back(absl::StrCat("+", prefix.ToString(), "#", id,
                                next_hop ? absl::StrCat(" via ", next_hop->ToString()) : ""));
  }
  std::vector<std::string> seen;
};

// An UPDATE body from hex of its three fields; lengths are filled in.
Bytes Update(absl::string_view withdrawn, absl::string_view attributes, absl::string_view nlri) {
  Bytes body;
  for (const Bytes& field : {Hex(withdrawn), Hex(attributes)}) {
    PutU16(&body, static_cast<uint16_t>(field.size()));
    PutBytes(&body, field);
  }
  PutBytes(&body, Hex(nlri));
  return body;
}

constexpr char kOrigin[] = "400101 00";
constexpr char kAsPath[] = "400206 0201 0000fde9";
constexpr char kNextHop[] = "400304 0a000001";
const std::string kGood = absl::StrCat(kOrigin, kAsPath, kNextHop);

TEST(UpdateTest, ShowsRoutesToTheVisitor) {
  Recorder recorder;
  EXPECT_FALSE(CheckUpdate(Update("18 0a0102", kGood, "20 ac160002 00"), {}, &recorder));
  EXPECT_THAT(recorder.seen,
              ElementsAre("-10.1.2.0/24#0", "@1", "@2", "@3", "+172.22.0.2/32#0", "+0.0.0.0/0#0"));
}

TEST(UpdateTest, ShowsPathIdsAndIpv6) {
  Recorder recorder;
  const std::string reach =
      "800e 20 0002 01 10 20010db8000000000000000000000003 00 00000007 30 20010db80001";
  const std::string unreach = "800f 0e 0002 01 00000008 30 20010db80002";
  const auto error =
      CheckUpdate(Update("00000005 20 0a010203", reach + unreach + kOrigin + kAsPath, ""),
                  {.add_path_v4 = true, .add_path_v6 = true}, &recorder);
  EXPECT_FALSE(error) << error->reason;
  EXPECT_THAT(recorder.seen, ElementsAre("-10.1.2.3/32#5", "+2001:db8:1::/48#7 via 2001:db8::3",
                                         "@14", "-2001:db8:2::/48#8", "@15", "@1", "@2"));
}

TEST(UpdateTest, AcceptsWhatRoutersSend) {
  const struct {
    const char* name;
    Bytes body;
  } kCases[] = {
      {"End-of-RIB", Update("", "", "")},
      {"End-of-RIB of IPv6", Update("", "800f 03 0002 01", "")},
      {"all known attributes",
       Update("",
              kGood + "800404 00000064" + "400504 00000064" + "400600" +
                  "c00708 0000fde9 0a000001" + "c00804 fde80064" + "800904 0a000009" +
                  "800a04 0a00000a" + "c01008 4004fdf349742400" +
                  "c020 0c fde8 0000 0001 0000 0002 0000",
              "20 ac160002")},
      {"extended length", Update("", "5001 0001 00" + std::string(kAsPath) + kNextHop, "08 0a")},
      {"unknown optional attribute", Update("", kGood + "c0c803 010203", "08 0a")},
      {"empty AS_PATH of iBGP", Update("", std::string(kOrigin) + "400200" + kNextHop, "08 0a")},
      {"global and link-local next hop",
       Update("",
              std::string("800e 25 0002 01 20 20010db8000000000000000000000003"
                          "fe800000000000000000000000000001 00") +
                  kOrigin + kAsPath,
              "")},
      {"another family",
       Update("", "800e 09 0019 46 04 0a000001 00" + std::string(kOrigin) + kAsPath, "")},
      {"only withdrawals", Update("20 ac160002", "", "")},
  };
  for (const auto& c : kCases) {
    const auto error = CheckUpdate(c.body, {.ebgp = false});
    EXPECT_FALSE(error.has_value()) << c.name << ": " << error->reason;
  }
}

TEST(UpdateTest, ReadsTwoOctetPathsWhereAgreed) {
  const std::string two =
      absl::StrCat(kOrigin, "400204 0201 fde9", kNextHop, "c01106 0201 0001 0000");
  EXPECT_FALSE(CheckUpdate(Update("", two, "08 0a"), {.four_octet_as = false}));
  EXPECT_TRUE(CheckUpdate(Update("", two, "08 0a"), {.four_octet_as = true}));
}

TEST(UpdateTest, SaysWhatIsWrongAndWhatItCosts) {
  constexpr Severity kReset = Severity::kReset;
  constexpr Severity kWithdraw = Severity::kTreatAsWithdraw;
  constexpr Severity kDiscard = Severity::kDiscardAttribute;
  const std::string origin = kOrigin;
  const std::string rest = absl::StrCat(kAsPath, kNextHop);
  const struct {
    const char* name;
    Bytes body;
    Severity severity;
    uint8_t subcode;
    const char* reason;
  } kCases[] = {
      {"withdrawn past the end", Hex("0005 08 0a"), kReset, 1, "withdrawn routes of 5 octets"},
      {"attributes past the end", Hex("0000 0009 4001"), kReset, 1, "path attributes of 9 octets"},
      {"withdrawn /33", Update("21 0a00000100", "", ""), kReset, 10, "length 33 is longer"},
      {"withdrawn prefix cut off", Update("20 0a0000", "", ""), kReset, 10, "runs past"},
      {"NLRI /255", Update("", kGood, "ff"), kReset, 10, "length 255"},
      {"NLRI cut off", Update("", kGood, "18 0a00"), kReset, 10, "NLRI: a prefix of length 24"},
      {"attribute past the end", Update("", kGood + "c00804 fd", "08 0a"), kWithdraw, 1,
       "attribute 8 runs past"},
      {"attribute header cut off", Update("", kGood + "c0", "08 0a"), kWithdraw, 1, "runs past"},
      {"extended length cut off", Update("", kGood + "d00800", "08 0a"), kWithdraw, 1, "runs past"},
      {"ORIGIN 3", Update("", "400101 03" + rest, "08 0a"), kWithdraw, 6, "ORIGIN is 3"},
      {"ORIGIN of 2 octets", Update("", "400102 0000" + rest, "08 0a"), kWithdraw, 5,
       "ORIGIN has 2"},
      {"ORIGIN optional", Update("", "c00101 00" + rest, "08 0a"), kWithdraw, 4,
       "ORIGIN has flags 192"},
      {"no ORIGIN", Update("", rest, "08 0a"), kWithdraw, 3, "attribute ORIGIN is missing"},
      {"no AS_PATH", Update("", origin + kNextHop, "08 0a"), kWithdraw, 3, "AS_PATH is missing"},
      {"no NEXT_HOP", Update("", origin + kAsPath, "08 0a"), kWithdraw, 3, "NEXT_HOP is missing"},
      {"AS_PATH segment type 9", Update("", origin + "400206 0901 0000fde9" + kNextHop, "08 0a"),
       kWithdraw, 11, "AS_PATH is malformed"},
      {"AS_PATH segment past the end",
       Update("", origin + "400206 0202 0000fde9" + kNextHop, "08 0a"), kWithdraw, 11,
       "AS_PATH is malformed"},
      {"AS_PATH empty segment", Update("", origin + "400202 0200" + kNextHop, "08 0a"), kWithdraw,
       11, "AS_PATH is malformed"},
      {"NEXT_HOP of 5 octets", Update("", origin + kAsPath + "400305 0a00000100", "08 0a"),
       kWithdraw, 5, "NEXT_HOP has 5 octets"},
      {"MED of 3 octets", Update("", kGood + "800403 000001", "08 0a"), kWithdraw, 5,
       "MULTI_EXIT_DISC has 3"},
      {"communities of 5 octets", Update("", kGood + "c00805 0000000000", "08 0a"), kWithdraw, 5,
       "COMMUNITIES has 5"},
      {"communities of 0 octets", Update("", kGood + "c00800", "08 0a"), kWithdraw, 5,
       "COMMUNITIES has 0"},
      {"extended communities of 4 octets", Update("", kGood + "c01004 00000000", "08 0a"),
       kWithdraw, 5, "EXTENDED_COMMUNITIES has 4"},
      {"large communities of 8 octets", Update("", kGood + "c02008 0000000000000000", "08 0a"),
       kWithdraw, 5, "LARGE_COMMUNITY has 8"},
      {"ATOMIC_AGGREGATE of 1 octet", Update("", kGood + "400601 00", "08 0a"), kDiscard, 5,
       "ATOMIC_AGGREGATE has 1"},
      {"AGGREGATOR of 7 octets", Update("", kGood + "c00707 00000000000000", "08 0a"), kDiscard, 5,
       "AGGREGATOR has 7"},
      {"AS4_PATH malformed", Update("", kGood + "c01106 0205 00000001", "08 0a"), kDiscard, 9,
       "AS4_PATH is malformed"},
      {"unknown well-known", Update("", kGood + "40c801 00", "08 0a"), kReset, 2,
       "well-known attribute 200"},
      {"MP_REACH twice",
       Update("", "800e 05 0002 46 00 00" + std::string("800e 05 0002 46 00 00") + kGood, "08 0a"),
       kReset, 1, "MP_REACH_NLRI stands twice"},
      {"MP_REACH next hop past the end", Update("", "800e 05 0002 01 10 00" + kGood, ""), kReset, 9,
       "next hop of 16 octets runs past"},
      {"MP_REACH IPv6 with 4 octets of next hop",
       Update("", "800e 09 0002 01 04 0a000001 00" + kGood, ""), kReset, 9, "next hop of 4 octets"},
      {"MP_REACH too short", Update("", "800e 04 0002 01 00" + kGood, ""), kReset, 9,
       "MP_REACH_NLRI has 4 octets"},
      {"MP_UNREACH too short", Update("", "800f 02 0002", ""), kReset, 9, "MP_UNREACH_NLRI has 2"},
      {"MP_UNREACH /129", Update("", "800f 15 0002 01 81 20010db800000000000000000000000300", ""),
       kReset, 10, "length 129"},
      // Of several errors the gravest counts.
      {"bad ORIGIN and bad NLRI", Update("", "400101 03" + rest, "ff"), kReset, 10, "length 255"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    const auto error = CheckUpdate(c.body, {});
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->notification.code, ErrorCode::kUpdate);
    EXPECT_EQ(error->notification.subcode, c.subcode) << error->reason;
    EXPECT_EQ(error->severity, c.severity) << error->reason;
    EXPECT_THAT(error->reason, HasSubstr(c.reason));
    // With a visitor the verdict is the same.
    Recorder recorder;
    EXPECT_EQ(CheckUpdate(c.body, {}, &recorder)->reason, error->reason);
  }
}

// RFC 7606 5.2: where no prefix is announced, what may have been one cannot be told.
TEST(UpdateTest, ABrokenAttributeWithoutPrefixesCostsTheSession) {
  const struct {
    const char* name;
    Bytes body;
    std::optional<Severity> severity;
  } kCases[] = {
      {"ORIGIN 3", Update("", "400101 03", ""), Severity::kReset},
      {"ORIGIN 3 beside withdrawals", Update("20 ac160002", "400101 03", ""), Severity::kReset},
      {"attributes run over", Update("", "c00804 fd", ""), Severity::kReset},
      {"MP_UNREACH and a broken MED", Update("", "800f 03 0002 01 800401 00", ""),
       Severity::kReset},
      {"MP_REACH without prefixes",
       Update("", "800e 15 0002 01 10 20010db8000000000000000000000003 00 400101 03", ""),
       Severity::kReset},
      {"a discarded attribute only", Update("20 ac160002", "400601 00", ""),
       Severity::kDiscardAttribute},
      {"prefixes of a family we do not know",
       Update("", "800e 0b 0019 46 04 0a000001 00 0102 400101 03", ""), Severity::kTreatAsWithdraw},
      {"a sound attribute", Update("20 ac160002", kOrigin, ""), std::nullopt},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    const auto error = CheckUpdate(c.body, {});
    ASSERT_EQ(error.has_value(), c.severity.has_value());
    if (!error.has_value()) continue;
    EXPECT_EQ(error->severity, *c.severity) << error->reason;
  }
}

// What depends on who the sender is and on what was negotiated.
TEST(UpdateTest, JudgesByTheSession) {
  constexpr UpdateFormat kExternal{};
  constexpr UpdateFormat kInternal{.ebgp = false};
  constexpr UpdateFormat kTwoOctets{.four_octet_as = false};
  const std::string two = absl::StrCat(kOrigin, "400204 0201 fde9", kNextHop);
  const std::string rest = absl::StrCat(kOrigin, kNextHop);
  const struct {
    const char* name;
    std::string attributes;
    UpdateFormat format;
    std::optional<Severity> severity;
  } kCases[] = {
      // RFC 7606 7.5, 7.9, 7.10.
      {"LOCAL_PREF from outside", kGood + "400504 00000064", kExternal,
       Severity::kDiscardAttribute},
      {"LOCAL_PREF of 3 octets from outside", kGood + "400503 000064", kExternal,
       Severity::kDiscardAttribute},
      {"LOCAL_PREF", kGood + "400504 00000064", kInternal, std::nullopt},
      {"LOCAL_PREF of 3 octets", kGood + "400503 000064", kInternal, Severity::kTreatAsWithdraw},
      {"ORIGINATOR_ID from outside", kGood + "800904 0a000009", kExternal,
       Severity::kDiscardAttribute},
      {"ORIGINATOR_ID of 5 octets", kGood + "800905 0a00000900", kInternal,
       Severity::kTreatAsWithdraw},
      {"CLUSTER_LIST from outside", kGood + "800a04 0a00000a", kExternal,
       Severity::kDiscardAttribute},
      {"CLUSTER_LIST of 0 octets", kGood + "800a00", kInternal, Severity::kTreatAsWithdraw},
      // RFC 7606 7.7.
      {"AGGREGATOR of 8 octets", kGood + "c00708 0000fde9 0a000001", kExternal, std::nullopt},
      {"AGGREGATOR of 6 octets", kGood + "c00706 fde9 0a000001", kExternal,
       Severity::kDiscardAttribute},
      {"AGGREGATOR of 6 octets, small AS", two + "c00706 fde9 0a000001", kTwoOctets, std::nullopt},
      {"AGGREGATOR of 8 octets, small AS", two + "c00708 0000fde9 0a000001", kTwoOctets,
       Severity::kDiscardAttribute},
      // RFC 7606 7.15.
      {"IPv6 extended communities", kGood + "c01914" + std::string(40, '0'), kExternal,
       std::nullopt},
      {"IPv6 extended communities of 8 octets", kGood + "c01908" + std::string(16, '0'), kExternal,
       Severity::kTreatAsWithdraw},
      // RFC 7607 2.
      {"AS 0 in AS_PATH", rest + "40020a 0202 0000fde9 00000000", kExternal,
       Severity::kTreatAsWithdraw},
      {"AS 0 in a short AS_PATH", rest + "400206 0202 fde9 0000", kTwoOctets,
       Severity::kTreatAsWithdraw},
      {"AS 0 in AS4_PATH", kGood + "c01106 0201 00000000", kExternal, Severity::kDiscardAttribute},
      {"AS 0 in AGGREGATOR", kGood + "c00708 00000000 0a000001", kExternal,
       Severity::kDiscardAttribute},
      {"AS 0 in AS4_AGGREGATOR", kGood + "c01208 00000000 0a000001", kExternal,
       Severity::kDiscardAttribute},
      // RFC 5065 5.
      {"confederation from outside", rest + "400206 0301 0000fde9", kExternal,
       Severity::kTreatAsWithdraw},
      {"confederation", rest + "400206 0301 0000fde9", kInternal, std::nullopt},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    const auto error = CheckUpdate(Update("", c.attributes, "08 0a"), c.format);
    ASSERT_EQ(error.has_value(), c.severity.has_value()) << (error ? error->reason : "");
    if (!error.has_value()) continue;
    EXPECT_EQ(error->severity, *c.severity) << error->reason;
  }
}

TEST(UpdateTest, OfDoubledAttributesTheFirstCounts) {
  Recorder recorder;
  const auto error = CheckUpdate(Update("", kGood + "400101 09", "08 0a"), {}, &recorder);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->severity, Severity::kDiscardAttribute);
  EXPECT_EQ(error->reason, "UPDATE: attribute ORIGIN stands twice");
  EXPECT_THAT(recorder.seen, ElementsAre("@1", "@2", "@3", "+10.0.0.0/8#0"));
  EXPECT_EQ(CheckUpdate(Update("", kGood + "c0c801 00 c0c801 00", "08 0a"), {})->reason,
            "UPDATE: attribute 200 stands twice");
}

TEST(UpdateTest, NeverReadsPastATruncatedUpdate) {
  const Bytes whole = Update("18 0a0102", kGood + "c00804 fde80064", "20 ac160002 18 0a0000");
  for (size_t size = 0; size < whole.size(); ++size) {
    Recorder recorder;
    (void)CheckUpdate(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)), {},
                      &recorder);
  }
}

}  // namespace
}  // namespace openelb::bgp
