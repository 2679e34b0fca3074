// The double, in virtual time.

#include <memory>

#include "api/base/scheduler.h"
#include "controller/kube/testing/contract/contract.h"
#include "controller/kube/testing/fake_transport.h"
#include "controller/kube/testing/server.h"

namespace openelb::kube::contract {
namespace {

class FakeBackend final : public Backend {
 public:
  Transport* transport() override { return &transport_; }
  bool RunUntil(const std::function<bool()>& done) override {
    const absl::Duration limit = scheduler_.Monotonic() + absl::Seconds(20);
    while (!done()) {
      if (!scheduler_.Step(limit)) return false;
    }
    return true;
  }
  Forgotten Forget() override { return ForgetPresent(&server_); }
  std::string NewToken(const std::string& audience) override {
    AddToken(audience, &server_);
    return kToken;
  }
  void Do(const std::function<void(fake::Server*, FakeTransport*)>& function) override {
    function(&server_, &transport_);
  }

 private:
  Scheduler scheduler_;
  fake::Server server_{&scheduler_};
  FakeTransport transport_{&server_, &scheduler_};
};

}  // namespace

std::unique_ptr<Backend> MakeBackend() { return std::make_unique<FakeBackend>(); }

}  // namespace openelb::kube::contract
