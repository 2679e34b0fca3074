#include "controller/observe/owner_board.h"

#include <algorithm>

namespace openelb::observe {
namespace {

template <typename T>
constexpr size_t kKindOf = Answered(T()).index();

absl::Time FromProto(const google::protobuf::Timestamp& stamp) {
  return absl::FromUnixSeconds(stamp.seconds()) + absl::Nanoseconds(stamp.nanos());
}

}  // namespace

void OwnerBoard::Update(const std::string& node, const plan::v1::Layer2Owned& owned) {
  std::map<Answered, absl::Time> claims;
  for (const plan::v1::OwnedAddress& entry : owned.addresses()) {
    if (const auto address = IpAddress::Parse(entry.address()); address.ok())
      claims.emplace(*address, FromProto(entry.since()));
  }
  Take(node, kKindOf<IpAddress>, claims);
}

void OwnerBoard::Update(const std::string& node, const plan::v1::Observed& observed) {
  std::map<Answered, absl::Time> claims;
  for (const plan::v1::VrrpObserved& router : observed.vrrp()) {
    if (router.state() != "ACTIVE") continue;
    const Family family = router.family() == 4 ? Family::kV4 : Family::kV6;
    claims.emplace(VirtualRouter{family, router.vrid()}, FromProto(router.since()));
  }
  Take(node, kKindOf<VirtualRouter>, claims);
}

void OwnerBoard::Take(const std::string& node, Kind kind,
                      const std::map<Answered, absl::Time>& claims) {
  const auto [it, first] = said_.try_emplace({node, kind});
  Said& said = it->second;
  said.silent = false;
  const std::set<Answered> before = said.claims;
  for (const Answered& what : before) {
    if (!claims.contains(what)) Withdraw(node, what);
  }
  ++arrivals_;
  for (const auto& [what, since] : claims) {
    const auto [held, added] = held_[what].try_emplace(node, Held{{node, since, first}, arrivals_});
    if (!added && held->second.claim.since == since) continue;
    held->second.claim.since = since;
    said.claims.insert(what);
    changed_ = true;
    if (added) EndOutdated(what);
  }
}

void OwnerBoard::Withdraw(const std::string& node, const Answered& what) {
  said_.at({node, what.index()}).claims.erase(what);
  const auto it = held_.find(what);
  it->second.erase(node);
  if (it->second.empty()) held_.erase(it);
  changed_ = true;
}

// By arrival, because a silent node's clock may have been ahead.
void OwnerBoard::EndOutdated(const Answered& what) {
  const auto silent = [&](const std::string& node) {
    return said_.at({node, what.index()}).silent;
  };
  uint64_t newest_heard = 0;
  for (const auto& [node, held] : held_.at(what)) {
    if (!silent(node)) newest_heard = std::max(newest_heard, held.arrival);
  }
  std::vector<std::string> outdated;
  for (const auto& [node, held] : held_.at(what)) {
    if (silent(node) && held.arrival < newest_heard) outdated.push_back(node);
  }
  for (const std::string& node : outdated) Withdraw(node, what);
}

void OwnerBoard::OnSilent(const std::string& node) {
  for (const Kind kind : {kKindOf<IpAddress>, kKindOf<VirtualRouter>}) {
    const auto it = said_.find({node, kind});
    if (it == said_.end()) continue;
    it->second.silent = true;
    const std::set<Answered> claims = it->second.claims;
    for (const Answered& what : claims) EndOutdated(what);
  }
}

void OwnerBoard::OnStopped(const std::string& node) {
  for (const Kind kind : {kKindOf<IpAddress>, kKindOf<VirtualRouter>}) {
    if (said_.contains({node, kind})) Take(node, kind, {});
  }
}

void OwnerBoard::Forget(const std::string& node) {
  OnStopped(node);
  for (const Kind kind : {kKindOf<IpAddress>, kKindOf<VirtualRouter>}) said_.erase({node, kind});
}

std::vector<Claim> OwnerBoard::ClaimsOf(const Answered& what) const {
  std::vector<Claim> claims;
  const auto it = held_.find(what);
  if (it == held_.end()) return claims;
  for (const auto& [node, held] : it->second) claims.push_back(held.claim);
  std::stable_sort(claims.begin(), claims.end(),
                   [](const Claim& a, const Claim& b) { return a.since > b.since; });
  return claims;
}

}  // namespace openelb::observe
