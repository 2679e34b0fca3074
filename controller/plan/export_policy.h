#pragma once
// The export policy of a ConfigMap as OpenELB reads it: key gobgp.conf, the configuration language
// of GoBGP (TOML). What of it maps onto the rules of a plan is read; a policy that needs more is
// refused with the name of the statement, because a route that it may forbid must not leave.
//
// Read: global.apply-policy.config (the export side; routes are not imported), prefix sets and
// neighbour sets, and of each statement those two conditions, route-disposition, set-med,
// set-local-pref, set-as-path-prepend of the own AS, and the setting of communities of all kinds.

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/base/ip.h"
#include "api/plan/path_attributes.h"

namespace openelb::plan {

struct PolicyStatement {
  ExportRule rule;
  std::vector<IpPrefix> neighbors;       // it concerns routes to these, or
  bool other_neighbors = false;          // to none of these; all where `neighbors` is empty
  std::optional<uint32_t> prepended_as;  // that set-as-path-prepend names; nullopt: the last one
  bool operator==(const PolicyStatement&) const = default;
};

struct ExportPolicy {
  std::vector<PolicyStatement> statements;  // in the order they are applied
  bool rejects_rest = false;                // default-export-policy
  std::string error;                        // not empty: the policy cannot be applied, and why
  bool operator==(const ExportPolicy&) const = default;
};

// Texts up to 64 KiB.
ExportPolicy ReadExportPolicy(absl::string_view gobgp_conf);

// The rules for one peer; an error where a statement prepends an AS that is not the session's.
struct PeerRules {
  std::vector<ExportRule> rules;
  std::string error;
};
PeerRules RulesFor(const ExportPolicy& policy, const IpAddress& peer, uint32_t local_as);

}  // namespace openelb::plan
