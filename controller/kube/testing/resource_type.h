#pragma once
// What the double serves, and requests read into Kubernetes' words.

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace openelb::kube::fake {

// One row of the table of resources.
struct ResourceType {
  absl::string_view group;  // empty: core
  absl::string_view version;
  absl::string_view resource;
  absl::string_view kind;
  bool namespaced = true;
  bool has_status = false;            // as a subresource
  bool counts_generation = false;     // of changes outside metadata and status
  bool unconditional_update = false;  // PUT without resourceVersion is taken
  bool create_on_update = false;      // PUT makes what is missing
  bool custom = false;                // defined by a CRD; v1alpha1 is served too
  absl::string_view selectable = {};  // a field outside metadata that field selectors may name

  // "v1", "discovery.k8s.io/v1"
  std::string ApiVersion(absl::string_view served_version) const;
  bool Serves(absl::string_view wanted) const;
};

// Null pointer when there is none.
const ResourceType* FindByResource(absl::string_view group, absl::string_view resource);
const ResourceType* FindByKind(absl::string_view api_version, absl::string_view kind);

using Query = std::map<std::string, std::string, std::less<>>;

struct ApiRequest {
  std::string verb;  // get, list, watch, create, update, patch, delete
  const ResourceType* type = nullptr;
  std::string version;      // the one asked for
  std::string ns;           // empty: all, or cluster-scoped
  std::string name;         // empty: the collection
  std::string subresource;  // "status" or empty
  Query query;

  // "services", "services/status"
  std::string ResourceName() const;
  // Empty when the query has none.
  absl::string_view Param(absl::string_view key) const;
  bool BoolParam(absl::string_view key) const;
};

// "a%20b+c" -> "a b c"
std::string UrlDecode(absl::string_view text);

// nullopt: nothing of this path is served.
std::optional<ApiRequest> ReadRequest(absl::string_view method, absl::string_view path);

}  // namespace openelb::kube::fake
