#include "speaker/bgp/message.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace openelb::bgp {
namespace {

constexpr size_t kMarkerLength = 16;

// RFC 4271 6.1 and RFC 8654 4: the lengths a type may have, header included. A ROUTE-REFRESH that
// is too long has an error of its own (RFC 7313 5), which is the session's to find.
struct LengthRule {
  MessageType type;
  const char* name;
  size_t shortest;
  size_t longest;
};
constexpr LengthRule kLengths[] = {
    {MessageType::kOpen, "OPEN", 29, kMaxMessage},
    {MessageType::kUpdate, "UPDATE", 23, kMaxExtendedMessage},
    {MessageType::kNotification, "NOTIFICATION", 21, kMaxExtendedMessage},
    {MessageType::kKeepalive, "KEEPALIVE", 19, 19},
    {MessageType::kRefresh, "ROUTE-REFRESH", kHeaderLength + kRefreshLength, kMaxExtendedMessage},
};

const LengthRule* RuleOf(uint8_t type) {
  for (const LengthRule& rule : kLengths) {
    if (static_cast<uint8_t>(rule.type) == type) return &rule;
  }
  return nullptr;
}

MessageError HeaderError(uint8_t subcode, Bytes data, std::string reason) {
  return {{ErrorCode::kHeader, subcode, std::move(data)}, std::move(reason)};
}

}  // namespace

absl::string_view MessageTypeName(MessageType type) {
  const LengthRule* rule = RuleOf(static_cast<uint8_t>(type));
  return rule == nullptr ? "unknown message" : rule->name;
}

void Framer::Append(std::span<const uint8_t> data) {
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(read_));
  read_ = 0;
  PutBytes(&buffer_, data);
}

std::optional<Message> Framer::Next(std::optional<MessageError>* error) {
  Reader reader(std::span<const uint8_t>(buffer_).subspan(read_));
  // The marker is checked as it arrives, so that a peer that speaks something else is told at once.
  const size_t marker = std::min(reader.remaining(), kMarkerLength);
  for (size_t i = 0; i < marker; ++i) {
    if (reader.rest()[i] != 0xff) {
      *error = HeaderError(header_error::kNotSynchronized, {},
                           "what arrives is not BGP: the message marker is not all ones");
      return std::nullopt;
    }
  }
  std::span<const uint8_t> skipped;
  uint16_t length;
  uint8_t type;
  if (!reader.Take(kMarkerLength, &skipped) || !reader.U16(&length) || !reader.U8(&type)) {
    return std::nullopt;
  }
  Bytes length_data;
  PutU16(&length_data, length);
  if (length < kHeaderLength || length > longest_) {
    *error = HeaderError(header_error::kBadLength, length_data,
                         absl::StrCat("message length ", length, " is not within 19..", longest_));
    return std::nullopt;
  }
  const LengthRule* rule = RuleOf(type);
  if (rule == nullptr) {
    *error = HeaderError(header_error::kBadType, {type},
                         absl::StrCat("message type ", type, " is unknown"));
    return std::nullopt;
  }
  if (length < rule->shortest || length > rule->longest) {
    *error = HeaderError(header_error::kBadLength, length_data,
                         absl::StrCat(rule->name, " of ", length, " octets, allowed are ",
                                      rule->shortest, "..", std::min(rule->longest, longest_)));
    return std::nullopt;
  }
  std::span<const uint8_t> body;
  if (!reader.Take(length - kHeaderLength, &body)) return std::nullopt;
  read_ += length;
  return Message{rule->type, body};
}

size_t BeginMessage(MessageType type, Bytes* out) {
  const size_t start = out->size();
  out->insert(out->end(), kMarkerLength, 0xff);
  PutU16(out, 0);
  PutU8(out, static_cast<uint8_t>(type));
  return start;
}

void FinishMessage(size_t start, Bytes* out) {
  const size_t length = out->size() - start;
  (*out)[start + kMarkerLength] = static_cast<uint8_t>(length >> 8);
  (*out)[start + kMarkerLength + 1] = static_cast<uint8_t>(length);
}

void EncodeKeepalive(Bytes* out) { FinishMessage(BeginMessage(MessageType::kKeepalive, out), out); }

void EncodeNotification(const Notification& notification, Bytes* out) {
  const size_t start = BeginMessage(MessageType::kNotification, out);
  PutU8(out, static_cast<uint8_t>(notification.code));
  PutU8(out, notification.subcode);
  const size_t room = kMaxMessage - kHeaderLength - 2;
  PutBytes(out, std::span(notification.data).first(std::min(notification.data.size(), room)));
  FinishMessage(start, out);
}

void EncodeRefresh(Family family, RefreshSubtype subtype, Bytes* out) {
  const size_t start = BeginMessage(MessageType::kRefresh, out);
  PutU16(out, AfiOf(family));
  PutU8(out, static_cast<uint8_t>(subtype));
  PutU8(out, kSafiUnicast);
  FinishMessage(start, out);
}

Notification DecodeNotification(std::span<const uint8_t> body) {
  Reader reader(body);
  uint8_t code = 0;
  Notification notification;
  reader.U8(&code);
  reader.U8(&notification.subcode);
  notification.code = static_cast<ErrorCode>(code);
  PutBytes(&notification.data, reader.rest());
  return notification;
}

Refresh DecodeRefresh(std::span<const uint8_t> body) {
  Reader reader(body);
  Refresh refresh;
  uint8_t subtype = 0;
  reader.U16(&refresh.afi);
  reader.U8(&subtype);
  reader.U8(&refresh.safi);
  refresh.subtype = static_cast<RefreshSubtype>(subtype);
  return refresh;
}

}  // namespace openelb::bgp
