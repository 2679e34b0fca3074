#include "api/codec/decode.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "api/codec/field.h"
#include "api/codec/kinds.h"
#include "api/codec/parse.h"
#include "api/network/v1alpha2/validate.h"

namespace openelb::codec {
namespace {

constexpr absl::string_view kListSuffix = "List";

constexpr absl::string_view kOurGroup = "network.kubesphere.io";

// Kinds of KubeSphere's in the same group.
constexpr absl::string_view kKubeSphereKinds[] = {
    "IPAMBlock", "IPAMHandle", "IPPool", "NamespaceNetworkPolicy", "WorkspaceNetworkPolicy"};

struct Kind {
  absl::string_view kind;
  absl::string_view group;  // empty: the core group
  absl::string_view version;
  absl::string_view other_version;  // also read; empty: none
  bool namespaced;
  Object (*decode)(kube::ObjectMeta meta, const Field& root);
};

constexpr Kind kKinds[] = {
    {"Service", "", "v1", "", true, DecodeService},
    {"Namespace", "", "v1", "", false, DecodeNamespace},
    {"Node", "", "v1", "", false, DecodeNode},
    {"EndpointSlice", "discovery.k8s.io", "v1", "", true, DecodeEndpointSlice},
    {"DaemonSet", "apps", "v1", "", true, DecodeDaemonSet},
    {"ConfigMap", "", "v1", "", true, DecodeConfigMap},
    {"Secret", "", "v1", "", true, DecodeSecret},
    {"Eip", kOurGroup, "v1alpha2", "v1alpha1", false, DecodeEip},
    {"BgpConf", kOurGroup, "v1alpha2", "v1alpha1", false, DecodeBgpConf},
    {"BgpPeer", kOurGroup, "v1alpha2", "v1alpha1", false, DecodeBgpPeer},
    {"OpenELB", kOurGroup, "v1alpha2", "", false, DecodeOpenElb},
};

struct TypeMeta {
  std::string kind;
  std::string group;
  std::string version;
};

TypeMeta SplitApiVersion(std::string kind, absl::string_view api_version) {
  const std::vector<std::string> parts = absl::StrSplit(api_version, absl::MaxSplits('/', 1));
  return parts.size() == 2 ? TypeMeta{std::move(kind), parts[0], parts[1]}
                           : TypeMeta{std::move(kind), "", parts[0]};
}

std::string TextAt(const Value& value, absl::string_view key) {
  const Value* member = value.Find(key);
  return member != nullptr && member->string() != nullptr ? *member->string() : "";
}

// metadata.name, if that can be told.
std::string NameIn(const Value& value) {
  const Value* metadata = value.Find("metadata");
  return metadata != nullptr ? TextAt(*metadata, "name") : "";
}

// The line of the deepest part of `path` that stands in the document.
int LineOf(const Value& root, absl::string_view path) {
  const Value* at = &root;
  for (const absl::string_view step :
       absl::StrSplit(path, absl::ByAnyChar(".[]"), absl::SkipEmpty())) {
    const Value* next = at->Find(step);
    size_t index = 0;
    if (at->list() != nullptr && absl::SimpleAtoi(step, &index) && index < at->list()->size()) {
      next = &(*at->list())[index];
    }
    if (next == nullptr) break;
    at = next;
  }
  return at->line();
}

// What every message of one object begins with.
class Messages {
 public:
  Messages(absl::string_view file, const ObjectKey& key) : file_(file), key_(key) {}

  std::string At(const Finding& finding) const {
    const std::string place = file_.empty() ? "" : absl::StrCat(file_, ":", finding.line, ": ");
    const std::string field = finding.path.empty() ? "" : absl::StrCat(finding.path, ": ");
    return absl::StrCat(place, Name(), field, finding.message);
  }

 private:
  std::string Name() const {
    if (key_.kind.empty()) return "";
    return key_.name.empty() ? absl::StrCat(key_.kind, ": ") : absl::StrCat(key_.ToString(), ": ");
  }

