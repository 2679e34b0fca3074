#pragma once
// Where all replicas of the controller serve speakers: the endpoints of their Service, ready or
// not. Read every so often by the one that leads.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/codec/value.h"
#include "controller/kube/client.h"

namespace openelb::kube {

// HOST:PORT of each endpoint that is not about to end, at the port named `port`, sorted. `list` is
// an EndpointSliceList.
std::vector<std::string> EndpointsOfSlices(const codec::Value& list, absl::string_view port);

class ReplicaEndpoints {
 public:
  struct Options {
    std::string namespace_name = "openelb-system";
    std::string service = "openelb-controller";
    std::string port = "plan";
    std::string own;  // HOST:PORT of this replica; comes first, listed or not
    absl::Duration interval = absl::Seconds(10);
  };
  struct Seams {
    Client* client;
    const Clock* clock;
    Logger* log;
    // Called within a call of the client or Turn, whenever the list has changed.
    std::function<void(const std::vector<std::string>&)> on_change;
  };
  // All pointers outlive it.
  ReplicaEndpoints(Options options, Seams seams);
  ~ReplicaEndpoints();

  // Reads only while it leads. Not, at first.
  void SetLeading(bool leading);
  void Turn();
  absl::Duration NextWakeup() const;

 private:
  void OnList(const absl::StatusOr<codec::Value>& list);

  const Options options_;
  const Seams seams_;
  bool leading_ = false;
  bool under_way_ = false;
  absl::Duration next_ = -absl::InfiniteDuration();
  std::vector<std::string> endpoints_;
  const std::shared_ptr<ReplicaEndpoints*> self_;  // of calls under way; null once destroyed
};

}  // namespace openelb::kube
