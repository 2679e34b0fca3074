#pragma once
// What must hold of Layer 2 addresses after every step of a planner, asked of its model and of the
// resources that speakers are given. For tests.

#include <map>
#include <string>

#include "api/base/ip.h"
#include "controller/plan/local_addresses.h"
#include "controller/plan/model.h"
#include "controller/plan/planner.h"

namespace openelb::plan {

class Layer2Invariants {
 public:
  explicit Layer2Invariants(const Options& options) : options_(options) {}

  // To be called after every step; `interfaces` are those of the pools. Returns what is wrong;
  // empty: nothing.
  std::string Check(const Planner& planner, const std::map<std::string, PoolInterface>& interfaces);

 private:
  const Options options_;
  std::map<IpAddress, Layer2View> before_;
};

}  // namespace openelb::plan
