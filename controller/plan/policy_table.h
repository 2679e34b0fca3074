#pragma once
// From ConfigMaps to the export policy that the BgpConf names.

#include <map>
#include <optional>
#include <string>

#include "api/kube/config_map.h"
#include "controller/plan/export_policy.h"
#include "controller/plan/fact.h"

namespace openelb::plan {

// What applies now.
struct CurrentPolicy {
  std::optional<ExportPolicy> policy;  // nullopt: none is asked for, or none can be applied
  // Not empty: the one that is asked for cannot be applied, and why. `policy` is then what was
  // applied before, if anything was: a slip of the pen takes no route away and lets none out.
  std::string problem;
  bool operator==(const CurrentPolicy&) const = default;
};

class PolicyTable {
 public:
  // `system_namespace`: where the ConfigMaps are; empty: the first that has one of the name.
  explicit PolicyTable(std::string system_namespace) : namespace_(std::move(system_namespace)) {}

  void Upsert(const kube::ConfigMap& map);
  void Remove(const std::string& namespace_, const std::string& name);

  // Looks again at what `name`, of a ConfigMap, means; empty: none. Returns whether current() is
  // another than before.
  bool Derive(const std::string& name);
  const CurrentPolicy& current() const { return current_; }

  // The policy that was applied last, for the next run of the controller; nullopt: none.
  std::optional<Assignment> Saved() const;
  static bool IsOurs(const Assignment& assignment);
  void Load(const Assignment& assignment);

 private:
  struct Applied {
    std::string name;
    std::string text;
  };
  CurrentPolicy Read(const std::string& name);

  const std::string namespace_;
  std::map<std::pair<std::string, std::string>, std::string> texts_;  // by namespace, name
  std::optional<Applied> applied_;
  std::string name_;
  CurrentPolicy current_;
  bool touched_ = true;
};

}  // namespace openelb::plan
