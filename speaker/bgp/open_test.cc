#include "speaker/bgp/open.h"

#include <gmock/gmock.h>

#include "speaker/bgp/message.h"
#include "speaker/bgp/test_bytes.h"

namespace openelb::bgp {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr AfiSafi kV4Unicast{1, 1};
constexpr AfiSafi kV6Unicast{2, 1};

// Version 4, AS, hold time, identifier 10.0.0.1, then `parameters` with their length before them.
Bytes Body(absl::string_view as, absl::string_view hold, const Bytes& parameters) {
  Bytes body = Hex(absl::StrCat("04", as, hold, "0a000001"));
  PutU8(&body, static_cast<uint8_t>(parameters.size()));
  PutBytes(&body, parameters);
  return body;
}

// Each capability in an optional parameter of its own, as FRR sends them.
Bytes Separate(const std::vector<std::string>& capabilities) {
  Bytes out;
  for (const std::string& capability : capabilities) {
    const Bytes octets = Hex(capability);
    PutBytes(&out, Bytes{2, static_cast<uint8_t>(octets.size())});
    PutBytes(&out, octets);
  }
  return out;
}

// All capabilities in one optional parameter.
Bytes Together(const std::vector<std::string>& capabilities) {
  Bytes all;
  for (const std::string& capability : capabilities) PutBytes(&all, Hex(capability));
  Bytes out = {2, static_cast<uint8_t>(all.size())};
  PutBytes(&out, all);
  return out;
}

OpenTerms Terms() {
  OpenTerms terms;
  terms.local_as = 65000;
  terms.remote_as = 65001;
  terms.router_id = 0x0a000003;
  terms.hold_time = 90;
  terms.families = {{Family::kV4, true}, {Family::kV6, false}};
  return terms;
}

OpenMessage PeerOpen() {
  OpenMessage open;
  open.two_octet_as = 65001;
  open.hold_time = 90;
  open.identifier = 0x0a000001;
  open.four_octet_as = 65001;
  open.multiprotocol = {kV4Unicast, kV6Unicast};
  open.add_path = {{kV4Unicast, AddPathOffer::kReceive}};
  return open;
}

TEST(OpenTest, EncodesOurOpen) {
  Bytes out;
  EncodeOpen(LocalOpen(Terms()), &out);
  EXPECT_EQ(ToHex(out),
            "ffffffffffffffffffffffffffffffff"
            "0041"
            "01"
            "04"
            "fde8"
            "005a"
            "0a000003"
            "24"
            "02"
            "22"
            "0104"
            "00010001"  // multiprotocol, IPv4 unicast
            "0104"
            "00020001"  // multiprotocol, IPv6 unicast
            "0200"      // route refresh
            "0600"      // extended messages
            "4002"
            "0000"  // graceful restart: End-of-RIB alone
            "4104"
            "0000fde8"  // 4-octet AS
            "4504"
            "0001"
            "01"
            "02"      // ADD-PATH: IPv4 unicast, send
            "4600");  // enhanced route refresh
}

TEST(OpenTest, StandsInForALargeAs) {
  OpenTerms terms = Terms();
  terms.local_as = 4200000001;
  const OpenMessage open = LocalOpen(terms);
  EXPECT_EQ(open.two_octet_as, kAsTrans);
  EXPECT_EQ(open.as(), 4200000001u);
}

TEST(OpenTest, DecodesWhatItEncodes) {
  const OpenMessage open = LocalOpen(Terms());
  Bytes out;
  EncodeOpen(open, &out);
  OpenMessage decoded;
  EXPECT_FALSE(DecodeOpen(std::span(out).subspan(kHeaderLength), &decoded).has_value());
  EXPECT_EQ(decoded, open);
}

// The capabilities that other speakers' OPENs carry, with the parameters as each lays them out.
TEST(OpenTest, ReadsOpensOfOtherSpeakers) {
  const struct {
    const char* speaker;
    Bytes parameters;
    bool add_path_received;  // the speaker takes several paths from us
    bool refresh;
  } kCases[] = {
      {"FRR 8.4",
       Separate({"0104 00010001", "8000", "0200", "4600", "4104 0000fde9", "0600", "4504 00010101",
                 "4909 04 6c656166 03 6c616e", "4002 c078", "4700"}),
       true, true},
      {"BIRD 2.0.12",
       Together({"0104 00010001", "0200", "4002 0078", "4104 0000fde9", "4504 00010103", "4600",
                 "4700"}),
       true, true},
      {"GoBGP 3.10",
       Separate({"0200", "4905 04 686f7374", "0104 00010001", "4104 0000fde9", "0506 000100010002",
                 "4504 00010102"}),
       false, true},
      {"ExaBGP 4.2", Together({"0104 00010001", "4104 0000fde9", "4504 00010103", "0600"}), true,
       false},
      {"a bare RFC 4271 speaker", {}, false, false},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.speaker);
    OpenMessage open;
    const auto error = DecodeOpen(Body("fde9", "005a", c.parameters), &open);
    ASSERT_FALSE(error.has_value()) << error->reason;
    EXPECT_EQ(open.as(), 65001u);
    EXPECT_EQ(open.route_refresh, c.refresh);
    Negotiated negotiated;
    ASSERT_FALSE(Negotiate(Terms(), open, &negotiated).has_value());
    EXPECT_TRUE(negotiated.v4.negotiated);
    EXPECT_EQ(negotiated.v4.add_path, c.add_path_received);
    EXPECT_FALSE(negotiated.v6.negotiated);
    EXPECT_EQ(negotiated.four_octet_as, !c.parameters.empty());
  }
}

