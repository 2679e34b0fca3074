#pragma once
// The webhooks of a controller: a server, a desk on a thread of its own, and the way to the
// controller's thread.

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "api/base/clock.h"
#include "api/base/event_loop.h"
#include "api/base/host_port.h"
#include "api/base/log.h"
#include "api/base/post.h"
#include "api/http/server.h"
#include "api/tls/server_context.h"
#include "controller/admission/knowledge.h"
#include "controller/admission/review_desk.h"
#include "controller/event_source.h"

namespace openelb::admission {

struct WebhookOptions {
  uint16_t port = 0;         // 0: none are served
  bool default_eip = false;  // whether Services are changed (default_eip.h)
};

struct WebhookCounters {
  http::ServerCounters server;
  ReviewCounters reviews;
};

// Made, told of certificates and ended on the controller's thread.
class Webhooks {
 public:
  // `known` is used on the controller's thread, which `to_controller` leads to. All outlive it.
  Webhooks(const WebhookOptions& options, Post to_controller, Knowledge* known, const Clock* clock,
           Logger* log);
  ~Webhooks();

  // What to serve with, for the first time or from now on. That they cannot be served is logged:
  // everything else matters more.
  void SetCertificate(const tls::KeyPair& certificate);

  // 0: they are not served.
  uint16_t port() const { return server_ == nullptr ? 0 : server_->port(); }
  // On any other thread than the controller's.
  WebhookCounters counters();

 private:
  absl::StatusOr<std::unique_ptr<http::Server>> Serve(const tls::KeyPair& certificate);

  const WebhookOptions options_;
  Logger* const log_;
  EventLoop loop_;  // the desk's
  ReviewDesk desk_;
  std::shared_ptr<tls::ServerContext> tls_;  // null: no certificate yet
  Mutex mutex_;
  std::unique_ptr<http::Server> server_;  // made once; `mutex_` is for that moment
  std::thread thread_;
};

// Tells admission of what a source says, before whoever is told besides.
class Informed final : public EventSource::Handler {
 public:
  // Both outlive it.
  Informed(Knowledge* known, EventSource::Handler* next) : known_(known), next_(next) {}
  void OnEvents(std::vector<ObjectEvent> events) override {
    known_->Apply(events);
    next_->OnEvents(std::move(events));
  }
  void OnSynced() override {
    known_->SetComplete();
    next_->OnSynced();
  }
  void OnAway(std::string reason) override { next_->OnAway(std::move(reason)); }
  void OnBack() override { next_->OnBack(); }

 private:
  Knowledge* const known_;
  EventSource::Handler* const next_;
};

}  // namespace openelb::admission
