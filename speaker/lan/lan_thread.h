#pragma once
// What a node does on its LANs, on a thread of its own, with an event loop and sockets of its own:
// what the owner thread does meanwhile delays no packet.
//
// Life of a change: a packet or its absence changes something on the thread; what is so now is
// posted to the owner thread and the observer told there, the next only after that one was taken.
// Plans go the other way. The thread never waits for the owner, not even to write its log; the
// owner waits for the thread where it asks (Read, Stop).

#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "absl/status/statusor.h"
#include "api/base/post.h"
#include "speaker/io/epoll_io.h"
#include "speaker/io/epoll_packet.h"
#include "speaker/io/epoll_udp.h"
#include "speaker/io/epoll_vrrp.h"
#include "speaker/lan/lan.h"
#include "speaker/lan/local_lan.h"

namespace openelb::lan {

struct LanOptions {
  bool layer2 = true;
  bool vip = true;  // false also takes off what an earlier process held
  layer2::OwnerOptions owner;
};

class LanThread final : public Lan {
 public:
  // Starts the thread, in the network namespace of the caller. `post` hands a task to the owner
  // thread and is called from ours; tasks that run after the destruction do nothing. `clock` is
  // safe to use from any thread and outlives it, like `log`, which is used on the owner thread;
  // `random` only seeds a generator of the thread's own.
  static absl::StatusOr<std::unique_ptr<LanThread>> Start(const LanOptions& options,
                                                          const Clock* clock, Random* random,
                                                          LogSink* log, Post post);
  // Ends without a word; Stop says goodbye. No observer is called any more.
  ~LanThread() override;

  void SetObserver(Observer* observer) override { observer_ = observer; }
  bool layer2() const override { return layer2_; }
  bool vip() const override { return vip_; }
  void ApplyLayer2(const link::PlanState& plan, const link::PlanChanges& changes,
                   bool confirmed) override;
  void Confirm() override;
  void ApplyVip(const link::PlanState& plan) override;
  void Stop() override;
  void Tick() override {}
  absl::Duration NextWakeup() const override { return absl::InfiniteDuration(); }
  const LanState& state() const override { return state_; }
  bool Read(std::function<void(const LocalLan&)> read) const override;

 private:
  class OwnersLog;

  LanThread(const LanOptions& options, std::unique_ptr<io::EpollIo> io, const Clock* clock,
            Random* random, LogSink* log, const Post& post);
  void Run();
  void OpenVrrp(bool wanted);
  void TellOwner();

  // The owner's.
  Observer* observer_ = nullptr;
  bool layer2_ = false;
  bool vip_ = false;
  bool confirmed_ = false;
  LanState state_;
  // What tasks on the owner thread reach us by; null once we are gone.
  const std::shared_ptr<LanThread*> self_;

  // The thread's.
  const Clock* const clock_;
  const Post post_;
  SeededRandom random_;
  const std::unique_ptr<OwnersLog> sink_;
  Logger logger_;
  const std::unique_ptr<io::EpollIo> io_;  // others may post to it
  std::optional<io::EpollPacket> packets_;
  std::optional<io::EpollUdp> claims_;
  std::optional<io::EpollUdp> bfd_;
  std::unique_ptr<io::EpollVrrp> vrrp_;
  std::optional<io::EpollPacket> vip_packets_;
  std::optional<LocalLan> lan_;
  bool telling_ = false;  // what the owner was told last has not been taken yet
  bool done_ = false;

  std::thread thread_;
};

}  // namespace openelb::lan
