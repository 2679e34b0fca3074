#pragma once
// BFD on a thread of its own, with an event loop and sockets of its own: what the owner thread does
// meanwhile delays no packet.
//
// Life of a change: a packet or its absence changes a session on the thread; the transition is
// posted to the owner thread and the observer told there. Plans go the other way. The thread never
// waits for the owner; the owner waits for the thread where it asks (Sessions, counters, Stop).

#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "api/base/post.h"
#include "speaker/bfd/watch.h"
#include "speaker/io/epoll_io.h"
#include "speaker/io/epoll_udp.h"

namespace openelb::bfd {

class WatchThread final : public Watch, private Observer {
 public:
  // Starts the thread, in the network namespace of the caller. `post` hands a task to the owner
  // thread and is called from ours; tasks that run after the destruction do nothing. `clock` is
  // safe to use from any thread and outlives it, like the observer and the sink of the logger;
  // `random` only seeds a generator of the thread's own.
  static absl::StatusOr<std::unique_ptr<WatchThread>> Start(const Clock* clock, Random* random,
                                                            Logger* logger, Post post,
                                                            Observer* observer);
  // Ends without a word; Stop says goodbye. No observer is called any more.
  ~WatchThread() override;

  void Apply(const std::vector<PeerConfig>& peers) override;
  // The thread hears of interfaces itself.
  void OnInterfacesChanged() override {}
  void Stop() override;
  void Tick() override {}
  absl::Duration NextWakeup() const override { return absl::InfiniteDuration(); }
  // Where the thread does not answer within a second: as it last answered.
  std::vector<SessionView> Sessions() const override;
  Counters counters() const override;

 private:
  WatchThread(std::unique_ptr<io::EpollIo> io, const Clock* clock, Random* random, Logger* logger,
              Post post, Observer* observer);
  void Run();
  void OnSessionChanged(const SessionKey& key, const Transition& transition) override;
  // The answer of `question` from the thread.
  template <typename Answer>
  std::optional<Answer> AskThread(std::function<Answer()> question) const;

  // Whom tasks on the owner thread tell; null once there is nobody. Owner thread only.
  const std::shared_ptr<Observer*> observer_;
  mutable std::vector<SessionView> sessions_;  // as last asked for
  mutable Counters counters_;

  // The thread's.
  const Clock* const clock_;
  const Post post_;
  SeededRandom random_;
  Logger logger_;
  const std::unique_ptr<io::EpollIo> io_;  // others may post to it
  io::EpollUdp udp_;
  LocalWatch watch_;
  bool done_ = false;

  std::thread thread_;
};

}  // namespace openelb::bfd
