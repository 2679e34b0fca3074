#include "speaker/vip/vip.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace openelb::vip {
namespace {

constexpr absl::Duration kRetry = absl::Seconds(1);
// RFC 5227 2.4, DEFEND_INTERVAL: two that never give way must not fill the segment.
constexpr absl::Duration kDefend = absl::Seconds(10);

vrrp::RouterConfig ConfigOf(const link::VrrpName& name, const link::VrrpInstance& planned) {
  return {.interface = name.interface,
          .family = name.family,
          .vrid = name.vrid,
          .name = planned.name,
          .version = planned.version,
          .priority = planned.priority,
          .interval = planned.interval,
          .preempt = planned.preempt,
          .addresses = planned.addresses,
          .unicast_peers = planned.unicast_peers};
}

}  // namespace

Vip::Vip(io::VrrpIo* io, io::PacketIo* packets, const Clock* clock, Random* random, Logger* log)
    : clock_(clock),
      log_(log),
      wire_(packets, clock, random, this, {}, layer2::Answering::kByKernel),
      instance_(io, clock, log, this) {
  FindNoCarrier();
}

Vip::~Vip() = default;

// ---- what runs ----

void Vip::Apply(const link::PlanState& plan) {
  configs_.clear();
  for (const auto& [name, planned] : plan.vrrp) configs_.push_back(ConfigOf(name, planned));
  Configure();
}

void Vip::Configure() {
  for (const absl::Status& refused : instance_.Apply(configs_, ListenOn())) {
    log_->Damped(refused.message(), "virtual router refused", refused.message());
  }
  problems_due_ = true;
}

std::set<std::string> Vip::ListenOn() {
  std::set<std::string> names;
  for (const io::Interface& interface : wire_.Interfaces()) {
    if (names.size() == kMaxListen) break;
    if (interface.up && interface.mac.IsStation() && interface.HasSubnet()) {
      names.insert(interface.name);
    }
  }
  return names;
}

void Vip::Stop() {
  configs_.clear();
  instance_.Stop();
}

void Vip::Tick() {
  const absl::Duration now = clock_->Monotonic();
  if (instance_.NextWakeup() <= now) instance_.Tick();
  if (retry_at_ <= now) {
    retry_at_ = absl::InfiniteDuration();
    for (auto& [place, announced] : announced_) {
      if (!announced.error.empty()) AnnounceAt(place, &announced);
    }
  }
  wire_.Tick();
  if (std::exchange(problems_due_, false)) FindProblems();
}

absl::Duration Vip::NextWakeup() const {
  if (problems_due_) return absl::ZeroDuration();
  return std::min({instance_.NextWakeup(), wire_.NextWakeup(), retry_at_});
}

size_t Vip::held() const {
  return static_cast<size_t>(std::count_if(
      announced_.begin(), announced_.end(),
      [](const auto& entry) { return !vrrp::IsVirtualLinkLocal(entry.first.second); }));
}

void Vip::OnRouterChanged(const vrrp::RouterKey&) {
  changed_ = true;
  problems_due_ = true;
}

void Vip::OnHeardChanged() {
  std::set<std::string> now;
  for (const vrrp::HeardRouter& router : instance_.Heard()) {
    now.insert(absl::StrCat(router.key.interface, " ", static_cast<int>(router.key.family), " ",
                            router.key.vrid));
  }
  if (std::exchange(heard_, now) != now) changed_ = true;
}

// ---- what neighbours are told ----

void Vip::Announce(int interface, const std::vector<IpAddress>& addresses) {
  const std::vector<io::Interface> interfaces = wire_.Interfaces();
  const auto found =
      std::find_if(interfaces.begin(), interfaces.end(),
                   [&](const io::Interface& each) { return each.index == interface; });
  if (found == interfaces.end()) return;  // it has gone, and the router will hear of it
  for (const IpAddress& address : addresses) {
    const Place place{interface, address};
    Announced& announced = announced_[place];
    announced.interface = found->name;
    AnnounceAt(place, &announced);
  }
}

void Vip::AnnounceAt(const Place& place, Announced* announced) {
  if (wire_.Owns(announced->interface, place.second)) {
    wire_.Announce(announced->interface, place.second);
    return;
  }
  const absl::Status status = wire_.Own(announced->interface, place.second);
  announced->error = std::string(status.message());
  if (!status.ok()) retry_at_ = clock_->Monotonic() + kRetry;
  problems_due_ = true;
}

void Vip::Release(int interface, const std::vector<IpAddress>& addresses) {
  for (const IpAddress& address : addresses) {
    const auto it = announced_.find({interface, address});
    if (it == announced_.end()) continue;
    wire_.Stop(it->second.interface, address);
    announced_.erase(it);
  }
  problems_due_ = true;
}

void Vip::OnConflict(const std::string& interface, const layer2::Conflict& conflict) {
  for (auto& [place, announced] : announced_) {
    if (announced.interface != interface || place.second != conflict.address) continue;
    const bool over = conflict.phase == layer2::ConflictPhase::kOver;
    announced.conflict = over ? ""
                              : absl::StrCat("another station, ", conflict.mac.ToString(),
                                             ", answers for it on ", interface);
    problems_due_ = true;
    const absl::Duration now = clock_->Monotonic();
    if (over || now < announced.defend_at) continue;
    // VRRP made us the Active: the last announcement is what neighbours believe.
    announced.defend_at = now + kDefend;
    wire_.Announce(interface, conflict.address);
  }
}

void Vip::OnInterfacesChanged() {
  Configure();
  FindNoCarrier();
}

void Vip::FindNoCarrier() {
  std::set<std::string> now = io::WithoutCarrier(wire_.Interfaces());
  if (now == no_carrier_) return;
  no_carrier_ = std::move(now);
  changed_ = true;
}

void Vip::FindProblems() {
  layer2::AddressProblems now;
  for (const auto& [place, announced] : announced_) {
    if (vrrp::IsVirtualLinkLocal(place.second)) continue;  // no Service has it
    const bool duplicate = announced.error.empty();
    const std::string& worse = duplicate ? announced.conflict : announced.error;
    if (!worse.empty()) now[place.second] = {worse, duplicate};
  }
  for (const vrrp::RouterView& router : instance_.Routers()) {
    if (router.problem.empty()) continue;
    for (const IpAddress& address : router.addresses) now[address] = {.sentence = router.problem};
  }
  if (now == problems_) return;
  for (const auto& [address, problem] : now) {
    const auto before = problems_.find(address);
    if (before != problems_.end() && before->second == problem) continue;
    log_->Warning("address not as planned",
                  {{"address", address.ToString()}, {"error", problem.sentence}});
  }
  for (const auto& [address, problem] : problems_) {
    if (now.contains(address)) continue;
    log_->Info("address is well again", {{"address", address.ToString()}});
  }
  problems_ = std::move(now);
  changed_ = true;
}

}  // namespace openelb::vip
