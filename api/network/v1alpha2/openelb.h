#pragma once
// network.kubesphere.io/v1alpha2 OpenELB: what the DaemonSet of the speakers is to be. A part that
// is not given is left to whoever manages the DaemonSet otherwise.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/codec/value.h"
#include "api/kube/daemon_set.h"
#include "api/kube/meta.h"

namespace openelb::network {

// How speakers of an earlier template are replaced.
enum class UpdateStrategy {
  kRackAware,      // by the controller, rack by rack
  kRollingUpdate,  // by Kubernetes' DaemonSet controller
  kOnDelete,       // by nobody
};
absl::string_view UpdateStrategyName(UpdateStrategy strategy);

struct OpenElbStatus {
  int64_t observed_generation = 0;
  int64_t desired = 0;   // nodes that are to have a speaker
  int64_t ready = 0;     // of these, how many have one that is ready
  int64_t updated = 0;   // speakers of the newest template
  bool counted = false;  // whether the three are known
  std::vector<kube::Condition> conditions;
  bool operator==(const OpenElbStatus&) const = default;
};

struct OpenElb {
  static constexpr const char* kKind = "OpenELB";
  // The object of this name counts, else the oldest.
  static constexpr const char* kPreferredName = "default";

  kube::ObjectMeta meta;
  // spec.speaker. What only Kubernetes has to understand passes as it is written.
  std::optional<kube::Labels> node_selector;
  codec::Value affinity;     // null: not given
  codec::Value tolerations;  // null: not given
  codec::Value resources;    // null: not given
  std::string image;         // empty: not given
  std::string log_level;     // empty: not given
  std::optional<bool> layer2;
  std::optional<bool> vip;
  std::optional<UpdateStrategy> update_strategy;
  int32_t max_racks = 1;         // of kRackAware: that roll at the same time
  codec::Value max_unavailable;  // of kRollingUpdate, a number or "10%"; null: not given

  bool operator==(const OpenElb&) const = default;
};

}  // namespace openelb::network
