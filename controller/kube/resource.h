#pragma once
// The resources of an API server that are read.

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace openelb::kube {

struct Resource {
  std::string kind;            // "Eip"
  std::string api_version;     // "network.kubesphere.io/v1alpha2"
  std::string name;            // "eips.network.kubesphere.io", as kubectl names it
  std::string path;            // of the collection
  std::string field_selector;  // as it stands in a query; empty: every object
};

// All that the controller reads. DaemonSets: that of the speakers in `ns` alone. ConfigMaps and
// Secrets: those in `ns`.
std::vector<Resource> ResourcesToRead(absl::string_view ns);

}  // namespace openelb::kube
