#pragma once
// BGP messages on a byte stream: the header every message has, and the messages that carry little
// more (RFC 4271 4.1, 4.4, 4.5; ROUTE-REFRESH RFC 2918 and 7313; extended messages RFC 8654).
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
constexpr size_t kMaxExtendedMessage = 65535;

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
  // From now on UPDATE, NOTIFICATION and ROUTE-REFRESH may take up to kMaxExtendedMessage octets.
  void AllowExtended() { longest_ = kMaxExtendedMessage; }
  // Invalidates messages handed out before.
  void Append(std::span<const uint8_t> data);
  // The next whole message; none: more octets are needed, or the header is wrong (`error` is set,
  // and the stream is beyond repair).
  std::optional<Message> Next(std::optional<MessageError>* error);

 private:
  Bytes buffer_;
  size_t read_ = 0;
  size_t longest_ = kMaxMessage;
};

// Appends a header whose length is filled in by FinishMessage; returns where the message starts.
size_t BeginMessage(MessageType type, Bytes* out);
void FinishMessage(size_t start, Bytes* out);

void EncodeKeepalive(Bytes* out);
// Data that would not fit is cut.
void EncodeNotification(const Notification& notification, Bytes* out);

// `body` as a Framer hands it out, which has checked that it is long enough.
Notification DecodeNotification(std::span<const uint8_t> body);

// What a ROUTE-REFRESH says: a request, or the first or last word of the answer (RFC 7313).
enum class RefreshSubtype : uint8_t { kRequest = 0, kBegin = 1, kEnd = 2 };
struct Refresh {
  uint16_t afi = 0;
  RefreshSubtype subtype = RefreshSubtype::kRequest;  // may be a number without a name
  uint8_t safi = 0;
};
constexpr size_t kRefreshLength = 4;  // of the body
Refresh DecodeRefresh(std::span<const uint8_t> body);
void EncodeRefresh(Family family, RefreshSubtype subtype, Bytes* out);

}  // namespace openelb::bgp
