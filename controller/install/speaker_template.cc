#include "controller/install/speaker_template.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "api/codec/parse.h"
#include "api/network/v1alpha2/names.h"
#include "controller/install/speaker_manifest.h"
#include "controller/install/value_at.h"

namespace openelb::install {
namespace {

using codec::Value;
using network::OpenElb;
using network::UpdateStrategy;

constexpr const char* kOsLabel = "kubernetes.io/os";
constexpr const char* kManagedByLabel = "app.kubernetes.io/managed-by";
constexpr const char* kManagedBy = "openelb-controller";

Value& PodOf(Value* daemon_set) { return (*daemon_set)["spec"]["template"]["spec"]; }

// The arguments of the speaker in a DaemonSet; null: none stand there.
const Value* ArgsOf(const Value& daemon_set) {
  const Value* containers = At(daemon_set, {"spec", "template", "spec", "containers"});
  if (containers == nullptr || containers->list() == nullptr) return nullptr;
  for (const Value& container : *containers->list()) {
    const Value* name = container.Find("name");
    if (name != nullptr && *name == Value(network::kSpeakerDaemonSet))
      return container.Find("args");
  }
  return nullptr;
}

// Sets --NAME=VALUE in the place of the flag, or after the others.
void SetFlag(absl::string_view name, absl::string_view value, Value* args) {
  const std::string flag = absl::StrCat("--", name);
  Value text(absl::StrCat(flag, "=", value));
  if (args->list() != nullptr) {
    for (Value& arg : *args->list()) {
      if (arg.string() == nullptr) continue;
      if (*arg.string() != flag && !absl::StartsWith(*arg.string(), flag + "=")) continue;
      arg = std::move(text);
      return;
    }
  }
  args->Append(std::move(text));
}

bool SetsFlags(const OpenElb& object) {
  return object.layer2 || object.vip || !object.log_level.empty();
}

Value Args(const OpenElb& object, const Value* before) {
  Value args = before == nullptr ? Value(Value::List()) : *before;
  const auto text = [](bool on) { return on ? "true" : "false"; };
  if (object.layer2) SetFlag("enable-layer2", text(*object.layer2), &args);
  if (object.vip) SetFlag("enable-keepalived-vip", text(*object.vip), &args);
  if (!object.log_level.empty()) SetFlag("log-level", object.log_level, &args);
  return args;
}

Value Strategy(const OpenElb& object, UpdateStrategy strategy) {
  Value value;
  value["type"] = strategy == UpdateStrategy::kRollingUpdate ? "RollingUpdate" : "OnDelete";
  if (!object.max_unavailable.IsNull())
    value["rollingUpdate"]["maxUnavailable"] = object.max_unavailable;
  return value;
}

Value NodeSelector(const kube::Labels& labels) {
  Value selector{Value::Map()};
  selector[kOsLabel] = "linux";
  for (const auto& [key, value] : labels) selector[key] = value;
  return selector;
}

// Puts what the object sets into a DaemonSet or a part of one. `args`: those to begin with.
void Overlay(const OpenElb& object, const Value* args, Value* daemon_set) {
  Value& pod = PodOf(daemon_set);
  if (object.node_selector) pod["nodeSelector"] = NodeSelector(*object.node_selector);
  if (!object.affinity.IsNull()) pod["affinity"] = object.affinity;
  if (!object.tolerations.IsNull()) pod["tolerations"] = object.tolerations;
  const bool flags = SetsFlags(object);
  if (object.resources.IsNull() && object.image.empty() && !flags) return;
  Value& containers = pod["containers"];
  if (containers.IsNull())
    containers.Append(Value(Value::Map{{"name", network::kSpeakerDaemonSet}}));
  Value& speaker = containers.list()->front();
  if (!object.resources.IsNull()) speaker["resources"] = object.resources;
  if (!object.image.empty()) speaker["image"] = object.image;
  if (flags) speaker["args"] = Args(object, args);
}

// Null and what holds nothing.
bool IsEmpty(const Value& value) {
  return value.IsNull() || (value.map() != nullptr && value.map()->empty()) ||
         (value.list() != nullptr && value.list()->empty());
}

bool HasKey(const Value& item, absl::string_view key, absl::string_view text) {
  const Value* member = item.Find(key);
  return member != nullptr && member->string() != nullptr && *member->string() == text;
}

// `steps` is what is left of the path. What becomes empty goes too.
bool Remove(absl::string_view steps, Value* value) {
  if (absl::ConsumePrefix(&steps, ".") && value->map() != nullptr) {
    // Keys may hold dots: the longest that fits.
    auto best = value->map()->end();
    for (auto it = value->map()->begin(); it != value->map()->end(); ++it) {
      absl::string_view rest = steps;
      if (!absl::ConsumePrefix(&rest, it->first)) continue;
      if (!rest.empty() && rest.front() != '.' && rest.front() != '[') continue;
      if (best == value->map()->end() || it->first.size() > best->first.size()) best = it;
    }
    if (best == value->map()->end()) return false;
    const absl::string_view rest = steps.substr(best->first.size());
    if (!rest.empty() && !Remove(rest, &best->second)) return false;
    if (rest.empty() || IsEmpty(best->second)) value->map()->erase(best);
    return true;
  }
  const size_t end = steps.find(']');
  if (!absl::ConsumePrefix(&steps, "[name=\"") || end == absl::string_view::npos ||
      value->list() == nullptr) {
    return false;
  }
  const absl::string_view name = steps.substr(0, steps.find('"'));
  const absl::string_view rest = steps.substr(steps.find(']') + 1);
  for (auto it = value->list()->begin(); it != value->list()->end(); ++it) {
    if (!HasKey(*it, "name", name)) continue;
    if (!rest.empty() && !Remove(rest, &*it)) return false;
    const bool only_name = it->map() != nullptr && it->map()->size() == 1;
    if (rest.empty() || only_name) value->list()->erase(it);
    return true;
  }
  return false;
}

}  // namespace

SpeakerTemplate TemplateFor(const std::string& ns) {
  SpeakerTemplate base;
  for (codec::Document& document : codec::ParseYaml(SpeakerManifest()).documents) {
    Value& object = document.value;
    object["metadata"]["namespace"] = ns;
    const bool daemon_set = *object.Find("kind") == Value("DaemonSet");
    (daemon_set ? base.daemon_set : base.account) = std::move(object);
  }
  return base;
}

bool IsOurs(const Value& observed) {
  const Value* labels = At(observed, {"metadata", "labels"});
  return labels != nullptr && HasKey(*labels, kManagedByLabel, kManagedBy);
}

UpdateStrategy StrategyOf(const OpenElb& object, bool ours) {
  if (object.update_strategy) return *object.update_strategy;
  return ours ? UpdateStrategy::kRackAware : UpdateStrategy::kRollingUpdate;
}

Value ApplyBody(const OpenElb& object, const Value& observed, const SpeakerTemplate& base) {
  Value body;
  if (const bool ours = observed.IsNull() || IsOurs(observed); ours) {
    body = base.daemon_set;
    body["metadata"]["labels"][kManagedByLabel] = kManagedBy;
    Overlay(object, ArgsOf(base.daemon_set), &body);
    body["spec"]["updateStrategy"] = Strategy(object, StrategyOf(object, ours));
    return body;
  }
  body["apiVersion"] = *base.daemon_set.Find("apiVersion");
  body["kind"] = *base.daemon_set.Find("kind");
  body["metadata"]["name"] = network::kSpeakerDaemonSet;
  body["metadata"]["namespace"] = *At(base.daemon_set, {"metadata", "namespace"});
  Value part;
  Overlay(object, ArgsOf(observed), &part);
  if (object.update_strategy)
    part["spec"]["updateStrategy"] = Strategy(object, *object.update_strategy);
  if (const Value* pod = At(part, {"spec", "template", "spec"}); pod == nullptr || pod->IsNull())
    part["spec"].map()->erase("template");
  if (const Value& spec = part["spec"]; !IsEmpty(spec)) body["spec"] = spec;
  return body;
}

bool RemoveField(absl::string_view field, Value* body) {
  // The bounds of a strategy mean nothing under another one.
  constexpr absl::string_view kStrategy = ".spec.updateStrategy";
  if (absl::StartsWith(field, kStrategy)) field = kStrategy;
  return Remove(field, body);
}

Value Merged(const Value& observed, const Value& body) {
  if (observed.IsNull()) return body;
  Value merged = observed;
  const Value* pod = At(body, {"spec", "template", "spec"});
  if (pod == nullptr || pod->map() == nullptr) return merged;
  for (const char* key : {"nodeSelector", "affinity", "tolerations"}) {
    if (const Value* value = pod->Find(key)) PodOf(&merged)[key] = *value;
  }
  return merged;
}

}  // namespace openelb::install
