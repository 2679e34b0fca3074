#pragma once
// The parts of Kubernetes' object metadata that we read, and label selectors (apimachinery metav1).

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace openelb::kube {

using Labels = std::map<std::string, std::string>;

struct ObjectMeta {
  std::string name;
  std::string namespace_;  // empty for cluster-scoped kinds
  std::string uid;
  std::string resource_version;
  int64_t generation = 0;
  absl::Time creation_timestamp = absl::InfinitePast();  // InfinitePast: not given
  std::optional<absl::Time> deletion_timestamp;
  Labels labels;
  Labels annotations;
  std::vector<std::string> finalizers;

  bool operator==(const ObjectMeta&) const = default;
};

struct LabelSelectorRequirement {
  enum class Operator { kIn, kNotIn, kExists, kDoesNotExist };
  std::string key;
  Operator op = Operator::kIn;
  std::vector<std::string> values;

  bool operator==(const LabelSelectorRequirement&) const = default;
};

// metav1.LabelSelector: all of match_labels and match_expressions must hold; empty selects
// everything.
struct LabelSelector {
  Labels match_labels;
  std::vector<LabelSelectorRequirement> match_expressions;

  bool Matches(const Labels& labels) const;
  bool operator==(const LabelSelector&) const = default;
};

// metav1.Condition.
struct Condition {
  std::string type;
  bool status = false;  // "True" or "False"
  std::string reason;   // CamelCase
  std::string message;  // one sentence
  int64_t observed_generation = 0;
  absl::Time last_transition_time = absl::InfinitePast();

  bool operator==(const Condition&) const = default;
};

}  // namespace openelb::kube
