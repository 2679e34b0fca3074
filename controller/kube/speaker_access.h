#pragma once
// What speakers need to reach the controllers and trust them, kept current in the cluster: the
// certificate in a Secret, the authority and the endpoints in a ConfigMap.

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "controller/kube/client.h"
#include "controller/kube/controllers_map.h"
#include "controller/kube/replica_endpoints.h"
#include "controller/kube/serving_certificate.h"
#include "controller/tls/material.h"

namespace openelb::kube {

class SpeakerAccess {
 public:
  struct Options {
    std::string namespace_name = "openelb-system";
    std::string endpoint;  // HOST:PORT where speakers reach this controller
  };
  struct Seams {
    Client* client;
    const Clock* clock;
    Random* random;
    Logger* log;
    // What to serve speakers with, from now on.
    std::function<void(const tls::Material&)> on_certificate;
    // All controllers, this one first; told while it leads.
    std::function<void(const std::vector<std::string>&)> on_endpoints;
  };
  // All pointers outlive it. The functions are called on the owner thread.
  SpeakerAccess(const Options& options, const Seams& seams);

  // Whether this controller may write. No, at first.
  void SetLeading(bool leading);

  void Turn();
  absl::Duration NextWakeup() const;

  const ServingCertificate& certificate() const { return certificate_; }
  const ControllersMap& map() const { return map_; }

 private:
  ControllersMap map_;
  ServingCertificate certificate_;
  ReplicaEndpoints endpoints_;
};

}  // namespace openelb::kube