  absl::string_view file_;
  const ObjectKey& key_;
};

// The semantic checks of single objects, which admission shares.
std::vector<network::FieldError> Validate(const Object& object) {
  if (const auto* eip = std::get_if<network::Eip>(&object)) return network::Validate(*eip);
  if (const auto* conf = std::get_if<network::BgpConf>(&object)) return network::Validate(*conf);
  if (const auto* peer = std::get_if<network::BgpPeer>(&object)) return network::Validate(*peer);
  if (const auto* elb = std::get_if<network::OpenElb>(&object)) return network::Validate(*elb);
  return {};
}

// A name that is safe as part of a file name and that an API server accepts.
void CheckName(const Field& name) {
  if (name.value()->string() == nullptr) return;  // reported already
  const std::string& text = *name.value()->string();
  const auto is_outer = [](char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); };
  const auto is_inner = [&](char c) { return is_outer(c) || c == '-' || c == '.'; };
  if (text.empty() || text.size() > 253 || !is_outer(text.front()) || !is_outer(text.back()) ||
      !std::all_of(text.begin(), text.end(), is_inner) || absl::StrContains(text, "..")) {
    name.Error(absl::StrCat(name.value()->Describe(),
                            " is not a name: up to 253 lower case letters, digits, '-' and '.', "
                            "beginning and ending with a letter or digit"));
  }
}

// The entry that reads `type`, or that can say what is wrong with it. Null pointer: not ours to
// read.
const Kind* FindKind(const TypeMeta& type) {
  for (const Kind& kind : kKinds) {
    const bool same_group = kind.group == type.group;
    if (kind.kind == type.kind) {
      // Other groups have a Service too, but nobody else has an Eip.
      if (same_group || type.version.empty() || kind.group == kOurGroup) return &kind;
    } else if (same_group && absl::EqualsIgnoreCase(kind.kind, type.kind)) {
      return &kind;
    }
  }
  return nullptr;
}

// Whether nobody but us can be meant, though we have no such kind.
bool IsSlipOfOurs(const TypeMeta& type) {
  return type.group == kOurGroup &&
         std::find(std::begin(kKubeSphereKinds), std::end(kKubeSphereKinds), type.kind) ==
             std::end(kKubeSphereKinds);
}

std::string OurKinds() {
  std::vector<absl::string_view> names;
  for (const Kind& kind : kKinds) {
    if (kind.group == kOurGroup) names.push_back(kind.kind);
  }
  return absl::StrJoin(names, ", ");
}

std::string ApiVersion(const Kind& kind, absl::string_view version) {
  return absl::StrCat(kind.group, kind.group.empty() ? "" : "/", version);
}

void CheckType(const Kind& kind, const TypeMeta& type, const Field& root) {
  if (kind.kind != type.kind) {
    root["kind"].Error(absl::StrCat(Value(type.kind).Describe(), " is not ", kind.kind));
  }
  const bool known = type.version == kind.version ||
                     (!kind.other_version.empty() && type.version == kind.other_version);
  if (known && type.group == kind.group) return;
  std::string allowed = ApiVersion(kind, kind.version);
  if (!kind.other_version.empty()) {
    absl::StrAppend(&allowed, " or ", ApiVersion(kind, kind.other_version));
  }
  const Field version = root["apiVersion"];
  if (version.Require(allowed)) {
    version.Error(absl::StrCat(version.value()->Describe(), " is not ", allowed));
  }
}

kube::ObjectMeta DecodeAndCheckMeta(const Kind& kind, const Field& metadata) {
  kube::ObjectMeta meta = DecodeMeta(metadata);
  if (metadata["name"].Require("a name is needed")) CheckName(metadata["name"]);
  if (!kind.namespaced) {
    meta.namespace_.clear();  // as an API server does
  } else if (meta.namespace_.empty()) {
    meta.namespace_ = "default";
  } else {
    CheckName(metadata["namespace"]);
  }
  return meta;
}

// Reports why there is no kind to decode by.
void ReportNoKind(const Field& root) {
  root.AllowOthers();
  if (root.value()->map() == nullptr) {
    return root.Error(absl::StrCat(root.value()->Describe(),
                                   " is not an object: a map with apiVersion, kind and metadata"));
  }
  const Field kind = root["kind"];
  if (kind.String().empty() && (!kind.given() || kind.value()->string() != nullptr)) {
    kind.Error("missing; such as Service or Eip");
  }
}

Decoded Decode(const Value& value, absl::string_view file, const TypeMeta& type) {
  Decoded decoded;
  decoded.line = value.line();
  decoded.key.kind = type.kind;
  ObjectKey shown = decoded.key;
  Findings findings;
  const Field root(&value, "", value.line(), &findings);
  if (value.map() == nullptr || type.kind.empty()) {
    ReportNoKind(root);
  } else if (const Kind* kind = FindKind(type); kind == nullptr && IsSlipOfOurs(type)) {
    // The name stays out of the key: it may be any of our kinds that bears it.
    shown.name = NameIn(value);
    root.AllowOthers();
    root["kind"].Error(absl::StrCat(Value(type.kind).Describe(), " is not one of ", OurKinds()));
  } else if (kind == nullptr) {
    decoded.skipped = true;
  } else {
    root.Skip({"apiVersion", "kind", "status"});
    CheckType(*kind, type, root);
    kube::ObjectMeta meta = DecodeAndCheckMeta(*kind, root["metadata"]);
    decoded.key = {std::string(kind->kind), meta.namespace_, meta.name};
    shown = decoded.key;
    Object object = kind->decode(std::move(meta), root);
    for (const network::FieldError& error : Validate(object)) {
      findings.AddError({LineOf(value, error.path), error.path, error.message});
    }
    if (findings.errors().empty()) decoded.object = std::move(object);
  }
  const Messages messages(file, shown);
  for (const Finding& finding : findings.errors()) decoded.errors.push_back(messages.At(finding));
  for (const Finding& finding : findings.UnknownFields(value)) {
    decoded.warnings.push_back(messages.At(finding));
  }
  return decoded;
}

TypeMeta TypeOf(const Value& value) {
  return SplitApiVersion(TextAt(value, "kind"), TextAt(value, "apiVersion"));
}

// Which object a document is by what it says, right or wrong.
ObjectKey KeyIn(const Value& head) {
  const TypeMeta type = TypeOf(head);
  ObjectKey key{type.kind, "", NameIn(head)};
  const Kind* kind = FindKind(type);
  if (kind == nullptr || !kind->namespaced || key.name.empty()) return key;
  key.namespace_ = TextAt(*head.Find("metadata"), "namespace");
  if (key.namespace_.empty()) key.namespace_ = "default";
  return key;
}

// Appends what `value` holds: itself, or the items of a list of objects. Items of a ServiceList may
// leave out what the list's own kind says.
void Expand(Value value, absl::string_view file, const TypeMeta& inherited,
            std::vector<Decoded>* out) {
  TypeMeta type = TypeOf(value);
  if (type.kind.empty() && value.map() != nullptr && !inherited.kind.empty()) {
    type = inherited;
    value["kind"] = type.kind;
    value["apiVersion"] = absl::StrCat(type.group, type.group.empty() ? "" : "/", type.version);
  }
  Value* items =
      value.map() != nullptr && value.Find("items") != nullptr ? &value["items"] : nullptr;
  if (!absl::EndsWith(type.kind, kListSuffix) || items == nullptr) {
    out->push_back(Decode(value, file, type));
    out->back().source = std::move(value);
  } else if (items->list() != nullptr) {
    type.kind.resize(type.kind.size() - kListSuffix.size());
    for (Value& item : *items->list()) Expand(std::move(item), file, type, out);
  } else if (!items->IsNull()) {
    Decoded broken;
    broken.line = items->line();
    broken.key.kind = type.kind;
    broken.errors.push_back(
        Messages(file, broken.key)
            .At({items->line(), "items", items->Describe() + " is not a list"}));
    out->push_back(std::move(broken));
  }
}

}  // namespace

Decoded DecodeObject(const Value& value, absl::string_view file) {
  return Decode(value, file, TypeOf(value));
}

DecodedText DecodeText(absl::string_view text, absl::string_view file) {
  DecodedText decoded;
  ParsedText parsed = ParseYaml(text);
  for (Document& document : parsed.documents) {
    if (document.error.has_value()) {
      Decoded broken;
      broken.line = document.line;
      // The key stays empty: what stands twice may be the name.
      const ObjectKey shown = KeyIn(document.head);
      broken.errors.push_back(
          Messages(file, shown)
              .At({document.error->line, document.error->path, document.error->message}));
      decoded.objects.push_back(std::move(broken));
    } else {
      Expand(std::move(document.value), file, {}, &decoded.objects);
    }
  }
  if (parsed.error.has_value()) {
    decoded.error =
        absl::StrCat(file, ":", parsed.error->line, ": not YAML: ", parsed.error->message);
  }
  return decoded;
}

}  // namespace openelb::codec
