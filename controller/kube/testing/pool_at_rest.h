#pragma once
// The threads of the HTTP library outlive every transport.

namespace openelb::kube {

// Its end waits until those threads have run what they had been given. A member that is older than
// a CprestTransport ends after it; without one, what they hold when the process ends is lost memory
// to a leak checker.
class PoolAtRest {
 public:
  PoolAtRest() = default;
  PoolAtRest(const PoolAtRest&) = delete;
  PoolAtRest& operator=(const PoolAtRest&) = delete;
  ~PoolAtRest();
};

}  // namespace openelb::kube
