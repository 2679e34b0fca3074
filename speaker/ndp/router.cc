#include "speaker/ndp/router.h"

namespace openelb::ndp {
namespace {

constexpr int kHopLimit = 255;
constexpr size_t kSolicitationLength = 8;
constexpr size_t kAdvertisementLength = 16;

}  // namespace

Bytes SerializeRouterMessage(RouterMessage type) {
  Bytes message(type == RouterMessage::kSolicitation ? kSolicitationLength : kAdvertisementLength);
  message[0] = static_cast<uint8_t>(type);
  return message;
}

std::optional<RouterMessage> ParseRouterMessage(std::span<const uint8_t> message,
                                                const IpAddress& source, int hop_limit) {
  if (message.size() < kSolicitationLength || hop_limit != kHopLimit) return std::nullopt;
  const auto type = static_cast<RouterMessage>(message[0]);
  size_t fixed = kSolicitationLength;
  if (type == RouterMessage::kAdvertisement) {
    fixed = kAdvertisementLength;
    if (!source.is_v6() || !source.IsLinkLocal()) return std::nullopt;
  } else if (type != RouterMessage::kSolicitation) {
    return std::nullopt;
  }
  const uint8_t code = message[1];
  if (code != 0 || message.size() < fixed) return std::nullopt;
  for (std::span<const uint8_t> options = message.subspan(fixed); !options.empty();) {
    const size_t length = options.size() < 2 ? 0 : size_t{8} * options[1];
    if (length == 0 || length > options.size()) return std::nullopt;
    options = options.subspan(length);
  }
  return type;
}

IpAddress AudienceOf(RouterMessage type) {
  return IpAddress::Parse(type == RouterMessage::kSolicitation ? "ff02::2" : "ff02::1").value();
}

}  // namespace openelb::ndp
