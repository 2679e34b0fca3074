#pragma once
// What a node does on its LANs, on the caller's thread.

#include <functional>
#include <optional>

#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "speaker/io/packet_io.h"
#include "speaker/io/udp.h"
#include "speaker/io/vrrp_io.h"
#include "speaker/lan/lan.h"
#include "speaker/layer2/owner.h"
#include "speaker/vip/vip.h"

namespace openelb::lan {

class LocalLan final : public Lan {
 public:
  // All outlive it, and have no other user.
  struct Seams {
    const Clock* clock;
    Random* random;
    Logger* log;
    // Null: Layer 2 addresses are left to other nodes. Else the next two are set as well.
    io::PacketIo* packets = nullptr;
    io::Udp* claims = nullptr;
    io::Udp* bfd = nullptr;
    // Null: virtual routers are left to other nodes. Else the next one is set as well.
    io::VrrpIo* vrrp = nullptr;
    io::PacketIo* vip_packets = nullptr;
  };
  LocalLan(layer2::OwnerOptions options, const Seams& seams);

  void SetObserver(Observer* observer) override { observer_ = observer; }
  bool layer2() const override { return owner_.has_value(); }
  bool vip() const override { return vip_.has_value(); }
  void ApplyLayer2(const link::PlanState& plan, const link::PlanChanges& changes,
                   bool confirmed) override;
  void Confirm() override;
  void ApplyVip(const link::PlanState& plan) override;
  void Stop() override;
  void Tick() override;
  absl::Duration NextWakeup() const override;
  const LanState& state() const override { return state_; }
  bool Read(std::function<void(const LocalLan&)> read) const override;

  // What Tick does but for telling the observer.
  void Work();
  // Whether Now() may differ from what it was when this was last asked.
  bool TakeChanged();
  LanState Now() const;

  const std::optional<layer2::Owner>& owner() const { return owner_; }
  const std::optional<vip::Vip>& routers() const { return vip_; }

 private:
  Observer* observer_ = nullptr;
  std::optional<layer2::Owner> owner_;
  std::optional<vip::Vip> vip_;
  LanState state_;
};

}  // namespace openelb::lan
