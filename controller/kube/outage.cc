#include "controller/kube/outage.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace openelb::kube {
namespace {

std::string Advice(const Resource& resource, absl::string_view verb, absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kPermissionDenied:
      return absl::StrCat("; give the ServiceAccount the verb ", verb, " on ", resource.name,
                          ", as config/default does");
    case absl::StatusCode::kNotFound:
      return absl::EndsWith(resource.name, ".network.kubesphere.io")
                 ? "; install the CRDs: kubectl apply -k crds"
                 : "";
    case absl::StatusCode::kUnauthenticated:
      return "; check the CA and the token or client certificate";
    default:
      return "";
  }
}

}  // namespace

absl::Status Explain(const Resource& resource, absl::string_view verb, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat("cannot ", verb, " ", resource.name, ": ", status.message(),
                                   Advice(resource, verb, status.code())));
}

}  // namespace openelb::kube