TEST(OpenTest, ReadsExtendedParameters) {
  // RFC 9072: length 255, type 255, 2-octet length, then parameters with 2-octet lengths.
  OpenMessage open;
  Bytes body = Hex("04 fde9 005a 0a000001 ff ff 0009 02 0006 4104 0000fde9");
  EXPECT_FALSE(DecodeOpen(body, &open).has_value());
  EXPECT_EQ(open.four_octet_as, 65001u);
  // The length before the type is not looked at, but must not be zero.
  body[9] = 4;
  EXPECT_FALSE(DecodeOpen(body, &open).has_value());
}

TEST(OpenTest, UsesExtendedParametersWhereNeeded) {
  OpenMessage open = LocalOpen(Terms());
  // 63 offers fill a capability; what does not fit the short form goes into the long one.
  for (size_t offers : {40u, 51u, 52u, 63u, 64u, 500u}) {
    SCOPED_TRACE(offers);
    open.add_path.assign(offers, {kV6Unicast, AddPathOffer::kSend});
    Bytes out;
    EncodeOpen(open, &out);
    EXPECT_EQ(out[29] == 255, offers > 52) << ToHex(out);
    OpenMessage decoded;
    EXPECT_FALSE(DecodeOpen(std::span(out).subspan(kHeaderLength), &decoded).has_value());
    EXPECT_EQ(decoded, open);
  }
}

TEST(OpenTest, OffersGracefulRestart) {
  OpenTerms terms = Terms();
  terms.graceful_restart = link::GracefulRestart{120, true};
  terms.families[0].graceful_restart = true;
  const OpenMessage open = LocalOpen(terms, {.restarted = true, .forwarding = true});
  EXPECT_EQ(ToHex(EncodeCapabilities({.restart = open.restart})),
            "4006"
            "c078"
            "00010180");
  const OpenMessage rebooted = LocalOpen(terms, {.restarted = true, .forwarding = false});
  EXPECT_EQ(ToHex(EncodeCapabilities({.restart = rebooted.restart})),
            "4006"
            "c078"
            "00010100");
  EXPECT_EQ(LocalOpen(terms).restart->restarted, false);
  EXPECT_TRUE(LocalOpen(terms).long_lived.empty());
}

TEST(OpenTest, OffersLongLivedGracefulRestart) {
  OpenTerms terms = Terms();
  terms.graceful_restart = link::GracefulRestart{120, true, 0x012345};
  EXPECT_TRUE(LocalOpen(terms).long_lived.empty()) << "of no family";
  terms.families[0].graceful_restart = true;
  const OpenMessage open = LocalOpen(terms, {.restarted = true, .forwarding = true});
  const Bytes value = EncodeCapabilities({.long_lived = open.long_lived});
  EXPECT_EQ(ToHex(value),
            "4707"
            "00010180"
            "012345");
  Capabilities decoded;
  EXPECT_FALSE(DecodeCapabilities(Reader(value), &decoded).has_value());
  EXPECT_EQ(decoded.long_lived, open.long_lived);
  EXPECT_FALSE(LocalOpen(terms).long_lived[0].forwarding);
  const Bytes most = EncodeCapabilities({.long_lived = {{{1, 1}, false, 0xffffffff}}});
  EXPECT_EQ(ToHex(most), "470700010100ffffff");
}

