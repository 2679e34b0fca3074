#pragma once
// The certificate that all controllers serve speakers with, kept in a Secret: made and renewed by
// the one that leads, followed by the others. What is served stays when the Secret is deleted or
// damaged, and the leader writes it again.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "controller/kube/client.h"
#include "controller/kube/kept_object.h"
#include "controller/tls/material.h"

namespace openelb::kube {

class ServingCertificate {
 public:
  struct Options {
    std::string namespace_name = "openelb-system";
    std::string secret = "openelb-controller-tls";
    std::string dns_name;  // openelb-controller.NAMESPACE.svc
  };
  struct Seams {
    Client* client;
    const Clock* clock;
    Random* random;
    Logger* log;
    // Called within Turn whenever material() has changed.
    std::function<void(const tls::Material&)> on_change;
  };
  // All pointers outlive it.
  ServingCertificate(Options options, Seams seams);

  // Whether this controller may write the Secret. No, at first.
  void SetLeading(bool leading);
  // nullopt: nothing to serve with yet.
  const std::optional<tls::Material>& material() const { return material_; }

  void Turn();
  absl::Duration NextWakeup() const { return secret_.NextWakeup(); }

  uint64_t writes() const { return writes_; }

 private:
  void Decide();
  // What the Secret should hold, given what it holds; the same where nothing is to be done.
  tls::Material Desired(const tls::Material& stored, bool usable);

  const Options options_;
  const Seams seams_;
  KeptObject secret_;
  bool leading_ = false;
  std::optional<uint64_t> decided_;  // version of the Secret; nullopt: decide anew
  std::optional<tls::Material> material_;
  uint64_t writes_ = 0;
};

}  // namespace openelb::kube
