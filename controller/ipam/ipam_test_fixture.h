#pragma once
// What tests of the allocator share: an Ipam that takes objects and tells what came of them.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "controller/ipam/ipam_testing.h"

namespace openelb::ipam {

class IpamTest : public ::testing::Test {
 protected:
  template <typename... Objects>
  Changes Put(const Objects&... objects) {
    (ipam_.Upsert(objects), ...);
    return ipam_.TakeChanges();
  }
  Changes Delete(const ObjectKey& key) {
    ipam_.Remove(key);
    return ipam_.TakeChanges();
  }
  Changes Start() {
    ipam_.Start();
    return ipam_.TakeChanges();
  }
  std::string Address(const std::string& service) { return AddressOf(ipam_, service); }
  std::string Pool(const std::string& service) { return PoolOf(ipam_, service); }
  std::string Pending(const std::string& service) { return PendingOf(ipam_, service); }
  const kube::Condition& Ready(const std::string& pool) {
    return ipam_.PoolStatus(pool)->conditions.at(0);
  }
  static std::vector<std::string> Messages(const Changes& changes) {
    std::vector<std::string> messages;
    for (const ClusterEvent& event : changes.events)
      messages.push_back(event.about.name + " " + event.reason + ": " + event.message);
    return messages;
  }

  Ipam ipam_;
};

}  // namespace openelb::ipam
