#pragma once
// A controller reduced to its end of the plan stream, for tests of the real program: the real
// distributor and gRPC server over one set of resources that the test edits.

#include <string>
#include <thread>

#include "absl/strings/string_view.h"
#include "api/base/clock.h"
#include "api/base/event_loop.h"
#include "api/base/log.h"
#include "api/base/mutex.h"
#include "api/plan/resource.h"
#include "api/plan/v1/plan.pb.h"
#include "controller/plan/resource_set.h"
#include "controller/push/distributor.h"
#include "controller/push/grpc_server.h"
#include "controller/push/plan_link.h"

namespace openelb {

// Listens, in plain text, on a port of 127.0.0.1 until its end. Public methods may be called from
// any thread.
class PlanServer final : private EventLoopWork,
                         private push::PlanLink::Handler,
                         private push::Distributor::Owner,
                         private plan::PlanView {
 public:
  PlanServer();
  ~PlanServer() override;

  int port() const { return port_; }
  void Put(const std::string& key, const plan::v1::ResourceBody& body);
  void Remove(const std::string& key);

  // The newest report of any speaker; goodbyes since the start.
  plan::v1::Observed observed() const;
  int goodbyes() const;
  // Of the newest plan.
  plan::Generation generation() const;

 private:
  void Turn() override;
  absl::Duration NextWakeup() override { return distributor_.NextWakeup(); }

  void OnAttached(push::StreamId stream, const push::Origin& origin) override;
  void OnReport(push::StreamId stream, const plan::v1::Report& report) override;
  void OnWritable(push::StreamId stream) override;
  void OnDetached(push::StreamId stream, const absl::Status& why) override;

  void OnSpeakerUp(const std::string&, const plan::v1::Hello&) override {}
  void OnSpeakerDown(const std::string&, const absl::Status&) override {}
  void OnSecondSpeaker(const std::string&, const std::string&) override {}
  void OnScraperToken(push::StreamId, const std::string&, uint64_t) override {}
  void OnSpeakerReport(const std::string& node, const plan::v1::Report& report) override;
  void OnAcked(const std::string&, plan::Generation, std::optional<absl::Duration>) override {}
  void OnLargerEpoch(const std::string& node, uint64_t epoch) override;

  std::vector<std::string> SetsOf(absl::string_view) const override { return {"all"}; }
  const plan::ResourceSet* Find(absl::string_view) const override { return &set_; }

  // Runs on the owner thread; returns when it has run.
  void Edit(const std::string& key, const std::function<void()>& edit);

  SystemClock clock_;
  NullLogSink sink_;
  Logger log_;
  EventLoop loop_;
  plan::ResourceSet set_;
  push::GrpcServer server_;
  push::Distributor distributor_;
  int port_ = 0;
  mutable Mutex mutex_;
  plan::v1::Observed observed_ GUARDED_BY(mutex_);
  int goodbyes_ GUARDED_BY(mutex_) = 0;
  plan::Generation generation_ GUARDED_BY(mutex_);
  std::thread owner_;
};

}  // namespace openelb
