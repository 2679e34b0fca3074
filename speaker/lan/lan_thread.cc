#include "speaker/lan/lan_thread.h"

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "speaker/io/socket.h"

namespace openelb::lan {
namespace {

// Ahead of what runs as usual, behind what the system itself needs.
constexpr int kNiceness = -10;
// Records that wait for an owner that is busy; more are lost.
constexpr int kMaxRecords = 20'000;

// What of the plan a LAN is about.
link::PlanState Layer2PartOf(const link::PlanState& plan, const link::PlanChanges& changes) {
  link::PlanState part;
  if (changes.bfd) part.bfd = plan.bfd;
  for (const IpAddress& address : changes.layer2) {
    if (const auto it = plan.layer2.find(address); it != plan.layer2.end()) part.layer2.insert(*it);
  }
  return part;
}

}  // namespace

// Has the owner thread write: whoever reads the log may be slow, too.
class LanThread::OwnersLog final : public LogSink {
 public:
  OwnersLog(LogSink* log, Post post) : log_(log), post_(std::move(post)) {}
  void Write(const LogRecord& record) override {
    if (waiting_->fetch_add(1) >= kMaxRecords) {
      waiting_->fetch_sub(1);
      return;
    }
    post_([log = log_, waiting = waiting_, record] {
      waiting->fetch_sub(1);
      log->Write(record);
    });
  }

 private:
  LogSink* const log_;
  const Post post_;
  const std::shared_ptr<std::atomic<int>> waiting_ = std::make_shared<std::atomic<int>>(0);
};

absl::StatusOr<std::unique_ptr<LanThread>> LanThread::Start(const LanOptions& options,
                                                            const Clock* clock, Random* random,
                                                            LogSink* log, Post post) {
  absl::StatusOr<std::unique_ptr<io::EpollIo>> io = io::EpollIo::Create(clock);
  if (!io.ok()) return io.status();
  auto lan =
      std::unique_ptr<LanThread>(new LanThread(options, std::move(*io), clock, random, log, post));
  try {
    lan->thread_ = std::thread([raw = lan.get()] { raw->Run(); });
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(absl::StrCat("start the LAN thread: ", error.what()));
  }
  return lan;
}

LanThread::LanThread(const LanOptions& options, std::unique_ptr<io::EpollIo> io, const Clock* clock,
                     Random* random, LogSink* log, const Post& post)
    : self_(std::make_shared<LanThread*>(this)),
      clock_(clock),
      post_(post),
      random_(random->Next64()),
      sink_(std::make_unique<OwnersLog>(log, post)),
      logger_(sink_.get(), clock),
      io_(std::move(io)) {
  LocalLan::Seams seams{.clock = clock_, .random = &random_, .log = &logger_};
  if (options.layer2) {
    seams.packets = &packets_.emplace(io_.get());
    seams.claims = &claims_.emplace(io_.get());
    seams.bfd = &bfd_.emplace(io_.get());
  }
  OpenVrrp(options.vip);
  if (vrrp_ != nullptr) {
    seams.vrrp = vrrp_.get();
    seams.vip_packets = &vip_packets_.emplace(io_.get());
  }
  lan_.emplace(options.owner, seams);
  layer2_ = lan_->layer2();
  vip_ = lan_->vip();
  state_ = lan_->state();
}

LanThread::~LanThread() {
  *self_ = nullptr;
  if (!thread_.joinable()) return;
  io_->Post([this] { done_ = true; });
  thread_.join();
}

// Leaves it null where it is not to be had.
void LanThread::OpenVrrp(bool wanted) {
  absl::StatusOr<std::unique_ptr<io::EpollVrrp>> vrrp = io::EpollVrrp::Create(io_.get());
  absl::Status status = vrrp.status();
  if (status.ok() && !wanted) status = (*vrrp)->Hold({});
  if (!status.ok()) logger_.Error("VIP mode", {{"error", status.message()}});
  if (vrrp.ok() && wanted) vrrp_ = *std::move(vrrp);
}

// ---- owner thread ----

void LanThread::ApplyLayer2(const link::PlanState& plan, const link::PlanChanges& changes,
                            bool confirmed) {
  confirmed_ |= confirmed;
  link::PlanChanges part_changes;
  part_changes.bfd = changes.bfd;
  part_changes.layer2 = changes.layer2;
  io_->Post([this, part = Layer2PartOf(plan, changes), part_changes, confirmed] {
    lan_->ApplyLayer2(part, part_changes, confirmed);
  });
}

void LanThread::Confirm() {
  if (std::exchange(confirmed_, true)) return;
  io_->Post([this] { lan_->Confirm(); });
}

void LanThread::ApplyVip(const link::PlanState& plan) {
  link::PlanState part;
  part.vrrp = plan.vrrp;
  io_->Post([this, part] { lan_->ApplyVip(part); });
}

void LanThread::Stop() {
  Ask<bool>([this](std::function<void()> task) { io_->Post(std::move(task)); },
            [this] {
              lan_->Stop();
              return true;
            });
}

bool LanThread::Read(std::function<void(const LocalLan&)> read) const {
  return Ask<bool>([this](std::function<void()> task) { io_->Post(std::move(task)); },
                   [this, read = std::move(read)] {
                     read(*lan_);
                     return true;
                   })
      .has_value();
}

// ---- the thread ----

void LanThread::Run() {
  if (setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness) != 0) {
    logger_.Debug("the LAN thread runs at the priority of everything else",
                  {{"error", io::ErrnoStatus(errno, "setpriority").message()}});
  }
  while (!done_) {
    lan_->Work();
    TellOwner();
    io_->RunOnce(lan_->NextWakeup() - clock_->Monotonic());
  }
}

void LanThread::TellOwner() {
  if (telling_ || !lan_->TakeChanged()) return;
  telling_ = true;
  post_([self = self_, now = lan_->Now()]() mutable {
    LanThread* const lan = *self;
    if (lan == nullptr) return;
    lan->io_->Post([lan] { lan->telling_ = false; });
    const LanState before = std::exchange(lan->state_, std::move(now));
    if (lan->observer_ != nullptr) lan->observer_->OnLanChanged(before, lan->state_);
  });
}

}  // namespace openelb::lan
