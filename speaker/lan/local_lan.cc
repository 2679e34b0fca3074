#include "speaker/lan/local_lan.h"

#include <algorithm>
#include <utility>

namespace openelb::lan {

LocalLan::LocalLan(layer2::OwnerOptions options, const Seams& seams) {
  if (seams.packets != nullptr) {
    owner_.emplace(std::move(options), layer2::Owner::Seams{.packets = seams.packets,
                                                            .claims = seams.claims,
                                                            .bfd = seams.bfd,
                                                            .clock = seams.clock,
                                                            .random = seams.random,
                                                            .log = seams.log});
  }
  if (seams.vrrp != nullptr) {
    vip_.emplace(seams.vrrp, seams.vip_packets, seams.clock, seams.random, seams.log);
  }
  TakeChanged();
  state_ = Now();
}

void LocalLan::ApplyLayer2(const link::PlanState& plan, const link::PlanChanges& changes,
                           bool confirmed) {
  if (owner_) owner_->Apply(plan, changes, confirmed);
}

void LocalLan::Confirm() {
  if (owner_) owner_->Confirm();
}

void LocalLan::ApplyVip(const link::PlanState& plan) {
  if (vip_) vip_->Apply(plan);
}

void LocalLan::Stop() {
  if (vip_) vip_->Stop();
  if (owner_) owner_->Stop();
}

void LocalLan::Tick() {
  Work();
  if (!TakeChanged()) return;
  const LanState before = std::exchange(state_, Now());
  if (observer_ != nullptr) observer_->OnLanChanged(before, state_);
}

void LocalLan::Work() {
  if (owner_) owner_->Tick();
  if (vip_) vip_->Tick();
}

absl::Duration LocalLan::NextWakeup() const {
  return std::min(owner_ ? owner_->NextWakeup() : absl::InfiniteDuration(),
                  vip_ ? vip_->NextWakeup() : absl::InfiniteDuration());
}

bool LocalLan::TakeChanged() {
  const bool owner_changed = owner_ && owner_->TakeChanged();
  const bool vip_changed = vip_ && vip_->TakeChanged();
  return owner_changed || vip_changed;
}

LanState LocalLan::Now() const {
  LanState now;
  if (owner_) {
    now.owned = owner_->owned();
    now.taken_over = owner_->taken_over();
    now.no_carrier = owner_->no_carrier();
    now.problems = owner_->problems();
  }
  if (vip_) {
    now.no_carrier.insert(vip_->no_carrier().begin(), vip_->no_carrier().end());
    now.routers = vip_->routers().Routers();
    now.heard = vip_->heard();
    now.vrrp_sources = vip_->routers().Sources();
    now.problems.insert(vip_->problems().begin(), vip_->problems().end());
  }
  return now;
}

bool LocalLan::Read(std::function<void(const LocalLan&)> read) const {
  read(*this);
  return true;
}

}  // namespace openelb::lan
