#pragma once
// One cluster object of any kind that we read, and what a source of cluster state says happened to
// it.

#include <string>
#include <variant>

#include "absl/strings/string_view.h"
#include "api/kube/config_map.h"
#include "api/kube/daemon_set.h"
#include "api/kube/endpoint_slice.h"
#include "api/kube/meta.h"
#include "api/kube/node.h"
#include "api/kube/secret.h"
#include "api/kube/service.h"
#include "api/network/v1alpha2/bgp.h"
#include "api/network/v1alpha2/eip.h"
#include "api/network/v1alpha2/openelb.h"

namespace openelb {

using Object = std::variant<kube::Service, kube::Node, kube::EndpointSlice, kube::Namespace,
                            kube::DaemonSet, kube::ConfigMap, kube::Secret, network::Eip,
                            network::BgpConf, network::BgpPeer, network::OpenElb>;

// Kind plus namespace and name; orders by kind first.
struct ObjectKey {
  std::string kind;
  std::string namespace_;  // empty for cluster-scoped kinds
  std::string name;

  // "Kind/name" or "Kind/namespace/name", the form of messages.
  std::string ToString() const {
    return namespace_.empty() ? kind + "/" + name : kind + "/" + namespace_ + "/" + name;
  }
  auto operator<=>(const ObjectKey&) const = default;
};

inline ObjectKey KeyOf(const Object& object) {
  return std::visit(
      [](const auto& o) {
        return ObjectKey{std::decay_t<decltype(o)>::kKind, o.meta.namespace_, o.meta.name};
      },
      object);
}

// Of "namespace/name".
inline ObjectKey ServiceKeyOf(absl::string_view service) {
  const size_t slash = service.find('/');
  return {kube::Service::kKind, std::string(service.substr(0, slash)),
          std::string(service.substr(slash + 1))};
}

}  // namespace openelb
