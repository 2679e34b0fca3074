#include "speaker/bfd/watch_thread.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "speaker/io/socket.h"

namespace openelb::bfd {
namespace {

// Ahead of what runs as usual, behind what the system itself needs.
constexpr int kNiceness = -10;

}  // namespace

absl::StatusOr<std::unique_ptr<WatchThread>> WatchThread::Start(const Clock* clock, Random* random,
                                                                Logger* logger, Post post,
                                                                Observer* observer) {
  absl::StatusOr<std::unique_ptr<io::EpollIo>> io = io::EpollIo::Create(clock);
  if (!io.ok()) return io.status();
  auto watch = std::unique_ptr<WatchThread>(
      new WatchThread(std::move(*io), clock, random, logger, std::move(post), observer));
  try {
    watch->thread_ = std::thread([raw = watch.get()] { raw->Run(); });
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(absl::StrCat("start the BFD thread: ", error.what()));
  }
  return watch;
}

WatchThread::WatchThread(std::unique_ptr<io::EpollIo> io, const Clock* clock, Random* random,
                         Logger* logger, Post post, Observer* observer)
    : observer_(std::make_shared<Observer*>(observer)),
      clock_(clock),
      post_(std::move(post)),
      random_(random->Next64()),
      logger_(logger->ForAnotherThread()),
      io_(std::move(io)),
      udp_(io_.get()),
      watch_(&udp_, clock, &random_, &logger_, this) {
  io_->WatchInterfaces([this] { watch_.OnInterfacesChanged(); });
}

WatchThread::~WatchThread() {
  *observer_ = nullptr;
  if (!thread_.joinable()) return;
  io_->Post([this] { done_ = true; });
  thread_.join();
}

// ---- owner thread ----

template <typename Answer>
std::optional<Answer> WatchThread::AskThread(std::function<Answer()> question) const {
  return Ask<Answer>([this](std::function<void()> task) { io_->Post(std::move(task)); },
                     std::move(question));
}

void WatchThread::Apply(const std::vector<PeerConfig>& peers) {
  io_->Post([this, peers] { watch_.Apply(peers); });
}

void WatchThread::Stop() {
  AskThread<bool>([this] {
    watch_.Stop();
    return true;
  });
}

std::vector<SessionView> WatchThread::Sessions() const {
  auto answer = AskThread<std::vector<SessionView>>([this] { return watch_.Sessions(); });
  if (answer.has_value()) sessions_ = std::move(*answer);
  return sessions_;
}

Counters WatchThread::counters() const {
  auto answer = AskThread<Counters>([this] { return watch_.counters(); });
  if (answer.has_value()) counters_ = std::move(*answer);
  return counters_;
}

// ---- the thread ----

void WatchThread::Run() {
  if (setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness) != 0) {
    logger_.Debug("BFD runs at the priority of everything else",
                  {{"error", io::ErrnoStatus(errno, "setpriority").message()}});
  }
  while (!done_) {
    io_->RunOnce(watch_.NextWakeup() - clock_->Monotonic());
    if (watch_.NextWakeup() <= clock_->Monotonic()) watch_.Tick();
  }
}

void WatchThread::OnSessionChanged(const SessionKey& key, const Transition& transition) {
  post_([observer = observer_, key, transition] {
    if (*observer != nullptr) (*observer)->OnSessionChanged(key, transition);
  });
}

}  // namespace openelb::bfd
