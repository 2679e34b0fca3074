#pragma once
// What the tests of CprestTransport share.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "controller/kube/cprest_transport.h"
#include "controller/kube/testing/pool_at_rest.h"
#include "controller/kube/testing/script_server.h"
#include "controller/kube/testing/transport_rig.h"

namespace openelb::kube {

// A transport to a server that does what the test says. The test's thread is the owner.
class CprestTransportTest : public ::testing::Test {
 protected:
  void Serve(ScriptServer::Script script) { Serve({}, std::move(script)); }
  void Serve(const ScriptServer::Options& options, ScriptServer::Script script) {
    server_.reset();
    server_ = std::make_unique<ScriptServer>(options, std::move(script));
    config_.tls = options.tls.has_value();
    config_.host = options.v6 ? "::1" : "127.0.0.1";
    config_.port = server_->port();
    Connect();
  }
  void Connect() {
    transport_ = std::make_unique<CprestTransport>(config_, "openelb-test/1", owner_.post());
  }
  std::shared_ptr<RecordingSink> Start(HttpRequest request) {
    auto sink = std::make_shared<RecordingSink>();
    last_ = transport_->Start(std::move(request), sink);
    return sink;
  }
  // The whole exchange.
  std::shared_ptr<RecordingSink> Fetch(HttpRequest request) {
    std::shared_ptr<RecordingSink> sink = Start(std::move(request));
    EXPECT_TRUE(owner_.RunUntil([&] { return sink->done.has_value(); }));
    if (!sink->done.has_value()) sink->done = absl::UnknownError("nothing");
    return sink;
  }
  std::shared_ptr<RecordingSink> Get(const std::string& path) { return Fetch({.path = path}); }
  static HttpRequest Patch() {
    return {"PATCH", "/patch", "application/merge-patch+json", R"({"a":1})"};
  }

  TestOwner owner_;
  ServerConfig config_;
  std::unique_ptr<ScriptServer> server_;
  PoolAtRest at_rest_;
  std::unique_ptr<CprestTransport> transport_;
  RequestId last_ = 0;
};

}  // namespace openelb::kube