TEST(OpenTest, OffersIpv6NextHopsWhereTheSessionIsIpv6) {
  link::BgpPeer peer;
  peer.families = {{Family::kV4, false, 0}, {Family::kV6, false, 0}};
  peer.neighbor = IpAddress::FromV4(0x0a000001);
  EXPECT_TRUE(LocalOpen(OpenTerms(peer, 1)).next_hops.empty());
  peer.neighbor = IpAddress::Parse("2001:db8::1").value();
  EXPECT_EQ(ToHex(EncodeCapabilities({.next_hops = LocalOpen(OpenTerms(peer, 1)).next_hops})),
            "0506000100010002");
  peer.families = {{Family::kV6, false, 0}};
  EXPECT_TRUE(LocalOpen(OpenTerms(peer, 1)).next_hops.empty());
}

TEST(OpenTest, SplitsOffersOfNextHopsOverCapabilities) {
  for (size_t offers : {42u, 43u, 90u}) {
    OpenMessage open = PeerOpen();
    open.next_hops.assign(offers, {1, 1, 2});
    Bytes out;
    EncodeOpen(open, &out);
    OpenMessage decoded;
    ASSERT_FALSE(DecodeOpen(std::span(out).subspan(kHeaderLength), &decoded).has_value());
    EXPECT_EQ(decoded, open) << offers;
  }
}

TEST(OpenTest, RefusesMalformedOpens) {
  const struct {
    const char* name;
    const char* body;
    uint8_t subcode;
    const char* reason;
  } kCases[] = {
      {"version 3", "03 fde9 005a 0a000001 00", open_error::kUnsupportedVersion, "version 3"},
      {"parameters cut off", "04 fde9 005a 0a000001 08 0206 0104", open_error::kUnspecific,
       "should take 8 octets, the message has 4"},
      {"octets after the parameters", "04 fde9 005a 0a000001 00 00", open_error::kUnspecific,
       "should take 0 octets"},
      {"parameter past the end", "04 fde9 005a 0a000001 04 0206 0104", open_error::kUnspecific,
       "optional parameter 2 runs past"},
      {"half a parameter header", "04 fde9 005a 0a000001 01 02", open_error::kUnspecific,
       "runs past"},
      {"capability past the end", "04 fde9 005a 0a000001 05 0203 0104 00", open_error::kUnspecific,
       "capability 1 runs past"},
      {"half a capability header", "04 fde9 005a 0a000001 03 0201 41", open_error::kUnspecific,
       "capability 65 runs past"},
      {"short multiprotocol", "04 fde9 005a 0a000001 05 0203 010100", open_error::kUnspecific,
       "capability multiprotocol has a value of 1 octets"},
      {"short 4-octet AS", "04 fde9 005a 0a000001 06 0204 4102 fde9", open_error::kUnspecific,
       "capability 4-octet AS"},
      {"long route refresh", "04 fde9 005a 0a000001 05 0203 020100", open_error::kUnspecific,
       "capability route refresh"},
      {"odd extended next hop", "04 fde9 005a 0a000001 09 0207 0505 0001000100",
       open_error::kUnspecific, "capability extended next hop encoding has a value of 5 octets"},
      {"odd ADD-PATH", "04 fde9 005a 0a000001 07 0205 4503 000101", open_error::kUnspecific,
       "capability ADD-PATH"},
      {"long extended messages", "04 fde9 005a 0a000001 05 0203 060100", open_error::kUnspecific,
       "capability extended messages has a value of 1 octets"},
      {"long enhanced refresh", "04 fde9 005a 0a000001 05 0203 460100", open_error::kUnspecific,
       "capability enhanced route refresh"},
      {"empty graceful restart", "04 fde9 005a 0a000001 04 0202 4000", open_error::kUnspecific,
       "capability graceful restart has a value of 0 octets"},
      {"odd graceful restart", "04 fde9 005a 0a000001 07 0205 4003 007800", open_error::kUnspecific,
       "capability graceful restart"},
      {"odd long-lived graceful restart", "04 fde9 005a 0a000001 0a 0208 4706 000101000000",
       open_error::kUnspecific, "capability long-lived graceful restart has a value of 6 octets"},
      {"authentication parameter", "04 fde9 005a 0a000001 03 0101 00",
       open_error::kUnsupportedParameter, "optional parameter 1"},
      {"extended length cut off", "04 fde9 005a 0a000001 ff ff 00", open_error::kUnspecific,
       "cut off"},
      {"extended length too large", "04 fde9 005a 0a000001 ff ff ffff 02 0000",
       open_error::kUnspecific, "should take 65535 octets"},
      {"extended parameter past the end", "04 fde9 005a 0a000001 ff ff 0003 02 ffff",
       open_error::kUnspecific, "runs past"},
      {"extended parameter header cut off", "04 fde9 005a 0a000001 ff ff 0002 02 00",
       open_error::kUnspecific, "runs past"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    OpenMessage open;
    const auto error = DecodeOpen(Hex(c.body), &open);
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->notification.code, ErrorCode::kOpen);
    EXPECT_EQ(error->notification.subcode, c.subcode);
    EXPECT_THAT(error->reason, HasSubstr(c.reason));
    EXPECT_EQ(error->severity, MessageError::Severity::kReset);
  }
}

