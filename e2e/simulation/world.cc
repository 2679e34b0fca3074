#include "e2e/simulation/world.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "api/plan/resource.h"

namespace openelb::simulation {
namespace {

constexpr const char* kEndpoint = "controller:50051";
constexpr const char* kControllerDisk = "controller";

class NamedSink final : public LogSink {
 public:
  NamedSink(EventLog* log, std::string who) : log_(log), who_(std::move(who)) {}
  void Write(const LogRecord& record) override {
    std::string what = record.message;
    for (const LogField& field : record.fields)
      absl::StrAppend(&what, " ", field.key, "=", field.value);
    log_->Add(who_, what);
  }

 private:
  EventLog* log_;
  std::string who_;
};

}  // namespace

void EventLog::Add(const std::string& who, const std::string& what) {
  lines_.push_back(
      absl::StrCat(absl::FormatDuration(scheduler_->Monotonic()), " ", who, ": ", what));
  hash_ = plan::ResourceHash(lines_.back(), absl::StrCat(hash_));
}

std::unique_ptr<LogSink> EventLog::SinkFor(const std::string& who) {
  return std::make_unique<NamedSink>(this, who);
}

World::World(uint64_t seed)
    : random_(seed),
      log_(&scheduler_),
      network_(&scheduler_, random_.Next64()),
      streams_(&scheduler_),
      cluster_(&scheduler_) {}

World::~World() {
  speakers_.clear();
  cluster_.Detach();
  controller_.reset();
  routers_.clear();
}

bgp::TestRouter& World::AddRouter(const std::string& name, const std::string& address,
                                  uint32_t as) {
  const IpAddress own = IpAddress::Parse(address).value();
  network_.AddHost(name, {{.interface = "eth0", .address = own, .length = 24}});
  Router& router = routers_[name];
  router.io = network_.Start(name);
  router.router = std::make_unique<bgp::TestRouter>(
      router.io.get(), &scheduler_,
      bgp::TestRouter::Options{
          .as = as,
          .router_id = static_cast<uint32_t>(absl::Uint128Low64(own.Ordinal())),
          .listen = own});
  return *router.router;
}

void World::AddSpeakerHost(const std::string& node, const std::string& address) {
  network_.AddHost(
      node, {{.interface = "eth0", .address = IpAddress::Parse(address).value(), .length = 24}});
  speakers_[node] = nullptr;
}

void World::StartController() {
  auto process = std::make_unique<ControllerProcess>();
  process->sink = log_.SinkFor("controller");
  process->log = std::make_unique<Logger>(process->sink.get(), &scheduler_);
  MemoryDisk* disk = &disks_[kControllerDisk];
  process->epoch = std::make_unique<DiskEpoch>(disk);
  process->controller = std::make_unique<Controller>(
      ControllerOptions{},
      Controller::Seams{
          .clock = &scheduler_,
          .disk = disk,
          .epoch = process->epoch.get(),
          .open_link = [this](auto* handler) { return streams_.Listen(kEndpoint, handler); },
          .status = &cluster_,
          .log = process->log.get()});
  controller_ = std::move(process);
  cluster_.Start(controller_->controller.get());
}

void World::CrashController() {
  cluster_.Detach();
  controller_.reset();
}

void World::StartSpeaker(const std::string& node) {
  auto process = std::make_unique<SpeakerProcess>();
  const int incarnation = ++incarnations_[node];
  process->sink = log_.SinkFor(node);
  process->log = std::make_unique<Logger>(process->sink.get(), &scheduler_);
  process->random = std::make_unique<SeededRandom>(random_.Next64());
  process->io = network_.Start(node);
  process->speaker = std::make_unique<Speaker>(
      SpeakerOptions{.link = {.node = node,
                              .kernel_boot_id = "boot",
                              .instance = absl::StrCat(node, "-", incarnation),
                              .version = "simulated",
                              .controllers = {kEndpoint}}},
      Speaker::Seams{
          .clock = &scheduler_,
          .random = process->random.get(),
          .disk = &disks_[node],
          .io = process->io.get(),
          .open_link = [this, node](auto* handler) { return streams_.Connect(node, handler); },
          .log = process->log.get()});
  process->speaker->Start();
  speakers_[node] = std::move(process);
}

void World::CrashSpeaker(const std::string& node) { speakers_[node].reset(); }

void World::StopSpeaker(const std::string& node) {
  if (speakers_[node] != nullptr) {
    speakers_[node]->speaker->Stop();
    // Routers get their time (SpeakerOptions::drain_time).
    for (int i = 0; i < 60 && !speakers_[node]->speaker->stopped(); ++i) RunFor(absl::Seconds(1));
  }
  RunFor(absl::Milliseconds(100));
  speakers_[node].reset();
}

Speaker* World::speaker(const std::string& node) {
  return speakers_[node] == nullptr ? nullptr : speakers_[node]->speaker.get();
}

std::vector<std::string> World::SpeakerHosts() const {
  std::vector<std::string> nodes;
  for (const auto& [node, process] : speakers_) nodes.push_back(node);
  return nodes;
}

void World::Turn() {
  absl::Duration next = absl::InfiniteDuration();
  if (controller_) {
    controller_->controller->Turn();
    next = std::min(next, controller_->controller->NextWakeup());
  }
  for (const auto& [node, process] : speakers_) {
    if (process == nullptr) continue;
    process->speaker->Turn();
    next = std::min(next, process->speaker->NextWakeup());
  }
  for (const auto& [name, router] : routers_) {
    if (router.router->NextWakeup() <= scheduler_.Monotonic()) router.router->Tick();
    next = std::min(next, router.router->NextWakeup());
  }
  if (wakeup_ && wakeup_->first == next && next > scheduler_.Monotonic()) return;
  if (wakeup_) scheduler_.Cancel(*wakeup_);
  wakeup_.reset();
  if (next < absl::InfiniteDuration()) wakeup_ = scheduler_.At(next, [] {});
}

void World::RunUntil(absl::Duration when, const std::function<void()>& check) {
  Turn();
  while (scheduler_.Step(when)) {
    Turn();
    if (check) check();
  }
  scheduler_.RunUntil(when);
}

}  // namespace openelb::simulation
