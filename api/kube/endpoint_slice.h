#pragma once
// discovery.k8s.io/v1 EndpointSlice.

#include <optional>
#include <string>
#include <vector>

#include "api/base/ip.h"
#include "api/kube/meta.h"

namespace openelb::kube {

// Label that names the Service of a slice.
inline constexpr const char* kServiceNameLabel = "kubernetes.io/service-name";

struct Endpoint {
  std::vector<std::string> addresses;
  std::string node_name;  // empty: not bound to a node
  // Conditions; nil means: ready true, serving as ready, terminating false.
  std::optional<bool> ready;
  std::optional<bool> serving;
  std::optional<bool> terminating;

  bool IsReady() const { return ready.value_or(true); }
  bool IsServing() const { return serving.value_or(IsReady()); }
  bool IsTerminating() const { return terminating.value_or(false); }
  bool operator==(const Endpoint&) const = default;
};

struct EndpointSlice {
  static constexpr const char* kKind = "EndpointSlice";
  ObjectMeta meta;
  std::string address_type;  // IPv4, IPv6 or FQDN
  std::vector<Endpoint> endpoints;

  // "namespace/name" of the Service, or empty when the label is missing.
  std::string ServiceKey() const {
    const auto it = meta.labels.find(kServiceNameLabel);
    return it == meta.labels.end() ? std::string() : meta.namespace_ + "/" + it->second;
  }
  bool operator==(const EndpointSlice&) const = default;
};

}  // namespace openelb::kube