TEST(OpenTest, NeverReadsPastATruncatedOpen) {
  Bytes whole;
  EncodeOpen(LocalOpen(Terms()), &whole);
  for (size_t size = kHeaderLength; size < whole.size(); ++size) {
    OpenMessage open;
    EXPECT_TRUE(DecodeOpen(std::span(whole).subspan(kHeaderLength, size - kHeaderLength), &open)
                    .has_value())
        << size;
  }
}

TEST(NegotiateTest, UsesWhatBothOffer) {
  OpenTerms terms = Terms();
  OpenMessage peer = PeerOpen();
  Negotiated plain;
  ASSERT_FALSE(Negotiate(terms, peer, &plain).has_value());
  EXPECT_EQ(plain.max_message, kMaxMessage);
  EXPECT_FALSE(plain.enhanced_refresh || plain.end_of_rib || plain.keeps_routes);

  peer.extended_messages = peer.enhanced_refresh = true;
  peer.restart = RestartOffer{.notification = true};
  Negotiated more;
  ASSERT_FALSE(Negotiate(terms, peer, &more).has_value());
  EXPECT_EQ(more.max_message, kMaxExtendedMessage);
  EXPECT_TRUE(more.enhanced_refresh && more.end_of_rib);
  EXPECT_FALSE(more.keeps_routes || more.keeps_when_notified) << "the plan does not ask for it";

  terms.graceful_restart = link::GracefulRestart{120, true};
  ASSERT_FALSE(Negotiate(terms, peer, &more).has_value());
  EXPECT_TRUE(more.keeps_routes && more.keeps_when_notified);
  peer.restart->notification = false;
  ASSERT_FALSE(Negotiate(terms, peer, &more).has_value());
  EXPECT_TRUE(more.keeps_routes && !more.keeps_when_notified);
}

TEST(NegotiateTest, UsesIpv6NextHopsThatThePeerTakes) {
  const struct {
    const char* name;
    bool ipv6_transport;
    std::vector<NextHopOffer> offers;
    bool used;
  } kCases[] = {
      {"offered over IPv6", true, {{1, 1, 2}}, true},
      {"among others", true, {{1, 128, 2}, {1, 1, 2}}, true},
      {"not offered", true, {}, false},
      {"for other routes", true, {{1, 2, 2}, {2, 1, 1}}, false},
      {"offered over IPv4", false, {{1, 1, 2}}, false},
  };
  for (const auto& c : kCases) {
    OpenTerms terms = Terms();
    terms.ipv6_transport = c.ipv6_transport;
    OpenMessage peer = PeerOpen();
    peer.next_hops = c.offers;
    Negotiated negotiated;
    ASSERT_FALSE(Negotiate(terms, peer, &negotiated).has_value());
    EXPECT_EQ(negotiated.v4.ipv6_next_hops, c.used) << c.name;
    EXPECT_FALSE(negotiated.v6.ipv6_next_hops) << c.name;
  }
}

