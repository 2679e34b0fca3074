#pragma once
// What every controller process does alike, wherever cluster state comes from: its owner thread's
// turns, and the small HTTP server beside it.

#include <functional>
#include <memory>

#include "api/base/event_loop.h"
#include "api/base/log.h"
#include "api/base/metrics.h"
#include "api/base/post.h"
#include "api/base/program.h"
#include "api/http/metrics_server.h"
#include "controller/controller.h"
#include "controller/event_source.h"

namespace openelb {

// Carries a source's calls to the owner thread.
class PostedHandler final : public EventSource::Handler {
 public:
  // `target` is called through `post`.
  PostedHandler(Post post, EventSource::Handler* target)
      : post_(std::move(post)), target_(target) {}
  void OnEvents(std::vector<ObjectEvent> events) override;
  void OnSynced() override;
  void OnAway(std::string reason) override;
  void OnBack() override;

 private:
  const Post post_;
  EventSource::Handler* const target_;
};

// The turns of a controller.
class ControllerTurns final : public EventLoopWork {
 public:
  // `after`, which may be empty, is called after each turn.
  ControllerTurns(Controller* controller, std::function<void()> after)
      : controller_(controller), after_(std::move(after)) {}
  void Turn() override {
    controller_->Turn();
    if (after_) after_();
  }
  absl::Duration NextWakeup() override { return controller_->NextWakeup(); }

 private:
  Controller* const controller_;
  const std::function<void()> after_;
};

// Serves /metrics, /healthz and /readyz. `update` brings `metrics` up to date, on the server's own
// thread: it asks those that know. `not_ready` (the reason, else empty) runs on the owner thread.
// `guard`, and what is null: as MetricsServer::Start.
std::unique_ptr<http::MetricsServer> ServeMetrics(const CommonOptions& options, const Post& post,
                                                  Metrics* metrics, std::function<void()> update,
                                                  std::function<std::string()> not_ready,
                                                  std::shared_ptr<http::ScraperGuard> guard,
                                                  Logger* log);

}  // namespace openelb
