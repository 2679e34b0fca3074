// Any octets as a BGP stream: framer and decoders neither read past the end nor loop, whatever the
// sender was told to write. The first octet chooses how the stream is cut and what was negotiated.
#include <algorithm>
#include <cstdlib>

#include "speaker/bgp/message.h"
#include "speaker/bgp/open.h"
#include "speaker/bgp/update.h"

namespace openelb::bgp {
namespace {

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
    if (prefix.length() > FamilyBits(prefix.family())) std::abort();
    ++sum_;
  }
  uint64_t sum_ = 0;
};

void Decode(const Message& message, const UpdateFormat& format) {
  switch (message.type) {
    case MessageType::kOpen: {
      OpenMessage open;
      if (DecodeOpen(message.body, &open).has_value()) return;
      OpenTerms terms;
      terms.local_as = 65000;
      terms.remote_as = open.as();
      terms.ipv6_transport = true;
      terms.families = {{Family::kV4, true}, {Family::kV6, true}};
      Negotiated negotiated;
      (void)Negotiate(terms, open, &negotiated);
      // What we understand of an OPEN survives being written and read again.
      Bytes encoded;
      EncodeOpen(open, &encoded);
      OpenMessage again;
      if (DecodeOpen(std::span(encoded).subspan(kHeaderLength), &again) || again != open) {
        std::abort();
      }
      return;
    }
    case MessageType::kUpdate: {
      CountingVisitor visitor;
      const auto seen = CheckUpdate(message.body, format, &visitor);
      const auto unseen = CheckUpdate(message.body, format);
      if (seen.has_value() != unseen.has_value()) std::abort();
      if (seen.has_value() && seen->reason != unseen->reason) std::abort();
      return;
    }
    case MessageType::kNotification:
      (void)DescribeNotification(DecodeNotification(message.body));
      return;
    case MessageType::kRefresh:
      if (message.body.size() < kRefreshLength) std::abort();
      (void)DecodeRefresh(message.body);
      return;
    case MessageType::kKeepalive:
      return;
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
    if (error.has_value()) break;
  }
  return 0;
}

}  // namespace openelb::bgp
