#pragma once
// Whom the API server is to trust when it calls our webhooks: `caBundle` in one configuration of
// them, kept current by the controller that leads. Everything else of it is its owner's, and so is
// whether it is there at all.

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "controller/kube/client.h"
#include "controller/kube/kept_object.h"

namespace openelb::kube {

class WebhookBundle {
 public:
  struct Options {
    std::string resource = "validatingwebhookconfigurations";  // or "mutatingwebhookconfigurations"
    std::string name = "openelb-admission";
    // The Service that the webhooks of ours name; others in the same object are left alone.
    std::string namespace_name = "openelb-system";
    std::string service = "openelb-controller";
  };
  struct Seams {
    Client* client;
    const Clock* clock;
    Random* random;
    Logger* log;
  };
  // All pointers outlive it.
  WebhookBundle(Options options, Seams seams);

  // Whether this controller may write. No, at first.
  void SetLeading(bool leading);
  // PEM.
  void SetBundle(const std::string& bundle);

  void Turn();
  absl::Duration NextWakeup() const;

  uint64_t writes() const { return writes_; }

 private:
  void Decide();
  bool IsOurs(const codec::Value& client_config) const;

  const Options options_;
  const Seams seams_;
  KeptObject object_;
  bool leading_ = false;
  std::string bundle_;  // as it stands in the object; empty: not known yet
  std::optional<uint64_t> decided_;
  uint64_t writes_ = 0;
};

}  // namespace openelb::kube
