#pragma once
// The PlanLink that dials controllers: gRPC over TLS. Certificates and token are read from their
// files at each dial, so a rotated file needs no restart and a live stream is not disturbed. Each
// dial is a connection of its own: when to try again is the Link's business, not gRPC's.

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "api/base/post.h"
#include "speaker/link/plan_link.h"

namespace openelb::link {

struct GrpcClientOptions {
  std::string ca;    // PEM file; the controller's certificate must be signed by it
  std::string cert;  // PEM files to show a controller that asks for a certificate; empty: none
  std::string key;
  std::string token_file;  // holds the token that says which node this is
  // The name the certificate must carry, whatever address is dialled.
  std::string server_name = "openelb-controller.openelb-system.svc";
  // Plain text, no token. Exclusive with the files above.
  bool insecure = false;
  absl::Duration connect_timeout = absl::Seconds(1);
};

class GrpcClient final : public PlanLink {
 public:
  // `handler` outlives the client and is called through `post`.
  GrpcClient(GrpcClientOptions options, Handler* handler, Post post);
  // On the owner thread. The handler is not called again.
  ~GrpcClient() override;

  void Dial(const std::string& endpoint) override;
  void Send(const plan::v1::Report& report) override;
  void Hangup() override;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace openelb::link
