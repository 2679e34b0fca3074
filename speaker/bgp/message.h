#pragma once
// BGP messages on a byte stream: the header every message has, and the messages that carry little
// more (RFC 4271 4.1, 4.4, 4.5; RFC 2918).
//
// Life of a received message: octets as TCP delivers them go into a Framer, which checks marker,
// length and type and hands out one message at a time; open.h and update.h decode the larger
// bodies.

#include <cstdint>
#include <optional>
#include <span>

#include "absl/strings/string_view.h"
#include "api/base/ip.h"
#include "api/base/wire.h"
#include "speaker/bgp/notification.h"

namespace openelb::bgp {

enum class MessageType : uint8_t {
  kOpen = 1,
  kUpdate = 2,
  kNotification = 3,
  kKeepalive = 4,
  kRefresh = 5,
};
absl::string_view MessageTypeName(MessageType type);

constexpr size_t kHeaderLength = 19;
constexpr size_t kMaxMessage = 4096;

constexpr uint16_t kAfiIpv4 = 1;
constexpr uint16_t kAfiIpv6 = 2;
constexpr uint8_t kSafiUnicast = 1;
constexpr uint16_t AfiOf(Family family) { return family == Family::kV4 ? kAfiIpv4 : kAfiIpv6; }

struct Message {
  MessageType type = MessageType::kKeepalive;
  std::span<const uint8_t> body;
};

// Cuts a stream into messages. Holds less than one message plus what Append was given last, as long
// as Next is called until it returns nothing.
class Framer {
 public:
  // Invalidates messages handed out before.
  void Append(std::span<const uint8_t> data);
  // The next whole message; none: more octets are needed, or the header is wrong (`error` is set,
  // and the stream is beyond repair).
  std::optional<Message> Next(std::optional<MessageError>* error);

 private:
  Bytes buffer_;
  size_t read_ = 0;
};

// Appends a header whose length is filled in by FinishMessage; returns where the message starts.
size_t BeginMessage(MessageType type, Bytes* out);
void FinishMessage(size_t start, Bytes* out);

void EncodeKeepalive(Bytes* out);
// Data that would not fit is cut.
void EncodeNotification(const Notification& notification, Bytes* out);
// A ROUTE-REFRESH request of RFC 2918.
void EncodeRefresh(Family family, Bytes* out);

// `body` as a Framer hands it out, which has checked that it is long enough.
Notification DecodeNotification(std::span<const uint8_t> body);

struct RefreshRequest {
  uint16_t afi = 0;
  uint8_t subtype = 0;  // 0 in RFC 2918; RFC 7313 uses 1 and 2 as marks
  uint8_t safi = 0;
};
RefreshRequest DecodeRefresh(std::span<const uint8_t> body);

}  // namespace openelb::bgp
