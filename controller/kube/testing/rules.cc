#include "controller/kube/testing/rules.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "api/base/ip.h"

namespace openelb::kube::fake {
namespace {

using codec::Value;

void Default(Value* map, absl::string_view key, Value value) {
  if (map->Find(key) == nullptr) (*map)[key] = std::move(value);
}

// Empty when there is no such text.
std::string Text(const Value& object, std::initializer_list<absl::string_view> path) {
  const Value* value = &object;
  for (const absl::string_view key : path) {
    if (value != nullptr) value = value->Find(key);
  }
  const std::string* text = value == nullptr ? nullptr : value->string();
  return text == nullptr ? std::string() : *text;
}

const Value::List& ListAt(const Value& object, std::initializer_list<absl::string_view> path) {
  static const auto& none = *new Value::List();
  const Value* value = &object;
  for (const absl::string_view key : path) {
    if (value != nullptr) value = value->Find(key);
  }
  return value == nullptr || value->list() == nullptr ? none : *value->list();
}

void FillInService(uint64_t number, Value* service) {
  Value& spec = (*service)["spec"];
  if (spec.IsNull()) spec = Value(Value::Map());
  Default(&spec, "type", "ClusterIP");
  const std::string type = Text(spec, {"type"});
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
  if (ingress.list() == nullptr || ingress.list()->empty() || !balanced) {
    status["loadBalancer"].map()->erase("ingress");
    return;
  }
  for (Value& entry : *ingress.list()) {
    if (entry.Find("ip") != nullptr) Default(&entry, "ipMode", "VIP");
  }
}

std::optional<Reply> CheckService(const ResourceType& type, const Value& service) {
  const std::string name = Text(service, {"metadata", "name"});
  const Value::List& ingress = ListAt(service, {"status", "loadBalancer", "ingress"});
  for (size_t i = 0; i < ingress.size(); ++i) {
    const std::string field = absl::StrCat("status.loadBalancer.ingress[", i, "]");
    const std::string ip = Text(ingress[i], {"ip"});
    const std::string mode = Text(ingress[i], {"ipMode"});
    if (!ip.empty() && !IpAddress::Parse(ip).ok()) {
      return Invalid(type, name, absl::StrCat(field, ".ip"),
                     absl::StrCat("Invalid value: \"", ip,
                                  "\": must be a valid IP address, (e.g. "
                                  "10.9.8.7 or 2001:db8::ffff)"));
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

std::optional<Reply> CheckMicroTime(const Value& object,
                                    std::initializer_list<absl::string_view> path) {
  const std::string text = Text(object, path);
  if (text.empty() || IsMicroTime(text)) return std::nullopt;
  return BadRequest(absl::StrCat("parsing time \"", text,
                                 "\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse"));
}

std::optional<Reply> CheckEvent(const ResourceType& type, const Value& event) {
  const std::string about = Text(event, {"involvedObject", "namespace"});
  const std::string ns = Text(event, {"metadata", "namespace"});
  // Events about cluster-scoped objects live in "default".
  if (about == ns || (about.empty() && (ns == "default" || ns == "kube-system"))) {
    return CheckMicroTime(event, {"eventTime"});
  }
  return Invalid(type, Text(event, {"metadata", "name"}), "involvedObject.namespace",
                 absl::StrCat("Invalid value: \"", about, "\": does not match event.namespace"));
}

}  // namespace

void FillIn(const ResourceType& type, uint64_t number, Value* object) {
  if (type.kind == "Service") FillInService(number, object);
  if (type.kind == "Namespace") {
    Default(&(*object)["metadata"]["labels"], "kubernetes.io/metadata.name",
            Text(*object, {"metadata", "name"}));
    const bool deleted = object->Find("metadata")->Find("deletionTimestamp") != nullptr;
    (*object)["status"]["phase"] = deleted ? "Terminating" : "Active";
  }
}

std::optional<Reply> Check(const ResourceType& type, const Value& object, const Value* live) {
  const std::string name = Text(object, {"metadata", "name"});
  if (live != nullptr && !Text(*live, {"metadata", "deletionTimestamp"}).empty()) {
    const Value::List& old = ListAt(*live, {"metadata", "finalizers"});
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
    if (auto refusal = CheckMicroTime(object, {"spec", "renewTime"})) return refusal;
    return CheckMicroTime(object, {"spec", "acquireTime"});
  }
  return std::nullopt;
}

}  // namespace openelb::kube::fake
