#include "speaker/testing/fake_controller.h"

#include <utility>

#include "absl/status/status.h"

namespace openelb {

class FakeController::Link final : public link::PlanLink {
 public:
  explicit Link(FakeController* controller) : controller_(controller) {}
  ~Link() override {
    Hangup();
    controller_->handler_ = nullptr;
  }
  void Dial(const std::string& endpoint) override { controller_->OnDial(endpoint); }
  void Send(const plan::v1::Report& report) override {
    if (controller_->attached_) {
      controller_->Later([controller = controller_, report] { controller->OnReport(report); });
    }
  }
  void Hangup() override {
    controller_->attached_ = false;
    ++controller_->stream_;
  }

 private:
  FakeController* controller_;
};

std::unique_ptr<link::PlanLink> FakeController::Connect(link::PlanLink::Handler* handler) {
  handler_ = handler;
  return std::make_unique<Link>(this);
}

void FakeController::SetAway(bool away) {
  away_ = away;
  if (!away || !attached_) return;
  attached_ = false;
  ++stream_;
  handler_->OnDown(absl::UnavailableError("the controller is gone"));
}

void FakeController::PutBytes(const std::string& key, const std::string& body) {
  resources_[key] = body;
  plan::v1::Delta delta;
  plan::v1::Resource* resource = delta.add_upserts();
  resource->set_key(key);
  resource->set_body(body);
  SendDelta(std::move(delta));
}

void FakeController::Remove(const std::string& key) {
  resources_.erase(key);
  plan::v1::Delta delta;
  delta.add_removals(key);
  SendDelta(std::move(delta));
}

void FakeController::Send(const plan::v1::Plan& plan) {
  if (!attached_) return;
  Later([this, plan] { handler_->OnPlan(plan); });
}

uint64_t FakeController::Hash() const {
  uint64_t hash = 0;
  for (const auto& [key, body] : resources_) hash += plan::ResourceHash(key, body);
  return hash;
}

void FakeController::SendSnapshot() {
  ++snapshots;
  plan::v1::Plan plan;
  *plan.mutable_generation() = generation_;
  plan.mutable_snapshot_begin()->set_resource_count(resources_.size());
  Send(plan);
  for (const auto& [key, body] : resources_) {
    plan::v1::Resource* resource = plan.mutable_chunk()->add_resources();
    resource->set_key(key);
    resource->set_body(body);
  }
  Send(plan);
  plan.mutable_snapshot_end()->set_hash(Hash());
  Send(plan);
}

void FakeController::SendDelta(plan::v1::Delta delta) {
  plan::v1::Plan plan;
  *delta.mutable_base() = generation_;
  generation_.set_epoch(1);
  generation_.set_counter(generation_.counter() + 1);
  *plan.mutable_generation() = generation_;
  delta.set_hash(Hash());
  *plan.mutable_delta() = std::move(delta);
  Send(plan);
}

void FakeController::Heartbeat(uint64_t stream) {
  if (stream != stream_) return;
  plan::v1::Plan plan;
  *plan.mutable_generation() = generation_;
  plan.mutable_heartbeat();
  Send(plan);
  scheduler_->After(absl::Milliseconds(300), [this, stream] { Heartbeat(stream); });
}

void FakeController::OnDial(const std::string& endpoint) {
  ++stream_;
  Later([this, endpoint] {
    if (away_) {
      handler_->OnDown(absl::UnavailableError("connection refused"));
      return;
    }
    attached_ = true;
    handler_->OnUp(endpoint);
    Heartbeat(stream_);
  });
}

void FakeController::OnReport(const plan::v1::Report& report) {
  if (report.has_hello()) {
    hello = report.hello();
    const bool current = hello->generation().counter() == generation_.counter() &&
                         hello->hash() == Hash() && hello->has_generation();
    if (!current && generation_.epoch() != 0) SendSnapshot();
  }
  if (report.has_ack()) ack = report.ack();
  if (report.has_facts()) facts = report.facts();
  if (report.has_observed()) observed = report.observed();
  if (report.has_goodbye()) goodbye = report.goodbye();
  if (report.has_announced()) {
    if (!announced) announced.emplace();
    announced->MergeFrom(report.announced());
  }
}

void FakeController::Later(std::function<void()> event) {
  scheduler_->After(absl::Milliseconds(1), [this, stream = stream_, event = std::move(event)] {
    if (stream == stream_ && handler_ != nullptr) event();
  });
}

}  // namespace openelb
