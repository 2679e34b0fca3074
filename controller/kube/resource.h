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
  std::string label_selector;  // likewise
  bool whole = false;          // an ObjectViewer reads it, as it is; it is no event
};

// What the cluster's state is. DaemonSets: that of the speakers in `ns` alone. ConfigMaps and
// Secrets: those in `ns`.
std::vector<Resource> ResourcesToRead(absl::string_view ns);
// What says how speakers are to run.
std::vector<Resource> OpenElbObjects();
// How they do run: the Pods of the DaemonSet in `ns`, and of which template each is.
std::vector<Resource> SpeakerWorkloads(absl::string_view ns);

}  // namespace openelb::kube
