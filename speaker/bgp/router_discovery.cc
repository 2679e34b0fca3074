#include "speaker/bgp/router_discovery.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::bgp {
namespace {

// RFC 4861 10: MAX_RTR_SOLICITATIONS, RTR_SOLICITATION_INTERVAL and MIN_DELAY_BETWEEN_RAS; of
// advertisements MaxRtrAdvInterval (6.2.1), short because a session waits for them.
constexpr int kSolicitations = 3;
constexpr absl::Duration kSolicitEvery = absl::Seconds(4);
constexpr absl::Duration kBetweenAdvertisements = absl::Seconds(3);
constexpr absl::Duration kAdvertiseEvery = absl::Seconds(10);
// An interface that is not there, or whose address is not usable yet.
constexpr absl::Duration kRetryAfter = absl::Seconds(1);

}  // namespace

RouterDiscovery::RouterDiscovery(io::RouterIo* io, const Clock* clock, Random* random,
                                 Logger* logger, Found found)
    : io_(io), clock_(clock), random_(random), logger_(logger), found_(std::move(found)) {
  io_->SetHandler(this);
}

void RouterDiscovery::Configure(const std::set<std::string>& interfaces) {
  std::erase_if(links_, [&](const auto& link) {
    if (interfaces.contains(link.first)) return false;
    io_->Close(link.first);
    return true;
  });
  for (const std::string& interface : interfaces) {
    const auto [link, added] = links_.try_emplace(interface);
    if (added) Start(&link->second);
  }
}

void RouterDiscovery::Start(Link* link) const {
  link->solicitations = kSolicitations;
  link->solicit_at = now();
  link->advertise_at = std::max(now(), link->advertised + kBetweenAdvertisements);
}

void RouterDiscovery::OnInterfacesChanged() {
  for (auto& [interface, link] : links_) Start(&link);
}

bool RouterDiscovery::Send(const std::string& interface, ndp::RouterMessage type,
                           absl::Duration* due) {
  const absl::Status sent =
      io_->Send(interface, ndp::AudienceOf(type), ndp::SerializeRouterMessage(type));
  const std::string key = absl::StrCat("router discovery ", interface);
  if (sent.ok()) {
    logger_->Recovered(key, "router discovery recovers", {{"interface", interface}});
    return true;
  }
  logger_->Damped(key, "router discovery fails", sent.message(), {{"interface", interface}});
  *due = now() + kRetryAfter;
  return false;
}

void RouterDiscovery::Tick() {
  for (auto& [interface, link] : links_) {
    if (link.solicitations > 0 && now() >= link.solicit_at &&
        Send(interface, ndp::RouterMessage::kSolicitation, &link.solicit_at)) {
      --link.solicitations;
      link.solicit_at = now() + kSolicitEvery;
    }
    if (now() >= link.advertise_at &&
        Send(interface, ndp::RouterMessage::kAdvertisement, &link.advertise_at)) {
      link.advertised = now();
      // RFC 4861 6.2.4: not in step with others.
      link.advertise_at = now() + kAdvertiseEvery * (0.75 + 0.25 * random_->Uniform());
    }
  }
}

absl::Duration RouterDiscovery::NextWakeup() const {
  absl::Duration next = absl::InfiniteDuration();
  for (const auto& [interface, link] : links_) {
    next = std::min(next, link.advertise_at);
    if (link.solicitations > 0) next = std::min(next, link.solicit_at);
  }
  return next;
}

void RouterDiscovery::OnRouterPacket(const io::RouterPacket& packet) {
  const auto link = links_.find(packet.interface);
  if (link == links_.end()) return;
  const auto type = ndp::ParseRouterMessage(packet.message, packet.source, packet.hop_limit);
  if (type == ndp::RouterMessage::kSolicitation) {
    link->second.advertise_at =
        std::min(link->second.advertise_at,
                 std::max(now(), link->second.advertised + kBetweenAdvertisements));
  } else if (type == ndp::RouterMessage::kAdvertisement) {
    link->second.solicitations = 0;
    found_(packet.interface, packet.source);
  }
}

}  // namespace openelb::bgp
