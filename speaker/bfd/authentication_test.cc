#include "speaker/bfd/authentication.h"

#include <gmock/gmock.h>

#include <functional>

#include "api/base/test_bytes.h"

namespace openelb::bfd {
namespace {

using testing::HasSubstr;

Authentication Meticulous(std::vector<Key> keys) {
  return {AuthenticationType::kMeticulousKeyedSha1, std::move(keys)};
}

Bytes Signed(const Authentication& authentication, uint32_t sequence, uint8_t detect_mult = 3) {
  Packet packet{.state = State::kUp,
                .authenticated = true,
                .detect_mult = detect_mult,
                .my_discriminator = 0x0a0b0c0d,
                .your_discriminator = 0x01020304,
                .desired_min_tx = absl::Milliseconds(100),
                .required_min_rx = absl::Milliseconds(100)};
  Bytes octets = EncodePacket(packet);
  if (authentication.type == AuthenticationType::kNone) {
    octets[1] &= 0xfb;
  } else {
    Sign(authentication, sequence, &octets);
  }
  return octets;
}

// "ok", or why the datagram is dropped.
std::string Judge(const Authentication& authentication, const Bytes& datagram,
                  std::optional<uint32_t>* last) {
  Packet packet;
  std::span<const uint8_t> octets;
  std::optional<Drop> reason = DecodePacket(datagram, &packet, &octets);
  if (!reason.has_value()) reason = Authenticate(authentication, packet, octets, last);
  return reason.has_value() ? std::string(DropName(*reason)) : "ok";
}

std::string Judge(const Authentication& authentication, const Bytes& datagram) {
  std::optional<uint32_t> last;
  return Judge(authentication, datagram, &last);
}

// The digest was computed with Python's hashlib over the octets before it and the padded key.
TEST(AuthenticationTest, SectionAsOnTheWire) {
  const Authentication authentication = Meticulous({{7, "s3cret"}});
  EXPECT_EQ(ToHex(Signed(authentication, 0x01020304)),
            ToHex(Hex("20 c4 03 34 0a0b0c0d 01020304 000186a0 000186a0 00000000"
                      "05 1c 07 00 01020304 848e7991278b6fea774d2929b37f3a7c79ea2003")));
  EXPECT_EQ(Judge(authentication, Signed(authentication, 0x01020304)), "ok");
}

TEST(AuthenticationTest, EitherKeyIsAcceptedDuringARoll) {
  const Key old_key{1, "old"};
  const Key new_key{2, "new"};
  const Authentication before = Meticulous({old_key});
  const Authentication first = Meticulous({old_key, new_key});
  const Authentication second = Meticulous({new_key, old_key});
  const Authentication after = Meticulous({new_key});
  for (const auto& [ours, theirs] :
       {std::pair{before, first}, {first, second}, {second, after}, {after, after}}) {
    EXPECT_EQ(Judge(ours, Signed(theirs, 5)), "ok");
    EXPECT_EQ(Judge(theirs, Signed(ours, 5)), "ok");
  }
  EXPECT_EQ(Judge(before, Signed(after, 5)), "authentication_key_id");
  EXPECT_EQ(Judge(after, Signed(before, 5)), "authentication_key_id");
}

TEST(AuthenticationTest, KeysOfOneIdAreTriedInTurn) {
  const Authentication ours = Meticulous({{7, "old"}, {7, "new"}});
  EXPECT_EQ(Judge(ours, Signed(Meticulous({{7, "old"}}), 5)), "ok");
  EXPECT_EQ(Judge(ours, Signed(Meticulous({{7, "new"}}), 5)), "ok");
  EXPECT_EQ(Judge(ours, Signed(Meticulous({{7, "other"}}), 5)), "authentication_digest");
  EXPECT_EQ(Judge(ours, Signed(Meticulous({{8, "new"}}), 5)), "authentication_key_id");
}

TEST(AuthenticationTest, SequenceWindow) {
  struct Row {
    AuthenticationType type;
    uint32_t last;
    uint32_t sequence;
    uint8_t detect_mult;
    bool accepted;
  };
  const auto keyed = AuthenticationType::kKeyedSha1;
  const auto meticulous = AuthenticationType::kMeticulousKeyedSha1;
  const Row rows[] = {
      {meticulous, 100, 101, 3, true},      {meticulous, 100, 109, 3, true},
      {meticulous, 100, 100, 3, false},     {meticulous, 100, 99, 3, false},
      {meticulous, 100, 110, 3, false},     {meticulous, 100, 103, 1, true},
      {meticulous, 100, 104, 1, false},     {meticulous, 0xffffffff, 0, 3, true},
      {meticulous, 0xfffffffe, 7, 3, true}, {meticulous, 0xfffffffe, 8, 3, false},
      {keyed, 100, 100, 3, true},           {keyed, 100, 109, 3, true},
      {keyed, 100, 99, 3, false},           {keyed, 100, 110, 3, false},
  };
  for (const Row& row : rows) {
    const Authentication authentication{row.type, {{1, "k"}}};
    std::optional<uint32_t> last = row.last;
    EXPECT_EQ(Judge(authentication, Signed(authentication, row.sequence, row.detect_mult), &last),
              row.accepted ? "ok" : "authentication_sequence")
        << row.last << " then " << row.sequence;
    EXPECT_EQ(last, row.accepted ? row.sequence : row.last);
  }
}

TEST(AuthenticationTest, WrongPacketsAreDroppedForTheirReason) {
  const Authentication ours = Meticulous({{1, "right"}});
  const auto changed = [&](const std::function<void(Bytes*)>& change) {
    Bytes octets = Signed(ours, 5);
    change(&octets);
    return octets;
  };
  struct Row {
    const char* what;
    Bytes datagram;
    const char* reason;
  };
  const Row rows[] = {
      {"without", Signed({}, 0), "missing_authentication"},
      {"another type", Signed({AuthenticationType::kKeyedSha1, {{1, "right"}}}, 5),
       "authentication_type"},
      {"password", changed([](Bytes* o) { (*o)[24] = 1; }), "authentication_type"},
      {"ends before the key id", changed([](Bytes* o) {
         o->resize(26);
         SetPacketLength(o);
       }),
       "authentication_length"},
      {"unknown key id", Signed(Meticulous({{2, "right"}}), 5), "authentication_key_id"},
      {"wrong section length", changed([](Bytes* o) { (*o)[25] = 27; }), "authentication_length"},
      {"cut short", changed([](Bytes* o) {
         o->resize(51);
         SetPacketLength(o);
       }),
       "authentication_length"},
      {"one octet more", changed([](Bytes* o) {
         o->push_back(0);
         SetPacketLength(o);
       }),
       "authentication_length"},
      {"wrong secret", Signed(Meticulous({{1, "wrong"}}), 5), "authentication_digest"},
      {"state changed on the way", changed([](Bytes* o) { (*o)[1] = 0x44; }),
       "authentication_digest"},
      {"digest changed on the way", changed([](Bytes* o) { o->back() ^= 1; }),
       "authentication_digest"},
  };
  for (const Row& row : rows) {
    std::optional<uint32_t> last;
    EXPECT_EQ(Judge(ours, row.datagram, &last), row.reason) << row.what;
    EXPECT_EQ(last, std::nullopt) << row.what << ": must not move the window";
  }
  EXPECT_EQ(Judge({}, Signed(ours, 5)), "unexpected_authentication");
  EXPECT_EQ(Judge({}, Signed({}, 5)), "ok");
}

TEST(AuthenticationTest, KeysAreChecked) {
  struct Row {
    std::vector<Key> keys;
    const char* error;
  };
  const Row rows[] = {
      {{}, "there is no key"},
      {{{1, ""}}, "key 1 has 0 octets"},
      {{{1, "a"}, {9, std::string(21, 'x')}}, "key 9 has 21 octets"},
  };
  for (const Row& row : rows) {
    EXPECT_THAT(std::string(CheckAuthentication(Meticulous(row.keys)).message()),
                HasSubstr(row.error));
  }
  EXPECT_TRUE(CheckAuthentication(Meticulous({{0, "a"}, {255, std::string(20, 'x')}})).ok());
  EXPECT_TRUE(CheckAuthentication({}).ok());
}

}  // namespace
}  // namespace openelb::bfd
