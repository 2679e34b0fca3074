#include "controller/kube/testing/resource_type.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace openelb::kube::fake {
namespace {

constexpr absl::string_view kOurGroup = "network.kubesphere.io";

// Keys of objects are ordered by the place of their type in here.
constexpr ResourceType kTypes[] = {
    {"", "v1", "namespaces", "Namespace", false, true, false, true},
    {"", "v1", "nodes", "Node", false, true, false, true},
    {"", "v1", "services", "Service", true, true, false, true},
    {"", "v1", "configmaps", "ConfigMap", true, false, false, true},
    {"", "v1", "secrets", "Secret", true, false, false, true, false, false, "type"},
    {"", "v1", "events", "Event", true, false, false, true, true},
    {"admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations",
     "MutatingWebhookConfiguration", false},
    {"admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations",
     "ValidatingWebhookConfiguration", false},
    {"", "v1", "pods", "Pod", true, true, false, true},
    {"", "v1", "serviceaccounts", "ServiceAccount", true, false, false, true},
    {"apps", "v1", "daemonsets", "DaemonSet", true, true, true, true},
    {"apps", "v1", "controllerrevisions", "ControllerRevision", true, false, false, true},
    {"authentication.k8s.io", "v1", "tokenreviews", "TokenReview", false},
    {"authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", false},
    {"coordination.k8s.io", "v1", "leases", "Lease", true, false, false, false, true},
    {"discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true, false, true, true},
    {kOurGroup, "v1alpha2", "eips", "Eip", false, true, true, false, false, true},
    {kOurGroup, "v1alpha2", "bgpconfs", "BgpConf", false, true, true, false, false, true},
    {kOurGroup, "v1alpha2", "bgppeers", "BgpPeer", false, true, true, false, false, true},
    {kOurGroup, "v1alpha2", "openelbs", "OpenELB", false, true, true, false, false, true},
};

std::string VerbOf(absl::string_view method, const ApiRequest& request) {
  if (method == "GET" && !request.name.empty()) return "get";
  if (method == "GET") return request.BoolParam("watch") ? "watch" : "list";
  if (method == "POST") return "create";
  if (method == "PUT") return "update";
  return absl::AsciiStrToLower(method);
}

}  // namespace

std::string ResourceType::ApiVersion(absl::string_view served_version) const {
  return group.empty() ? std::string(served_version) : absl::StrCat(group, "/", served_version);
}

bool ResourceType::Serves(absl::string_view wanted) const {
  return wanted == version || (custom && wanted == "v1alpha1");
}

const ResourceType* FindByResource(absl::string_view group, absl::string_view resource) {
  for (const ResourceType& type : kTypes) {
    if (type.group == group && type.resource == resource) return &type;
  }
  return nullptr;
}

const ResourceType* FindByKind(absl::string_view api_version, absl::string_view kind) {
  for (const ResourceType& type : kTypes) {
    if (type.kind != kind) continue;
    if (type.ApiVersion(type.version) == api_version) return &type;
    if (type.custom && type.ApiVersion("v1alpha1") == api_version) return &type;
  }
  return nullptr;
}

std::string ApiRequest::ResourceName() const {
  return subresource.empty() ? std::string(type->resource)
                             : absl::StrCat(type->resource, "/", subresource);
}

absl::string_view ApiRequest::Param(absl::string_view key) const {
  const auto it = query.find(key);
  return it == query.end() ? absl::string_view() : absl::string_view(it->second);
}

bool ApiRequest::BoolParam(absl::string_view key) const {
  const absl::string_view text = Param(key);
  return text == "true" || text == "1";
}

std::string UrlDecode(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    uint32_t code = 0;
    if (text[i] == '+') {
      out.push_back(' ');
    } else if (text[i] == '%' && i + 2 < text.size() &&
               absl::SimpleHexAtoi(text.substr(i + 1, 2), &code)) {
      out.push_back(static_cast<char>(code));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::optional<ApiRequest> ReadRequest(absl::string_view method, absl::string_view path) {
  ApiRequest request;
  const std::pair<absl::string_view, absl::string_view> halves =
      absl::StrSplit(path, absl::MaxSplits('?', 1));
  for (const absl::string_view pair : absl::StrSplit(halves.second, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> member =
        absl::StrSplit(pair, absl::MaxSplits('=', 1));
    request.query[UrlDecode(member.first)] = UrlDecode(member.second);
  }
  std::vector<std::string> parts;
  for (const absl::string_view part : absl::StrSplit(halves.first, '/', absl::SkipEmpty())) {
    parts.push_back(UrlDecode(part));
  }
  // Empty beyond the end.
  const auto part = [&](size_t i) { return i < parts.size() ? parts[i] : std::string(); };
  size_t at = 0;
  std::string group;
  if (part(0) == "api") {
    request.version = part(1);
    at = 2;
  } else if (part(0) == "apis") {
    group = part(1);
    request.version = part(2);
    at = 3;
  } else {
    return std::nullopt;
  }
  // "namespaces/x" is an object, "namespaces/x/services" a scope, "namespaces/x/status" an object.
  if (part(at) == "namespaces" && parts.size() > at + 2 && part(at + 2) != "status") {
    request.ns = part(at + 1);
    at += 2;
  }
  request.type = FindByResource(group, part(at));
  request.name = part(at + 1);
  request.subresource = part(at + 2);
  if (request.type == nullptr || !request.type->Serves(request.version) || parts.size() > at + 3) {
    return std::nullopt;
  }
  if (!request.type->namespaced && !request.ns.empty()) return std::nullopt;
  if (request.type->namespaced && request.ns.empty() && !request.name.empty()) return std::nullopt;
  if (!request.subresource.empty() &&
      !(request.subresource == "status" && request.type->has_status)) {
    return std::nullopt;
  }
  request.verb = VerbOf(method, request);
  return request;
}

}  // namespace openelb::kube::fake
