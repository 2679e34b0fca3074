#pragma once
// The ConfigMap that speakers mount: whom to trust and where controllers are. Kept by the one that
// leads.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "controller/kube/client.h"
#include "controller/kube/kept_object.h"

namespace openelb::kube {

class ControllersMap {
 public:
  struct Options {
    std::string namespace_name = "openelb-system";
    std::string name = "openelb-controllers";
  };
  struct Seams {
    Client* client;
    const Clock* clock;
    Random* random;
    Logger* log;
  };
  // All pointers outlive it.
  ControllersMap(Options options, Seams seams);

  // Whether this controller may write it. No, at first.
  void SetLeading(bool leading);
  // Key ca.crt: PEM. Nothing is written before both are known.
  void SetBundle(std::string bundle);
  // Key endpoints: one HOST:PORT a line.
  void SetEndpoints(const std::vector<std::string>& endpoints);

  void Turn();
  absl::Duration NextWakeup() const;

  uint64_t writes() const { return writes_; }

 private:
  const Options options_;
  const Seams seams_;
  KeptObject map_;
  bool leading_ = false;
  std::string bundle_;
  std::string endpoints_;
  std::optional<uint64_t> decided_;  // version of the ConfigMap; nullopt: decide anew
  uint64_t writes_ = 0;
};

}  // namespace openelb::kube
