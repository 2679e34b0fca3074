#include "speaker/bgp/message.h"

#include <gmock/gmock.h>

#include "speaker/bgp/test_bytes.h"

namespace openelb::bgp {
namespace {

using ::testing::HasSubstr;

const char kMarker[] = "ffffffffffffffffffffffffffffffff";

TEST(MessageTest, EncodesWhatRfc4271Draws) {
  Bytes out;
  EncodeKeepalive(&out);
  EXPECT_EQ(ToHex(out), absl::StrCat(kMarker, "0013", "04"));
  out.clear();
  EncodeNotification({ErrorCode::kOpen, open_error::kUnsupportedVersion, {0, 4}}, &out);
  EXPECT_EQ(ToHex(out), absl::StrCat(kMarker, "0017", "03", "02", "01", "0004"));
  out.clear();
  EncodeRefresh(Family::kV6, RefreshSubtype::kRequest, &out);
  EXPECT_EQ(ToHex(out), absl::StrCat(kMarker, "0017", "05", "0002", "00", "01"));
}

TEST(MessageTest, CutsDataThatDoesNotFitANotification) {
  Bytes out;
  EncodeNotification({ErrorCode::kUpdate, 1, Bytes(5000, 7)}, &out);
  EXPECT_EQ(out.size(), kMaxMessage);
}

TEST(FramerTest, HandsOutMessagesHoweverTheyArrive) {
  Bytes stream;
  EncodeKeepalive(&stream);
  EncodeNotification({ErrorCode::kCease, 2, {}}, &stream);
  EncodeRefresh(Family::kV4, RefreshSubtype::kRequest, &stream);
  for (size_t piece : {size_t{1}, size_t{7}, size_t{20}, stream.size()}) {
    SCOPED_TRACE(piece);
    Framer framer;
    std::vector<MessageType> types;
    std::optional<MessageError> error;
    for (size_t at = 0; at < stream.size(); at += piece) {
      framer.Append(std::span(stream).subspan(at, std::min(piece, stream.size() - at)));
      while (auto message = framer.Next(&error)) types.push_back(message->type);
    }
    EXPECT_FALSE(error.has_value());
    EXPECT_THAT(types, testing::ElementsAre(MessageType::kKeepalive, MessageType::kNotification,
                                            MessageType::kRefresh));
  }
}

TEST(FramerTest, RefusesWrongHeaders) {
  const struct {
    const char* name;
    std::string octets;
    uint8_t subcode;
    std::string data;
    const char* reason;
  } kCases[] = {
      {"HTTP", "474554202f", header_error::kNotSynchronized, "", "not BGP"},
      {"marker wrong at its end", "fffffffffffffffffffffffffffffffe", 1, "", "marker"},
      {"length 18", absl::StrCat(kMarker, "0012", "04"), header_error::kBadLength, "0012", "18"},
      {"length 0", absl::StrCat(kMarker, "0000", "04"), header_error::kBadLength, "0000", "0"},
      {"length 4097", absl::StrCat(kMarker, "1001", "02"), header_error::kBadLength, "1001",
       "4097"},
      {"type 0", absl::StrCat(kMarker, "0013", "00"), header_error::kBadType, "00", "type 0"},
      {"type 6", absl::StrCat(kMarker, "0013", "06"), header_error::kBadType, "06", "type 6"},
      {"long KEEPALIVE", absl::StrCat(kMarker, "0014", "04"), header_error::kBadLength, "0014",
       "KEEPALIVE of 20 octets"},
      {"short OPEN", absl::StrCat(kMarker, "001c", "01"), header_error::kBadLength, "001c",
       "OPEN of 28 octets"},
      {"short UPDATE", absl::StrCat(kMarker, "0016", "02"), header_error::kBadLength, "0016",
       "UPDATE of 22 octets"},
      {"short NOTIFICATION", absl::StrCat(kMarker, "0014", "03"), header_error::kBadLength, "0014",
       "NOTIFICATION of 20 octets"},
      {"short ROUTE-REFRESH", absl::StrCat(kMarker, "0016", "05"), header_error::kBadLength, "0016",
       "ROUTE-REFRESH of 22 octets"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    Framer framer;
    std::optional<MessageError> error;
    framer.Append(Hex(c.octets));
    EXPECT_FALSE(framer.Next(&error).has_value());
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->notification.code, ErrorCode::kHeader);
    EXPECT_EQ(error->notification.subcode, c.subcode);
    EXPECT_EQ(ToHex(error->notification.data), c.data);
    EXPECT_THAT(error->reason, HasSubstr(c.reason));
  }
}

TEST(FramerTest, TakesLongMessagesOnceAllowed) {
  // RFC 8654 3: OPEN and KEEPALIVE stay as they were.
  const struct {
    const char* header;
    size_t length;
    bool fits;
  } kCases[] = {
      {"ffff 02", 65535, true},  {"1001 02", 4097, true},  {"1001 03", 4097, true},
      {"1001 05", 4097, true},   {"1001 01", 4097, false}, {"0014 04", 20, false},
      {"ffff 01", 65535, false},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.header);
    Bytes message = Hex(absl::StrCat(kMarker, c.header));
    message.resize(c.length);
    Framer framer;
    framer.AllowExtended();
    framer.Append(message);
    std::optional<MessageError> error;
    const auto taken = framer.Next(&error);
    EXPECT_EQ(taken.has_value(), c.fits);
    if (taken.has_value()) {
      EXPECT_EQ(taken->body.size(), c.length - kHeaderLength);
    } else {
      EXPECT_EQ(error->notification.subcode, header_error::kBadLength);
    }
    // Without the word of our OPEN, none of them.
    Framer strict;
    strict.Append(message);
    error.reset();
    EXPECT_FALSE(strict.Next(&error).has_value());
    EXPECT_TRUE(error.has_value());
  }
}

TEST(FramerTest, WaitsForTheRest) {
  Bytes stream;
  EncodeKeepalive(&stream);
  Framer framer;
  std::optional<MessageError> error;
  framer.Append(std::span(stream).first(18));
  EXPECT_FALSE(framer.Next(&error).has_value());
  EXPECT_FALSE(error.has_value());
}

TEST(NotificationTest, DescribesItself) {
  const struct {
    Notification notification;
    const char* text;
  } kCases[] = {
      {{ErrorCode::kCease, 2, {}}, "Cease/Administrative Shutdown"},
      // RFC 9003: length, then UTF-8.
      {{ErrorCode::kCease, 2, Hex("05 68656c6c6f")}, "Cease/Administrative Shutdown: \"hello\""},
      {{ErrorCode::kCease, 4, Hex("03 610a62")}, "Cease/Administrative Reset: \"a\\nb\""},
      // A length that lies does not read past the end.
      {{ErrorCode::kCease, 2, Hex("ff 6869")}, "Cease/Administrative Shutdown: \"hi\""},
      {{ErrorCode::kCease, 7, {}}, "Cease/Connection Collision Resolution"},
      {{ErrorCode::kCease, 10, {}}, "Cease/BFD Down"},
      {ShutdownNotification("moving"), "Cease/Administrative Shutdown: \"moving\""},
      {{ErrorCode::kCease, 2, Hex("03 ff0007")},
       "Cease/Administrative Shutdown: \"\\377\\000\\007\""},
      {{ErrorCode::kCease, 2, Hex("06 c3a4 e282ac 07")},
       "Cease/Administrative Shutdown: \"\xc3\xa4\xe2\x82\xac\\007\""},
      {{ErrorCode::kCease, 2, Hex("02 c3a4")}, "Cease/Administrative Shutdown: \"\xc3\xa4\""},
      {{ErrorCode::kCease, 2, Hex("02 c0af")}, "Cease/Administrative Shutdown: \"\\300\\257\""},
      {{ErrorCode::kCease, 2, Hex("01 c3")}, "Cease/Administrative Shutdown: \"\\303\""},
      {{ErrorCode::kCease, 2, Hex("03 eda080")},
       "Cease/Administrative Shutdown: \"\\355\\240\\200\""},
      {{ErrorCode::kCease, 2, Hex("04 f0808080")},
       "Cease/Administrative Shutdown: \"\\360\\200\\200\\200\""},
      {{ErrorCode::kCease, 2, Hex("04 f09f9880")},
       "Cease/Administrative Shutdown: \"\xf0\x9f\x98\x80\""},
      // RFC 8538: what is behind a Hard Reset.
      {HardReset(ShutdownNotification("gone")),
       "Cease/Hard Reset: Cease/Administrative Shutdown: \"gone\""},
      {{ErrorCode::kCease, 9, Hex("0603")}, "Cease/Hard Reset: Cease/Peer De-configured"},
      {{ErrorCode::kCease, 9, Hex("0609 0609 0602")}, "Cease/Hard Reset: Cease/Hard Reset"},
      {{ErrorCode::kCease, 9, Hex("06")}, "Cease/Hard Reset: data 06"},
      {{ErrorCode::kSendHoldTimer, 0, {}}, "Send Hold Timer Expired"},
      {{ErrorCode::kRefresh, 1, {}}, "ROUTE-REFRESH Message Error/Invalid Message Length"},
      {{ErrorCode::kOpen, 2, Hex("fdea")}, "OPEN Message Error/Bad Peer AS: AS 65002"},
      {{ErrorCode::kOpen, 1, Hex("0004")},
       "OPEN Message Error/Unsupported Version Number: supports version 4"},
      {{ErrorCode::kFsm, 3, {}}, "Finite State Machine Error/Unexpected Message in Established"},
      {{ErrorCode::kHoldTimer, 0, {}}, "Hold Timer Expired"},
      {{ErrorCode::kUpdate, 99, Hex("0102")}, "UPDATE Message Error/subcode 99: data 0102"},
      {{static_cast<ErrorCode>(42), 1, {}}, "code 42/subcode 1"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(DescribeNotification(c.notification), c.text);
    Bytes encoded;
    EncodeNotification(c.notification, &encoded);
    EXPECT_EQ(DecodeNotification(std::span(encoded).subspan(kHeaderLength)), c.notification);
  }
}

TEST(NotificationTest, ShutdownTextEndsWithAWholeCharacter) {
  std::string text(254, 'a');
  for (const char* character : {"b", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"}) {
    const std::string whole = absl::StrCat(text, character);
    const Bytes& data = ShutdownNotification(whole).data;
    const size_t expected = whole.size() <= 255 ? whole.size() : 254;
    EXPECT_EQ(data[0], expected);
    EXPECT_EQ(data.size(), expected + 1);
  }
  EXPECT_EQ(ShutdownNotification("").data, Bytes{0});
}

}  // namespace
}  // namespace openelb::bgp
