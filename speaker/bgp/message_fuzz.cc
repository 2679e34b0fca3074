// Any octets as a BGP stream: framer and decoders neither read past the end nor loop, whatever the
// sender was told to write, and what is understood survives being written and read again. Every
// error has a NOTIFICATION that can be sent, and every NOTIFICATION a text for people.
//
// The first octet chooses how the stream is cut and what was negotiated.
#include <algorithm>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "speaker/bgp/message.h"
#include "speaker/bgp/open.h"
#include "speaker/bgp/update.h"

namespace openelb::bgp {
namespace {

constexpr size_t kMostNotificationData = kMaxMessage - kHeaderLength - 2;

void Check(bool holds) {
  if (!holds) std::abort();
}

class CountingVisitor final : public UpdateVisitor {
 public:
  void OnWithdrawn(const IpPrefix& prefix, uint32_t) override { Count(prefix); }
  void OnAttribute(uint8_t, uint8_t, std::span<const uint8_t> value) override {
    for (uint8_t octet : value) sum_ += octet;
  }
  void OnAnnounced(const IpPrefix& prefix, uint32_t, const std::optional<IpAddress>&) override {
    Count(prefix);
  }

 private:
  void Count(const IpPrefix& prefix) {
    Check(prefix.length() <= FamilyBits(prefix.family()));
    ++sum_;
  }
  uint64_t sum_ = 0;
};

// The body of the one message that `encoded` is, as a peer's framer cuts it.
Bytes Reframed(MessageType type, const Bytes& encoded) {
  Framer framer;
  framer.AllowExtended();
  framer.Append(encoded);
  std::optional<MessageError> error;
  const std::optional<Message> message = framer.Next(&error);
  Check(message.has_value() && message->type == type);
  Check(encoded.size() == kHeaderLength + message->body.size());
  return {message->body.begin(), message->body.end()};
}

void CheckSent(Notification notification) {
  Check(!DescribeNotification(notification).empty());
  Bytes encoded;
  EncodeNotification(notification, &encoded);
  Check(encoded.size() <= kMaxMessage);
  notification.data.resize(std::min(notification.data.size(), kMostNotificationData));
  Check(DecodeNotification(Reframed(MessageType::kNotification, encoded)) == notification);
}

// As the session answers and counts it.
void CheckAnswer(const MessageError& error) {
  Check(!error.reason.empty());
  Check(!ApproachName(error.severity).empty());
  CheckSent(error.notification);
}

void CheckNotification(const Notification& notification) {
  CheckSent(notification);
  const Notification hard = HardReset(notification);
  CheckSent(hard);
  Check(DescribeNotification(hard).starts_with("Cease/Hard Reset: "));
  // What an operator writes, of which whole characters are sent.
  const absl::string_view text(reinterpret_cast<const char*>(notification.data.data()),
                               notification.data.size());
  const Notification shutdown = ShutdownNotification(text);
  Check(shutdown.data.size() == size_t{1} + shutdown.data[0]);
  Check(absl::string_view(reinterpret_cast<const char*>(shutdown.data.data()) + 1,
                          shutdown.data[0]) == text.substr(0, shutdown.data[0]));
  CheckSent(shutdown);
}

OpenMessage Reopened(const OpenMessage& open) {
  Bytes encoded;
  EncodeOpen(open, &encoded);
  OpenMessage again;
  Check(!DecodeOpen(Reframed(MessageType::kOpen, encoded), &again).has_value());
  return again;
}

// The terms of one who wants a session with the sender of `open`, and the three ways in which an
// OPEN may not suit them: another AS, an identifier that clashes, no family in common.
void CheckNegotiation(const OpenMessage& open) {
  OpenTerms terms;
  terms.local_as = 4200000000;
  terms.remote_as = open.as();
  terms.router_id = 0x0a000001;
  terms.hold_time = 90;
  terms.ipv6_transport = true;
  terms.families = {{Family::kV4, true, true}, {Family::kV6, true, true}};
  if (open.restart.has_value() && open.restart->time_s != 0) {
    terms.graceful_restart.emplace();
    terms.graceful_restart->restart_time_s = open.restart->time_s;
    terms.graceful_restart->notification = open.restart->notification;
    if (!open.long_lived.empty()) terms.graceful_restart->long_lived_s = open.long_lived[0].time_s;
  }
  OpenTerms internal = terms;
  internal.local_as = terms.remote_as;
  OpenTerms other = terms;
  other.remote_as = 65001;
  OpenTerms ipv6_only = terms;
  ipv6_only.families = {{Family::kV6}};
  for (const OpenTerms& ours : {terms, internal, other, ipv6_only}) {
    Negotiated negotiated;
    if (const auto error = Negotiate(ours, open, &negotiated)) {
      CheckAnswer(*error);
    } else {
      Check(negotiated.hold_time <= ours.hold_time && negotiated.hold_time <= open.hold_time);
      Check(negotiated.use(Family::kV4).negotiated || negotiated.use(Family::kV6).negotiated);
      Check(ours.families.size() == 2 || !negotiated.add_path());
    }
    const OpenMessage answer = LocalOpen(ours, {.restarted = true, .forwarding = true});
    Check(Reopened(answer) == answer);
  }
}

void Decode(const Message& message, const UpdateFormat& format) {
  Check(MessageTypeName(message.type) != "unknown message");
  switch (message.type) {
    case MessageType::kOpen: {
      OpenMessage open;
      if (const auto error = DecodeOpen(message.body, &open)) return CheckAnswer(*error);
      Check(Reopened(open) == open);
      return CheckNegotiation(open);
    }
    case MessageType::kUpdate: {
      CountingVisitor visitor;
      const auto seen = CheckUpdate(message.body, format, &visitor);
      const auto unseen = CheckUpdate(message.body, format);
      Check(seen.has_value() == unseen.has_value());
      if (!seen.has_value()) return;
      Check(seen->reason == unseen->reason);
      return CheckAnswer(*seen);
    }
    case MessageType::kNotification:
      return CheckNotification(DecodeNotification(message.body));
    case MessageType::kRefresh: {
      Check(message.body.size() >= kRefreshLength);
      const Refresh refresh = DecodeRefresh(message.body);
      for (const Family family : {Family::kV4, Family::kV6}) {
        if (refresh.afi != AfiOf(family) || refresh.safi != kSafiUnicast) continue;
        Bytes encoded;
        EncodeRefresh(family, refresh.subtype, &encoded);
        const Bytes again = Reframed(MessageType::kRefresh, encoded);
        Check(std::ranges::equal(again, message.body.first(kRefreshLength)));
      }
      return;
    }
    case MessageType::kKeepalive: {
      Bytes encoded;
      EncodeKeepalive(&encoded);
      Check(Reframed(MessageType::kKeepalive, encoded).empty());
      return;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t choice = data[0];
  std::span<const uint8_t> stream(data + 1, size - 1);
  const UpdateFormat format{(choice & 1) != 0, (choice & 2) != 0, (choice & 4) != 0,
                            (choice & 16) != 0};
  const size_t piece = (choice & 8) != 0 ? 1 + (choice >> 4) : SIZE_MAX;
  Framer framer;
  if ((choice & 32) != 0) framer.AllowExtended();
  while (!stream.empty()) {
    const size_t taken = std::min(piece, stream.size());
    framer.Append(stream.first(taken));
    stream = stream.subspan(taken);
    std::optional<MessageError> error;
    while (const std::optional<Message> message = framer.Next(&error)) Decode(*message, format);
    if (error.has_value()) {
      CheckAnswer(*error);
      break;
    }
  }
  return 0;
}

}  // namespace openelb::bgp
