#include "controller/kube/resource.h"

#include "absl/strings/str_cat.h"
#include "api/network/v1alpha2/names.h"

namespace openelb::kube {

std::vector<Resource> ResourcesToRead(absl::string_view ns) {
  std::vector<Resource> resources = {
      {.kind = "Service", .api_version = "v1", .name = "services", .path = "/api/v1/services"},
      {.kind = "Node", .api_version = "v1", .name = "nodes", .path = "/api/v1/nodes"},
      {.kind = "Namespace",
       .api_version = "v1",
       .name = "namespaces",
       .path = "/api/v1/namespaces"},
      {.kind = "EndpointSlice",
       .api_version = "discovery.k8s.io/v1",
       .name = "endpointslices.discovery.k8s.io",
       .path = "/apis/discovery.k8s.io/v1/endpointslices"},
      {.kind = "DaemonSet",
       .api_version = "apps/v1",
       .name = "daemonsets.apps",
       .path = absl::StrCat("/apis/apps/v1/namespaces/", ns, "/daemonsets"),
       .field_selector = absl::StrCat("metadata.name%3D", network::kSpeakerDaemonSet)},
      // Export policies have names of their own; what we write ourselves changes often.
      {.kind = "ConfigMap",
       .api_version = "v1",
       .name = "configmaps",
       .path = absl::StrCat("/api/v1/namespaces/", ns, "/configmaps"),
       .field_selector = "metadata.name!%3Dopenelb-controllers%2C"
                         "metadata.name!%3Dopenelb-controller-state%2C"
                         "metadata.name!%3Dkube-root-ca.crt"},
      // Passwords that BgpPeers name. Those that the cluster makes for other ends may be many.
      {.kind = "Secret",
       .api_version = "v1",
       .name = "secrets",
       .path = absl::StrCat("/api/v1/namespaces/", ns, "/secrets"),
       .field_selector = "metadata.name!%3Dopenelb-controller-tls%2C"
                         "type!%3Dhelm.sh/release.v1%2C"
                         "type!%3Dkubernetes.io/service-account-token%2C"
                         "type!%3Dkubernetes.io/dockerconfigjson%2C"
                         "type!%3Dkubernetes.io/tls"},
  };
  const auto add_ours = [&](const char* kind, absl::string_view plural) {
    resources.push_back({.kind = kind,
                         .api_version = "network.kubesphere.io/v1alpha2",
                         .name = absl::StrCat(plural, ".network.kubesphere.io"),
                         .path = absl::StrCat("/apis/network.kubesphere.io/v1alpha2/", plural)});
  };
  add_ours("Eip", "eips");
  add_ours("BgpConf", "bgpconfs");
  add_ours("BgpPeer", "bgppeers");
  return resources;
}

std::vector<Resource> OpenElbObjects() {
  return {{.kind = "OpenELB",
           .api_version = "network.kubesphere.io/v1alpha2",
           .name = "openelbs.network.kubesphere.io",
           .path = "/apis/network.kubesphere.io/v1alpha2/openelbs",
           .whole = true}};
}

std::vector<Resource> SpeakerWorkloads(absl::string_view ns) {
  constexpr const char* kSpeakers = "app%3Dopenelb%2Ccomponent%3Dspeaker";
  return {{.kind = "Pod",
           .api_version = "v1",
           .name = "pods",
           .path = absl::StrCat("/api/v1/namespaces/", ns, "/pods"),
           .label_selector = kSpeakers,
           .whole = true},
          {.kind = "ControllerRevision",
           .api_version = "apps/v1",
           .name = "controllerrevisions.apps",
           .path = absl::StrCat("/apis/apps/v1/namespaces/", ns, "/controllerrevisions"),
           .label_selector = kSpeakers,
           .whole = true}};
}

}  // namespace openelb::kube