TEST(NegotiateTest, TakesTheSmallerHoldTimeAndTheCommonFamilies) {
  OpenMessage peer = PeerOpen();
  peer.hold_time = 9;
  peer.multiprotocol = {kV4Unicast, {25, 65}};
  Negotiated negotiated;
  EXPECT_FALSE(Negotiate(Terms(), peer, &negotiated).has_value());
  EXPECT_EQ(negotiated.hold_time, 9);
  EXPECT_EQ(negotiated.v4, (FamilyUse{true, true}));
  EXPECT_EQ(negotiated.v6, (FamilyUse{false, false}));
  peer.hold_time = 0;
  EXPECT_FALSE(Negotiate(Terms(), peer, &negotiated).has_value());
  EXPECT_EQ(negotiated.hold_time, 0);
}

TEST(NegotiateTest, RefusesWhatDoesNotFit) {
  const struct {
    const char* name;
    void (*spoil)(OpenTerms*, OpenMessage*);
    uint8_t subcode;
    std::string data;
    const char* reason;
  } kCases[] = {
      {"AS mismatch",
       [](OpenTerms*, OpenMessage* peer) { peer->four_octet_as = peer->two_octet_as = 65002; },
       open_error::kBadPeerAs, "fdea", "peerAs is 65001, the peer's OPEN says 65002"},
      {"AS 0 (RFC 7607)",
       [](OpenTerms* terms, OpenMessage* peer) {
         terms->remote_as = 0;
         peer->four_octet_as = peer->two_octet_as = 0;
       },
       open_error::kBadPeerAs, "0000", "says 0"},
      {"identifier zero", [](OpenTerms*, OpenMessage* peer) { peer->identifier = 0; },
       open_error::kBadIdentifier, "00000000", "0.0.0.0"},
      {"identifier clash within an AS",
       [](OpenTerms* terms, OpenMessage* peer) {
         terms->remote_as = 65000;
         peer->four_octet_as = peer->two_octet_as = 65000;
         peer->identifier = terms->router_id;
       },
       open_error::kBadIdentifier, "0a000003", "identifier clash: the peer of our own AS 65000"},
      {"hold time 1", [](OpenTerms*, OpenMessage* peer) { peer->hold_time = 1; },
       open_error::kUnacceptableHoldTime, "", "hold time is 1 s"},
      {"hold time 2", [](OpenTerms*, OpenMessage* peer) { peer->hold_time = 2; },
       open_error::kUnacceptableHoldTime, "", "hold time is 2 s"},
      {"no family in common",
       [](OpenTerms*, OpenMessage* peer) { peer->multiprotocol = {{25, 65}}; },
       open_error::kUnsupportedCapability, "010400010001010400020001",
       "configured are [IPv4 unicast, IPv6 unicast]"},
      {"IPv6 only, and the peer offers no capability",
       [](OpenTerms* terms, OpenMessage* peer) {
         terms->families = {{Family::kV6, false}};
         peer->multiprotocol.clear();
       },
       open_error::kUnsupportedCapability, "010400020001", "offers IPv4 unicast alone"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    OpenTerms terms = Terms();
    OpenMessage peer = PeerOpen();
    c.spoil(&terms, &peer);
    Negotiated negotiated;
    const auto error = Negotiate(terms, peer, &negotiated);
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->notification.subcode, c.subcode);
    EXPECT_EQ(ToHex(error->notification.data), c.data);
    EXPECT_THAT(error->reason, HasSubstr(c.reason));
  }
}

TEST(NegotiateTest, AllowsEqualIdentifiersBetweenAses) {
  OpenMessage peer = PeerOpen();
  peer.identifier = Terms().router_id;
  Negotiated negotiated;
  EXPECT_FALSE(Negotiate(Terms(), peer, &negotiated).has_value());
}

}  // namespace
}  // namespace openelb::bgp
