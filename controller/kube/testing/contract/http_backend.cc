// The double over TLS on loopback, asked by the transport of production.

#include <memory>

#include "controller/kube/cprest_transport.h"
#include "controller/kube/testing/contract/contract.h"
#include "controller/kube/testing/contract/mailbox.h"
#include "controller/kube/testing/http_front.h"
#include "controller/kube/testing/pool_at_rest.h"

namespace openelb::kube::contract {
namespace {

class HttpBackend final : public Backend {
 public:
  HttpBackend() {
    ServerConfig config;
    config.host = "127.0.0.1";
    config.port = front_.port();
    config.ca.data = authority_.certificate();
    config.token = "good";
    transport_ = std::make_unique<CprestTransport>(
        config, "contract",
        [this](std::function<void()> message) { mailbox_.Post(std::move(message)); });
  }
  Transport* transport() override { return transport_.get(); }
  bool RunUntil(const std::function<bool()>& done) override {
    return mailbox_.RunUntil(done, absl::Seconds(20));
  }
  Forgotten Forget() override {
    Forgotten forgotten;
    Do([&](fake::Server* server, FakeTransport*) { forgotten = ForgetPresent(server); });
    return forgotten;
  }
  std::string NewToken(const std::string& audience) override {
    Do([&](fake::Server* server, FakeTransport*) { AddToken(audience, server); });
    return kToken;
  }
  void Do(const std::function<void(fake::Server*, FakeTransport*)>& function) override {
    front_.Do(function);
  }

 private:
  TestAuthority authority_;
  HttpFront front_{authority_.Issue("server", "IP:127.0.0.1"), {{"good"}, ""}};
  Mailbox mailbox_;
  PoolAtRest at_rest_;
  std::unique_ptr<CprestTransport> transport_;
};

}  // namespace

std::unique_ptr<Backend> MakeBackend() { return std::make_unique<HttpBackend>(); }

}  // namespace openelb::kube::contract
