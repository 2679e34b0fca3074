#include "speaker/testing/plan_server.h"

#include <cstdlib>
#include <future>
#include <set>

namespace openelb {

PlanServer::PlanServer()
    : log_(&sink_, &clock_),
      loop_(&clock_),
      server_({.insecure = true}, nullptr, this,
              [this](std::function<void()> task) { loop_.Post(std::move(task)); }),
      distributor_(this, &server_, this, &log_) {
  const absl::StatusOr<int> port = server_.Start("127.0.0.1:0");
  if (!port.ok()) std::abort();
  port_ = *port;
  distributor_.SetEpoch(1, clock_.Monotonic());
  owner_ = std::thread([this] { loop_.Run(this); });
}

PlanServer::~PlanServer() {
  loop_.Post([this] { server_.Stop(); });
  loop_.Stop();
  owner_.join();
}

void PlanServer::Edit(const std::string& key, const std::function<void()>& edit) {
  std::promise<void> done;
  loop_.Post([&] {
    edit();
    plan::PlanChange change;
    change.keys["all"].insert(key);
    distributor_.OnPlanChange(change, clock_.Monotonic());
    done.set_value();
  });
  done.get_future().wait();
}

void PlanServer::Put(const std::string& key, const plan::v1::ResourceBody& body) {
  Edit(key, [&] { set_.Put(key, body.SerializeAsString()); });
}

void PlanServer::Remove(const std::string& key) {
  Edit(key, [&] { set_.Erase(key); });
}

plan::v1::Observed PlanServer::observed() const {
  MutexLock lock(&mutex_);
  return observed_;
}

int PlanServer::goodbyes() const {
  MutexLock lock(&mutex_);
  return goodbyes_;
}

plan::Generation PlanServer::generation() const {
  MutexLock lock(&mutex_);
  return generation_;
}

void PlanServer::Turn() {
  distributor_.Tick(clock_.Monotonic());
  MutexLock lock(&mutex_);
  generation_ = distributor_.generation();
}

void PlanServer::OnAttached(push::StreamId stream, const push::Origin& origin) {
  distributor_.OnAttached(stream, origin, clock_.Monotonic());
}
void PlanServer::OnReport(push::StreamId stream, const plan::v1::Report& report) {
  distributor_.OnReport(stream, report, clock_.Monotonic());
}
void PlanServer::OnWritable(push::StreamId stream) {
  distributor_.OnWritable(stream, clock_.Monotonic());
}
void PlanServer::OnDetached(push::StreamId stream, const absl::Status& why) {
  distributor_.OnDetached(stream, why, clock_.Monotonic());
}

void PlanServer::OnSpeakerReport(const std::string& node, const plan::v1::Report& report) {
  if (report.has_observed()) {
    const bool waits = report.observed().pending_resets() > 0;
    distributor_.SetResetTurns(waits ? std::set<std::string>{node} : std::set<std::string>{});
  }
  MutexLock lock(&mutex_);
  if (report.has_observed()) observed_ = report.observed();
  if (report.has_goodbye()) ++goodbyes_;
}

void PlanServer::OnLargerEpoch(const std::string&, uint64_t epoch) {
  distributor_.SetEpoch(epoch + 1, clock_.Monotonic());
}

}  // namespace openelb
