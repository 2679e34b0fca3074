#include "controller/kube/testing/field_set.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "api/codec/write.h"
#include "controller/kube/json.h"

namespace openelb::kube::fake {
namespace {

using codec::Value;

// How items of a list are told apart.
struct ListKind {
  bool is_set = false;
  std::vector<absl::string_view> keys;
};

// nullopt: the list is one leaf.
std::optional<ListKind> KindOfList(const FieldPath& path) {
  if (path.empty()) return std::nullopt;
  const absl::string_view name = absl::StripPrefix(path.back(), "f:");
  if (name == "finalizers") return ListKind{true, {}};
  if (name == "conditions") return ListKind{false, {"type"}};
  if (name == "ownerReferences") return ListKind{false, {"uid"}};
  if (name == "containers") return ListKind{false, {"name"}};
  // Of a Service; those of an EndpointSlice stand at the root.
  if (name == "ports" && path.size() == 2) return ListKind{false, {"port", "protocol"}};
  return std::nullopt;
}

// Maps that are one leaf.
bool IsAtomic(const FieldPath& path) {
  return !path.empty() && (path.back() == "f:nodeSelector" || path.back() == "f:selector");
}

std::string ItemElement(const ListKind& kind, const Value& item) {
  if (kind.is_set) return absl::StrCat("v:", codec::ToJson(item));
  Value keys{Value::Map()};
  for (const absl::string_view key : kind.keys) {
    if (const Value* value = item.Find(key)) keys[key] = *value;
  }
  return absl::StrCat("k:", codec::ToJson(keys));
}

Value ItemOf(const std::string& element) {
  return ParseJson(absl::string_view(element).substr(2)).value_or(Value());
}

bool IsItem(absl::string_view element) { return !absl::StartsWith(element, "f:"); }

void Collect(const Value& value, FieldPath* path, FieldSet* fields) {
  const std::optional<ListKind> kind = value.list() == nullptr ? std::nullopt : KindOfList(*path);
  if (kind.has_value() && !value.list()->empty()) {
    for (const Value& item : *value.list()) {
      path->push_back(ItemElement(*kind, item));
      fields->insert(*path);
      if (!kind->is_set) Collect(item, path, fields);
      path->pop_back();
    }
    return;
  }
  const bool leaf = value.map() == nullptr || value.map()->empty() || IsAtomic(*path);
  if (leaf) {
    if (!path->empty()) fields->insert(*path);
    return;
  }
  for (const auto& [key, member] : *value.map()) {
    path->push_back(absl::StrCat("f:", key));
    Collect(member, path, fields);
    path->pop_back();
  }
}

// The place of `element` among `items`; their end when it is not there.
template <typename List>
auto FindItem(List& items, const FieldPath& list_path, const std::string& element) {
  const ListKind kind = KindOfList(list_path).value_or(ListKind());
  return std::find_if(items.begin(), items.end(),
                      [&](const Value& item) { return ItemElement(kind, item) == element; });
}

template <typename V>
V* Walk(V* value, const FieldPath& path) {
  FieldPath walked;
  for (const std::string& element : path) {
    if (IsItem(element)) {
      if (value->list() == nullptr) return nullptr;
      const auto it = FindItem(*value->list(), walked, element);
      if (it == value->list()->end()) return nullptr;
      value = &*it;
    } else {
      if (value->map() == nullptr) return nullptr;
      const auto it = value->map()->find(absl::StripPrefix(element, "f:"));
      if (it == value->map()->end()) return nullptr;
      value = &it->second;
    }
    walked.push_back(element);
  }
  return value;
}

void AddNode(const FieldPath& path, size_t at, Value* node) {
  if (at == path.size()) {
    (*node)["."] = Value(Value::Map());
    return;
  }
  AddNode(path, at + 1, &(*node)[path[at]]);
}

// A node that says of itself only is {}.
void Shorten(Value* node) {
  if (node->map()->size() == 1 && node->map()->contains(".")) node->map()->clear();
  for (auto& [name, child] : *node->map()) {
    if (name != ".") Shorten(&child);
  }
}

void ReadNode(const Value& node, FieldPath* path, FieldSet* fields) {
  if (node.map() == nullptr) return;
  if (node.map()->empty()) fields->insert(*path);
  for (const auto& [name, child] : *node.map()) {
    if (name == ".") {
      fields->insert(*path);
      continue;
    }
    path->push_back(name);
    ReadNode(child, path, fields);
    path->pop_back();
  }
}

}  // namespace

FieldSet FieldsOf(const Value& object) {
  Value own = object;
  own.map()->erase("apiVersion");
  own.map()->erase("kind");
  if (const auto it = own.map()->find("metadata"); it != own.map()->end()) {
    for (const char* key :
         {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp",
          "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "generateName"}) {
      it->second.map()->erase(key);
    }
    if (it->second.map()->empty()) own.map()->erase(it);
  }
  FieldPath path;
  FieldSet fields;
  Collect(own, &path, &fields);
  return fields;
}

const Value* FindField(const Value& object, const FieldPath& path) { return Walk(&object, path); }

void SetField(const FieldPath& path, const Value& value, Value* object) {
  Value* at = object;
  FieldPath walked;
  for (const std::string& element : path) {
    if (IsItem(element)) {
      if (at->list() == nullptr) *at = Value(Value::List());
      auto it = FindItem(*at->list(), walked, element);
      if (it == at->list()->end()) it = at->list()->insert(it, ItemOf(element));
      at = &*it;
    } else {
      if (at->map() == nullptr) *at = Value(Value::Map());
      at = &(*at)[absl::StripPrefix(element, "f:")];
    }
    walked.push_back(element);
  }
  const bool keeps_members = value.map() != nullptr && value.map()->empty() && at->map() != nullptr;
  if (!IsItem(path.back()) && !keeps_members) *at = value;
}

void RemoveField(const FieldPath& path, Value* object) {
  const FieldPath parent(path.begin(), path.end() - 1);
  Value* holder = Walk(object, parent);
  if (holder == nullptr) return;
  if (Value::List* items = holder->list(); items != nullptr && IsItem(path.back())) {
    const auto it = FindItem(*items, parent, path.back());
    if (it != items->end()) items->erase(it);
  } else if (holder->map() != nullptr && !IsItem(path.back())) {
    const auto it = holder->map()->find(path.back().substr(2));
    if (it == holder->map()->end()) return;
    if (it->second.map() != nullptr && !it->second.map()->empty() && !IsAtomic(path)) return;
    holder->map()->erase(it);
  }
  // What holds nothing any more goes too.
  const bool empty = (holder->map() != nullptr && holder->map()->empty()) ||
                     (holder->list() != nullptr && holder->list()->empty());
  if (empty && parent.size() > 1) RemoveField(parent, object);
}

bool SameField(const FieldPath& path, const Value& a, const Value& b) {
  const Value* in_a = FindField(a, path);
  const Value* in_b = FindField(b, path);
  if (in_a == nullptr || in_b == nullptr) return in_a == in_b;
  return IsItem(path.back()) || *in_a == *in_b;
}

Value ToFieldsV1(const FieldSet& fields) {
  Value root{Value::Map()};
  for (const FieldPath& path : fields) AddNode(path, 0, &root);
  Shorten(&root);
  return root;
}

FieldSet FromFieldsV1(const Value& fields) {
  FieldSet set;
  FieldPath path;
  ReadNode(fields, &path, &set);
  set.erase(FieldPath());
  return set;
}

std::string FieldName(const FieldPath& path) {
  std::string name;
  for (const std::string& element : path) {
    if (!IsItem(element)) {
      absl::StrAppend(&name, ".", element.substr(2));
      continue;
    }
    const Value item = ItemOf(element);
    if (item.map() == nullptr) {
      absl::StrAppend(&name, "[=", codec::ToJson(item), "]");
      continue;
    }
    absl::string_view separator = "[";
    for (const auto& [key, value] : *item.map()) {
      absl::StrAppend(&name, separator, key, "=", codec::ToJson(value));
      separator = ",";
    }
    name.push_back(']');
  }
  return name;
}

}  // namespace openelb::kube::fake
