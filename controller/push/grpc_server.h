#pragma once
// The PlanLink that speakers dial: gRPC over TLS. Its threads only carry messages: each event is
// posted to the owner thread, and a stream's next report is read once its last one was handled, so
// that a flood of reports waits in the sender's TCP.

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "api/base/post.h"
#include "controller/push/authenticator.h"
#include "controller/push/listener.h"
#include "controller/push/plan_link.h"

namespace openelb::push {

struct GrpcServerOptions {
  // TLS: PEM files, read again when they change; live streams stay. `ca` is optional: with it,
  // speakers must show a certificate signed by it.
  std::string cert;
  std::string key;
  std::string ca;
  // Plain text and no authentication: any process that reaches the port is believed. Exclusive with
  // the files above.
  bool insecure = false;
  // How long a token that does not count waits for its answer: guessing is slow.
  absl::Duration refusal_delay = absl::Seconds(1);
  ConnectionTable::Limits limits = {};
};

class GrpcServer final : public PlanLink {
 public:
  // `authenticator` is null exactly when insecure. All pointers outlive the server; `handler` is
  // called through `post`.
  GrpcServer(GrpcServerOptions options, Authenticator* authenticator, Handler* handler, Post post);
  ~GrpcServer() override;  // Stop()

  // Serves HOST:PORT, port 0 for any, until Stop. Returns the port. Errors name the option and the
  // file, or the address.
  absl::StatusOr<int> Start(const std::string& address);
  // On the owner thread: ends every stream with UNAVAILABLE and returns when all is freed, within
  // about `grace`. The handler is not called again.
  void Stop(absl::Duration grace = absl::Seconds(1));

  // On the owner thread.
  ListenerCounters connections() const;

  void Send(StreamId stream, std::shared_ptr<const plan::v1::Plan> plan) override;
  void Close(StreamId stream, const absl::Status& why) override;

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace openelb::push
