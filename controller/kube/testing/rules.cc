#include "controller/kube/testing/rules.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "api/base/ip.h"
#include "controller/kube/testing/value_at.h"

namespace openelb::kube::fake {
namespace {

using codec::Value;

void Default(Value* map, absl::string_view key, Value value) {
  if (map->Find(key) == nullptr) (*map)[key] = std::move(value);
}

// The items of a list; none when it is not there.
Value::List ListAt(const Value& object, Path path) {
  const Value* value = ValueAt(object, path);
  return value == nullptr || value->list() == nullptr ? Value::List() : *value->list();
}

void FillInService(uint64_t number, Value* service) {
  Value& spec = (*service)["spec"];
  if (spec.IsNull()) spec = Value(Value::Map());
  Default(&spec, "type", "ClusterIP");
  const std::string type = TextAt(spec, {"type"});
  Default(&spec, "clusterIP", absl::StrCat("10.96.", number / 250 % 250, ".", number % 250 + 1));
  Default(&spec, "clusterIPs", Value(Value::List{*spec.Find("clusterIP")}));
  Default(&spec, "ipFamilies", Value(Value::List{"IPv4"}));
  Default(&spec, "ipFamilyPolicy", "SingleStack");
  Default(&spec, "internalTrafficPolicy", "Cluster");
  Default(&spec, "sessionAffinity", "None");
  const bool balanced = type == "LoadBalancer";
  if (balanced || type == "NodePort") Default(&spec, "externalTrafficPolicy", "Cluster");
  if (balanced) Default(&spec, "allocateLoadBalancerNodePorts", true);
  if (Value* ports = &spec["ports"]; ports->list() != nullptr) {
    uint64_t node_port = 30000 + number % 250 * 10;
    for (Value& port : *ports->list()) {
      Default(&port, "protocol", "TCP");
      if (const Value* own = port.Find("port")) Default(&port, "targetPort", Value(*own));
      if (balanced || type == "NodePort") Default(&port, "nodePort", node_port++);
    }
  } else {
    spec.map()->erase("ports");
  }
  Value& status = (*service)["status"];
  if (status.IsNull()) status = Value(Value::Map());
  Default(&status, "loadBalancer", Value(Value::Map()));
  Value& ingress = status["loadBalancer"]["ingress"];
  if (ingress.list() == nullptr || ingress.list()->empty()) {
    status["loadBalancer"].map()->erase("ingress");
    return;
  }
  for (Value& entry : *ingress.list()) {
    if (entry.Find("ip") != nullptr) Default(&entry, "ipMode", "VIP");
  }
}

std::optional<Reply> CheckService(const ResourceType& type, const Value& service) {
  const std::string name = TextAt(service, {"metadata", "name"});
  const Value::List ingress = ListAt(service, {"status", "loadBalancer", "ingress"});
  if (!ingress.empty() && TextAt(service, {"spec", "type"}) != "LoadBalancer") {
    return Invalid(type, name, "status.loadBalancer.ingress",
                   "Forbidden: may only be used when `spec.type` is 'LoadBalancer'");
  }
  for (size_t i = 0; i < ingress.size(); ++i) {
    const std::string field = absl::StrCat("status.loadBalancer.ingress[", i, "]");
    const std::string ip = TextAt(ingress[i], {"ip"});
    const std::string mode = TextAt(ingress[i], {"ipMode"});
    if (!ip.empty() && !IpAddress::Parse(ip).ok()) {
      return Invalid(type, name, absl::StrCat(field, ".ip"),
                     absl::StrCat("Invalid value: \"", ip,
                                  "\": must be a valid IP address, (e.g. "
                                  "10.9.8.7 or 2001:db8::ffff)"));
    }
    if (!mode.empty() && ip.empty()) {
      return Invalid(type, name, absl::StrCat(field, ".ipMode"),
                     "Forbidden: may not be specified when `ip` is not set");
    }
    if (!mode.empty() && mode != "VIP" && mode != "Proxy") {
      return Invalid(
          type, name, absl::StrCat(field, ".ipMode"),
          absl::StrCat("Unsupported value: \"", mode, "\": supported values: \"Proxy\", \"VIP\""));
    }
  }
  return std::nullopt;
}

// metav1.MicroTime is read in one form only: "2026-01-01T00:00:00.000000Z".
bool IsMicroTime(absl::string_view text) {
  const size_t dot = text.find('.');
  if (dot == absl::string_view::npos || text.size() < dot + 8) return false;
  const absl::string_view digits = text.substr(dot + 1, 6);
  return std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit) &&
         !absl::ascii_isdigit(static_cast<unsigned char>(text[dot + 7]));
}

std::optional<Reply> CheckMicroTime(const ResourceType& type, const Value& object, Path path) {
  const std::string text = TextAt(object, path);
  if (text.empty() || IsMicroTime(text)) return std::nullopt;
  return BadRequest(absl::StrCat(type.kind, " in version \"v1\" cannot be handled as a ", type.kind,
                                 ": parsing time \"", text,
                                 "\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse"));
}

std::optional<Reply> CheckEvent(const ResourceType& type, const Value& event) {
  const std::string about = TextAt(event, {"involvedObject", "namespace"});
  const std::string ns = TextAt(event, {"metadata", "namespace"});
  // Events about cluster-scoped objects live in "default".
  if (about == ns || (about.empty() && ns == "default")) {
    return CheckMicroTime(type, event, {"eventTime"});
  }
  return Invalid(type, TextAt(event, {"metadata", "name"}), "involvedObject.namespace",
                 absl::StrCat("Invalid value: \"", about, "\": does not match event.namespace"));
}

}  // namespace

