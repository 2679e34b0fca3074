// A real kube-apiserver, asked by the transport of production. The environment says which:
//   OPENELB_CONTRACT_KUBECONFIG  of an administrator
//   OPENELB_CONTRACT_REVISION    a revision of Namespaces, forgotten since
//   OPENELB_CONTRACT_CONTINUE    the token of a page of one Namespace, of that moment

#include <cstdlib>
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "controller/kube/client.h"
#include "controller/kube/cprest_transport.h"
#include "controller/kube/testing/contract/contract.h"
#include "controller/kube/testing/contract/mailbox.h"
#include "controller/kube/testing/value_at.h"

namespace openelb::kube::contract {
namespace {

using codec::Value;

// Without it nothing can be tested, which is a failure.
std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') {
    std::cerr << name << " is not set\n";
    std::exit(1);
  }
  return value;
}

class RealBackend final : public Backend {
 public:
  RealBackend() {
    const absl::StatusOr<ServerConfig> config =
        ReadKubeconfig(Variable("OPENELB_CONTRACT_KUBECONFIG"));
    if (!config.ok()) {
      std::cerr << config.status() << "\n";
      std::exit(1);
    }
    transport_ = std::make_unique<CprestTransport>(
        *config, "contract",
        [this](std::function<void()> message) { mailbox_.Post(std::move(message)); });
  }
  Transport* transport() override { return transport_.get(); }
  bool RunUntil(const std::function<bool()>& done) override {
    return mailbox_.RunUntil(done, absl::Seconds(20));
  }
  Forgotten Forget() override {
    return {Variable("OPENELB_CONTRACT_REVISION"), Variable("OPENELB_CONTRACT_CONTINUE")};
  }
  std::string NewToken(const std::string& audience) override {
    SystemClock clock;
    Client client(transport_.get(), &clock);
    ApiCall call;
    call.method = "POST";
    call.path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    call.content_type = kJson;
    call.body["apiVersion"] = "authentication.k8s.io/v1";
    call.body["kind"] = "TokenRequest";
    call.body["spec"]["audiences"] = Value(Value::List{audience});
    absl::StatusOr<Value> answer = absl::UnknownError("no answer");
    bool done = false;
    client.Call(call, [&](absl::StatusOr<Value> value) {
      answer = std::move(value);
      done = true;
    });
    RunUntil([&] { return done; });
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? fake::TextAt(*answer, {"status", "token"}) : "";
  }

 private:
  Mailbox mailbox_;
  std::unique_ptr<CprestTransport> transport_;
};

}  // namespace

std::unique_ptr<Backend> MakeBackend() { return std::make_unique<RealBackend>(); }

}  // namespace openelb::kube::contract
