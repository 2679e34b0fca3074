#include "controller/kube/testing/writer.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/kube/testing/merge_patch.h"
#include "controller/kube/testing/rules.h"
#include "controller/kube/testing/watch.h"

namespace openelb::kube::fake {
namespace {

using codec::Value;

// Never clients' to choose.
constexpr absl::string_view kSystemFields[] = {"uid", "creationTimestamp", "generation",
                                               "deletionTimestamp", "deletionGracePeriodSeconds"};

std::string MetaText(const Value& object, absl::string_view key) {
  const Value* metadata = object.Find("metadata");
  const Value* value = metadata == nullptr ? nullptr : metadata->Find(key);
  const std::string* text = value == nullptr ? nullptr : value->string();
  return text == nullptr ? std::string() : *text;
}

bool HasFinalizers(const Value& object) {
  const Value* finalizers = object.Find("metadata")->Find("finalizers");
  return finalizers != nullptr && finalizers->list() != nullptr && !finalizers->list()->empty();
}

// The member `key` of `to` becomes that of `from`, present or not.
void CopyMember(const Value& from, absl::string_view key, Value* to) {
  const Value* member = from.Find(key);
  if (member != nullptr) {
    (*to)[key] = *member;
  } else if (to->map() != nullptr) {
    to->map()->erase(std::string(key));
  }
}

// Null and empty maps and lists of metadata are not kept, as in the real server's types.
void Tidy(Value* object) {
  Value::Map* metadata = (*object)["metadata"].map();
  for (const char* key : {"labels", "annotations", "finalizers", "ownerReferences"}) {
    const auto it = metadata->find(key);
    if (it == metadata->end()) continue;
    const Value& value = it->second;
    if (value.IsNull() || (value.map() != nullptr && value.map()->empty()) ||
        (value.list() != nullptr && value.list()->empty())) {
      metadata->erase(it);
    }
  }
}

// `object` without what changes by itself.
Value Content(const Value& object) {
  Value content = object;
  Value::Map* metadata = content["metadata"].map();
  metadata->erase("managedFields");
  metadata->erase("resourceVersion");
  return content;
}

// What a generation counts changes of.
Value Specification(const Value& object) {
  Value specification = object;
  specification.map()->erase("metadata");
  specification.map()->erase("status");
  return specification;
}

void BumpGeneration(Value* object) {
  Value& generation = (*object)["metadata"]["generation"];
  generation = static_cast<int64_t>(*generation.integer()) + 1;
}

Reply Modified(const ResourceType& type, absl::string_view name) {
  return Conflict(type, name,
                  "the object has been modified; please apply your changes to the latest version "
                  "and try again");
}

}  // namespace

Reply Writer::Create(const ApiRequest& request, Value object) {
  const ResourceType& type = *request.type;
  if (object.map() == nullptr) return BadRequest("the body is no object");
  Value& metadata = object["metadata"];
  if (metadata.map() == nullptr) metadata = Value(Value::Map());
  std::string name = MetaText(object, "name");
  const std::string prefix = MetaText(object, "generateName");
  if (name.empty() && !prefix.empty()) name = absl::StrCat(prefix, absl::Hex(0x10000 + uids_));
  if (name.empty()) {
    return Invalid(type, "", "metadata.name", "Required value: name or generateName is required");
  }
  const std::string ns = MetaText(object, "namespace");
  if (!ns.empty() && ns != request.ns) {
    return BadRequest(
        "the namespace of the provided object does not match the namespace sent on the request");
  }
  const StoreKey key{&type, request.ns, name};
  if (type.namespaced) {
    const ResourceType* namespaces = FindByResource("", "namespaces");
    const StoredObject home = store_->Get({namespaces, "", request.ns});
    if (home == nullptr) return NotFound(*namespaces, request.ns);
    if (!MetaText(*home, "deletionTimestamp").empty()) {
      return Refuse(403, "Forbidden",
                    absl::StrCat(type.resource, " \"", name,
                                 "\" is forbidden: unable to create new content in namespace ",
                                 request.ns, " because it is being terminated"),
                    Details(type, name));
    }
    metadata["namespace"] = request.ns;
  }
  if (store_->Get(key) != nullptr) {
    return Refuse(409, "AlreadyExists",
                  absl::StrCat(type.resource, type.group.empty() ? "" : ".", type.group, " \"",
                               name, "\" already exists"),
                  Details(type, name));
  }
  metadata["name"] = name;
  metadata.map()->erase("deletionTimestamp");
  metadata.map()->erase("resourceVersion");
  metadata.map()->erase("managedFields");
  metadata["uid"] = NextUid();
  metadata["creationTimestamp"] = Now();
  if (type.counts_generation) metadata["generation"] = 1;
  if (type.has_status) object.map()->erase("status");
  object["apiVersion"] = type.ApiVersion(type.version);
  object["kind"] = type.kind;
  Tidy(&object);
  FillIn(type, uids_, &object);
  if (auto refusal = Check(type, object, nullptr)) return *std::move(refusal);
  Value entry(Value::Map{{"manager", "double"}, {"operation", "Update"}});
  metadata["managedFields"].Append(std::move(entry));
  return Done(request, *store_->Put(key, std::move(object)), 201);
}

Reply Writer::Update(const ApiRequest& request, Value object) {
  const ResourceType& type = *request.type;
  const StoredObject live = store_->Get({&type, request.ns, request.name});
  if (live == nullptr) return NotFound(type, request.name);
  if (object.map() == nullptr) return BadRequest("the body is no object");
  if (MetaText(object, "name") != request.name) {
    return BadRequest(absl::StrCat("the name of the object (", MetaText(object, "name"),
                                   ") does not match the name on the URL (", request.name, ")"));
  }
  if (MetaText(object, "resourceVersion").empty() && !type.unconditional_update) {
    return Invalid(type, request.name, "metadata.resourceVersion",
                   "Invalid value: 0: must be specified for an update");
  }
  return Finish(request, *live, std::move(object), {});
}

Reply Writer::MergePatch(const ApiRequest& request, const Value& patch) {
  const ResourceType& type = *request.type;
  const StoredObject live = store_->Get({&type, request.ns, request.name});
  if (live == nullptr) return NotFound(type, request.name);
  Value updated = *live;
  fake::MergePatch(patch, &updated);
  if (updated.map() == nullptr) return BadRequest("the patch leaves no object");
  return Finish(request, *live, std::move(updated), {});
}

Reply Writer::Apply(const ApiRequest& request, const Value& config) {
  return MergePatch(request, config);
}

Reply Writer::Finish(const ApiRequest& request, const Value& live, Value updated,
                     const Manager& /*manager*/) {
  const ResourceType& type = *request.type;
  if (updated["metadata"].map() == nullptr) updated["metadata"] = Value(Value::Map());
  const std::string revision = MetaText(updated, "resourceVersion");
  if (!revision.empty() && revision != MetaText(live, "resourceVersion")) {
    return Modified(type, request.name);
  }
  const std::string uid = MetaText(updated, "uid");
  if (!uid.empty() && uid != MetaText(live, "uid")) {
    return Conflict(type, request.name,
                    absl::StrCat("Precondition failed: UID in precondition: ", uid,
                                 ", UID in object meta: ", MetaText(live, "uid")));
  }
  if (request.subresource == "status") {
    // Of a custom resource nothing else; of the others all but the specification.
    Value status = updated;
    updated = live;
    CopyMember(status, "status", &updated);
    if (!type.custom) CopyMember(status, "metadata", &updated);
  } else if (type.has_status) {
    CopyMember(live, "status", &updated);
  }
  for (const absl::string_view field : kSystemFields) {
    CopyMember(*live.Find("metadata"), field, &updated["metadata"]);
  }
  updated["metadata"]["name"] = request.name;
  if (type.namespaced) updated["metadata"]["namespace"] = request.ns;
  updated["apiVersion"] = type.ApiVersion(type.version);
  updated["kind"] = type.kind;
  CopyMember(*live.Find("metadata"), "managedFields", &updated["metadata"]);
  Tidy(&updated);
  FillIn(type, uids_, &updated);
  if (auto refusal = Check(type, updated, &live)) return *std::move(refusal);
  if (Content(updated) == Content(live)) return Done(request, live);
  if (type.counts_generation && !(Specification(updated) == Specification(live))) {
    BumpGeneration(&updated);
  }
  const StoreKey key{&type, request.ns, request.name};
  const bool gone = !MetaText(live, "deletionTimestamp").empty() && !HasFinalizers(updated);
  StoredObject stored = store_->Put(key, std::move(updated));
  if (gone) stored = store_->Delete(key);
  return Done(request, *stored);
}

Reply Writer::Delete(const ApiRequest& request, const Value& options) {
  const ResourceType& type = *request.type;
  const StoreKey key{&type, request.ns, request.name};
  const StoredObject live = store_->Get(key);
  if (live == nullptr) return NotFound(type, request.name);
  if (const Value* preconditions = options.Find("preconditions")) {
    for (const char* field : {"uid", "resourceVersion"}) {
      const Value* wanted = preconditions->Find(field);
      if (wanted == nullptr || wanted->string() == nullptr) continue;
      if (*wanted->string() == MetaText(*live, field)) continue;
      return Conflict(
          type, request.name,
          absl::StrCat("Precondition failed: ", field, " in precondition: ", *wanted->string(),
                       ", in object meta: ", MetaText(*live, field)));
    }
  }
  if (HasFinalizers(*live)) {
    if (!MetaText(*live, "deletionTimestamp").empty()) return Done(request, *live);
    Value marked = *live;
    marked["metadata"]["deletionTimestamp"] = Now();
    marked["metadata"]["deletionGracePeriodSeconds"] = 0;
    if (type.counts_generation) BumpGeneration(&marked);
    return Done(request, *store_->Put(key, std::move(marked)));
  }
  if (type.kind == "Namespace") DeleteContentsOf(request.name);
  store_->Delete(key);
  Value details = Details(type, request.name);
  details["uid"] = MetaText(*live, "uid");
  Reply reply;
  reply.body = StatusBody(200, "", "", std::move(details));
  return reply;
}

void Writer::DeleteContentsOf(const std::string& ns) {
  for (const StoredObject& object : store_->ListNamespace(ns)) {
    ApiRequest request;
    request.type =
        FindByKind(*object->Find("apiVersion")->string(), *object->Find("kind")->string());
    request.version = std::string(request.type->version);
    request.ns = ns;
    request.name = MetaText(*object, "name");
    Delete(request, {});
  }
}

Reply Writer::Done(const ApiRequest& request, const Value& object, int status) const {
  Reply reply;
  reply.status = status;
  reply.body = Render(object, *request.type, request.version);
  return reply;
}

std::string Writer::Now() const {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", clock_->Wall(), absl::UTCTimeZone());
}

std::string Writer::NextUid() {
  ++uids_;
  return absl::StrCat("00000000-0000-4000-8000-", absl::Hex(uids_, absl::kZeroPad12));
}

}  // namespace openelb::kube::fake