void FillIn(const ResourceType& type, uint64_t number, Value* object) {
  if (type.kind == "Service") FillInService(number, object);
  if (type.kind == "Event") {
    for (const char* key : {"firstTimestamp", "lastTimestamp", "eventTime"}) {
      Default(object, key, Value());
    }
    Default(object, "source", Value(Value::Map()));
    Default(object, "reportingComponent", "");
    Default(object, "reportingInstance", "");
  }
  if (type.kind == "Secret") Default(object, "type", "Opaque");
  if (type.kind == "Namespace") {
    Default(&(*object)["metadata"]["labels"], "kubernetes.io/metadata.name",
            TextAt(*object, {"metadata", "name"}));
    const bool deleted = object->Find("metadata")->Find("deletionTimestamp") != nullptr;
    (*object)["status"]["phase"] = deleted ? "Terminating" : "Active";
  }
}

void ResetStatus(const ResourceType& type, Value* object) {
  if (type.kind != "Service" || TextAt(*object, {"spec", "type"}) == "LoadBalancer") return;
  (*object)["status"]["loadBalancer"] = Value(Value::Map());
}

std::optional<Reply> Check(const ResourceType& type, const Value& object, const Value* live) {
  const std::string name = TextAt(object, {"metadata", "name"});
  if (live != nullptr && !TextAt(*live, {"metadata", "deletionTimestamp"}).empty()) {
    const Value::List old = ListAt(*live, {"metadata", "finalizers"});
    for (const Value& finalizer : ListAt(object, {"metadata", "finalizers"})) {
      if (std::find(old.begin(), old.end(), finalizer) != old.end()) continue;
      return Invalid(type, name, "metadata.finalizers",
                     absl::StrCat("Forbidden: no new finalizers can be added if the object is "
                                  "being deleted, found new finalizers []string{",
                                  finalizer.Describe(), "}"));
    }
  }
  if (type.kind == "Service") return CheckService(type, object);
  if (type.kind == "Event") return CheckEvent(type, object);
  if (type.kind == "Lease") {
    if (auto refusal = CheckMicroTime(type, object, {"spec", "renewTime"})) return refusal;
    return CheckMicroTime(type, object, {"spec", "acquireTime"});
  }
  return std::nullopt;
}

}  // namespace openelb::kube::fake
