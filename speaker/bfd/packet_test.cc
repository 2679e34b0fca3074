#include "speaker/bfd/packet.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "api/base/test_bytes.h"

namespace openelb::bfd {
namespace {

// Version 1, diagnostic 1; Up, P; mult 3, Length 24; discriminators 0a0b0c0d and 01020304; 100 ms,
// 300 ms, no echo.
constexpr char kGood[] = "21 e0 03 18 0a0b0c0d 01020304 000186a0 000493e0 00000000";

Packet Good() {
  return {.diagnostic = Diagnostic::kDetectionTimeExpired,
          .state = State::kUp,
          .poll = true,
          .detect_mult = 3,
          .my_discriminator = 0x0a0b0c0d,
          .your_discriminator = 0x01020304,
          .desired_min_tx = absl::Milliseconds(100),
          .required_min_rx = absl::Milliseconds(300)};
}

TEST(PacketTest, FieldsStandWhereTheRfcPutsThem) {
  Packet packet;
  std::span<const uint8_t> octets;
  const Bytes datagram = Hex(kGood);
  ASSERT_EQ(DecodePacket(datagram, &packet, &octets), std::nullopt);
  EXPECT_EQ(packet, Good());
  EXPECT_EQ(octets.size(), datagram.size());
  EXPECT_EQ(ToHex(EncodePacket(packet)), ToHex(datagram));
}

TEST(PacketTest, EachFlagIsItsOwnBit) {
  struct Row {
    bool Packet::* flag;
    uint8_t bit;
  };
  for (const Row& row :
       {Row{&Packet::poll, 0x20}, Row{&Packet::final, 0x10},
        Row{&Packet::control_plane_independent, 0x08}, Row{&Packet::demand, 0x02}}) {
    Packet packet{.state = State::kAdminDown, .my_discriminator = 1};
    packet.*row.flag = true;
    const Bytes encoded = EncodePacket(packet);
    EXPECT_EQ(encoded[1], row.bit);
    Packet decoded;
    std::span<const uint8_t> octets;
    ASSERT_EQ(DecodePacket(encoded, &decoded, &octets), std::nullopt);
    EXPECT_EQ(decoded, packet);
  }
}

TEST(PacketTest, WhatFollowsThePacketIsLeftOut) {
  Bytes datagram = Hex(kGood);
  datagram.resize(40);
  Packet packet;
  std::span<const uint8_t> octets;
  ASSERT_EQ(DecodePacket(datagram, &packet, &octets), std::nullopt);
  EXPECT_EQ(octets.size(), kMandatoryLength);
}

// Each row is wrong in what it names; the last ones in two ways, of which the first check counts.
TEST(PacketTest, WrongPacketsAreDroppedForTheirReason) {
  struct Row {
    const char* datagram;
    Drop reason;
  };
  const Row rows[] = {
      {"", Drop::kVersion},
      {"01 e0 03 18 0a0b0c0d 01020304 000186a0 000493e0 00000000", Drop::kVersion},
      {"41 e0 03 18 0a0b0c0d 01020304 000186a0 000493e0 00000000", Drop::kVersion},
      {"21 e0 03", Drop::kLengthTooSmall},
      {"21 e0 03 17 0a0b0c0d 01020304 000186a0 000493e0 00000000", Drop::kLengthTooSmall},
      {"21 e4 03 19 0a0b0c0d 01020304 000186a0 000493e0 00000000 05", Drop::kLengthTooSmall},
      {"21 e0 03 19 0a0b0c0d 01020304 000186a0 000493e0 00000000", Drop::kLengthTooLarge},
      {"21 e0 03 18 0a0b0c0d 01020304 000186a0 000493e0 000000", Drop::kLengthTooLarge},
      {"21 e0 00 18 0a0b0c0d 01020304 000186a0 000493e0 00000000", Drop::kDetectMultZero},
      {"21 e1 03 18 0a0b0c0d 01020304 000186a0 000493e0 00000000", Drop::kMultipoint},
      {"21 e0 03 18 00000000 01020304 000186a0 000493e0 00000000", Drop::kMyDiscriminatorZero},
      {"41 e0 03 17 0a0b0c0d 01020304 000186a0 000493e0 00000000", Drop::kVersion},
      {"21 e0 00 19 0a0b0c0d 01020304 000186a0 000493e0 00000000", Drop::kLengthTooLarge},
      {"21 e1 00 18 00000000 01020304 000186a0 000493e0 00000000", Drop::kDetectMultZero},
      {"21 e1 03 18 00000000 01020304 000186a0 000493e0 00000000", Drop::kMultipoint},
  };
  for (const Row& row : rows) {
    Packet packet;
    std::span<const uint8_t> octets;
    const std::optional<Drop> reason = DecodePacket(Hex(row.datagram), &packet, &octets);
    ASSERT_TRUE(reason.has_value()) << row.datagram;
    EXPECT_EQ(DropName(*reason), DropName(row.reason)) << row.datagram;
  }
}

TEST(PacketTest, TimesBeyondTheFieldAreCutToIt) {
  const Bytes encoded = EncodePacket({.my_discriminator = 1,
                                      .desired_min_tx = absl::Hours(2),
                                      .required_min_rx = absl::Milliseconds(-1)});
  Packet packet;
  std::span<const uint8_t> octets;
  ASSERT_EQ(DecodePacket(encoded, &packet, &octets), std::nullopt);
  EXPECT_EQ(packet.desired_min_tx, absl::Microseconds(std::numeric_limits<uint32_t>::max()));
  EXPECT_EQ(packet.required_min_rx, absl::ZeroDuration());
}

TEST(PacketTest, NamesAreDistinct) {
  std::set<std::string> drops;
  for (size_t i = 0; i < kDropReasons; ++i) drops.emplace(DropName(static_cast<Drop>(i)));
  EXPECT_EQ(drops.size(), kDropReasons);
  std::set<std::string> diagnostics;
  for (uint8_t i = 0; i <= 9; ++i) diagnostics.emplace(DiagnosticName(static_cast<Diagnostic>(i)));
  EXPECT_EQ(diagnostics.size(), 10u);
  EXPECT_EQ(DiagnosticName(static_cast<Diagnostic>(31)), "reserved diagnostic");
  EXPECT_EQ(StateName(State::kAdminDown), "AdminDown");
  EXPECT_EQ(StateName(State::kDown), "Down");
  EXPECT_EQ(StateName(State::kInit), "Init");
  EXPECT_EQ(StateName(State::kUp), "Up");
}

}  // namespace
}  // namespace openelb::bfd
