// The double, in virtual time.

#include <memory>

#include "api/base/scheduler.h"
#include "controller/kube/testing/contract/contract.h"
#include "controller/kube/testing/fake_transport.h"
#include "controller/kube/testing/server.h"
#include "controller/kube/testing/value_at.h"

namespace openelb::kube::contract {
namespace {

class FakeBackend final : public Backend {
 public:
  Transport* transport() override { return &transport_; }
  const Clock* clock() override { return &scheduler_; }
  bool RunUntil(const std::function<bool()>& done) override {
    const absl::Duration limit = scheduler_.Monotonic() + absl::Seconds(20);
    while (!done()) {
      if (!scheduler_.Step(limit)) return false;
    }
    return true;
  }
  Forgotten Forget() override {
    HttpRequest request;
    request.path = "/api/v1/namespaces?limit=1";
    const fake::Reply page = server_.Serve(request).reply;
    server_.Put("{apiVersion: v1, kind: Namespace, metadata: {name: more}}");
    server_.Compact();
    return {fake::TextAt(page.body, {"metadata", "resourceVersion"}),
            fake::TextAt(page.body, {"metadata", "continue"})};
  }
  std::string NewToken(const std::string& audience) override {
    server_.AddToken("a.good.token", audience, "system:serviceaccount:default:default");
    return "a.good.token";
  }

 private:
  Scheduler scheduler_;
  fake::Server server_{&scheduler_};
  FakeTransport transport_{&server_, &scheduler_};
};

}  // namespace

std::unique_ptr<Backend> MakeBackend() { return std::make_unique<FakeBackend>(); }

}  // namespace openelb::kube::contract
