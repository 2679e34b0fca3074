#include "controller/kube/testing/writer.h"

#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/kube/testing/merge_patch.h"
#include "controller/kube/testing/rules.h"
#include "controller/kube/testing/value_at.h"
#include "controller/kube/testing/watch.h"

namespace openelb::kube::fake {
namespace {

using codec::Value;

std::string MetaText(const Value& object, absl::string_view key) {
  return TextAt(object, {"metadata", key});
}

bool IsBeingDeleted(const Value& object) { return !MetaText(object, "deletionTimestamp").empty(); }
bool HasFinalizers(const Value& object) { return IsGivenAt(object, {"metadata", "finalizers"}); }

// The member `key` of `to` becomes that of `from`, present or not.
void CopyMember(const Value& from, absl::string_view key, Value* to) {
  const Value* member = from.Find(key);
  if (member != nullptr) {
    (*to)[key] = *member;
  } else if (to->map() != nullptr) {
    to->map()->erase(std::string(key));
  }
}

void EraseMembers(std::initializer_list<const char*> keys, Value* value) {
  for (const char* key : keys) value->map()->erase(key);
}

// Null and empty maps and lists of metadata are not kept, as in the real server's types.
void Tidy(Value* object) {
  for (const char* key : {"labels", "annotations", "finalizers", "ownerReferences"}) {
    if (!IsGivenAt(*object, {"metadata", key})) EraseMembers({key}, &(*object)["metadata"]);
  }
}

// `object` without what a write changes by itself.
Value Content(Value object, bool with_owners) {
  EraseMembers({"resourceVersion"}, &object["metadata"]);
  if (!with_owners) EraseMembers({"managedFields"}, &object["metadata"]);
  return object;
}

// What a generation counts changes of.
Value Specification(Value object) {
  EraseMembers({"metadata", "status"}, &object);
  return object;
}

void BumpGeneration(Value* object) {
  Value& generation = (*object)["metadata"]["generation"];
  generation = static_cast<int64_t>(*generation.integer()) + 1;
}

Manager ManagerOf(const ApiRequest& request, bool applies) {
  const absl::string_view name = request.Param("fieldManager");
  return {.name = name.empty() ? "unknown" : std::string(name),
          .applies = applies,
          .api_version = request.type->ApiVersion(request.version),
          .subresource = request.subresource};
}

Reply Shown(const ApiRequest& request, const Value& object, int status = 200) {
  Reply reply;
  reply.status = status;
  reply.body = Render(object, *request.type, request.version);
  return reply;
}

// Whether `object` is of the type that the path names.
std::optional<Reply> CheckType(const ApiRequest& request, const Value& object) {
  const ResourceType& type = *request.type;
  const std::string kind = TextAt(object, {"kind"});
  if (object.map() == nullptr || (type.custom && kind.empty())) {
    return BadRequest(
        absl::StrCat("the object provided is unrecognized (must be of type ", type.kind, ")"));
  }
  if (kind.empty() || kind == type.kind) return std::nullopt;
  return BadRequest(absl::StrCat(kind, " cannot be handled as a ", type.kind));
}

// The part of an applied object that the path lets through.
Value Applicable(const ApiRequest& request, Value config) {
  if (request.subresource.empty()) {
    if (request.type->has_status) EraseMembers({"status"}, &config);
    return config;
  }
  Value part;
  for (const char* key : {"apiVersion", "kind", "status"}) CopyMember(config, key, &part);
  if (!request.type->custom) CopyMember(config, "metadata", &part);
  return part;
}

Reply ApplyFailed(const std::vector<ApplyConflict>& conflicts) {
  Value details;
  std::string message = absl::StrCat("Apply failed with ", conflicts.size(),
                                     conflicts.size() == 1 ? " conflict" : " conflicts");
  for (const ApplyConflict& conflict : conflicts) {
    std::string who = absl::StrCat("conflict with \"", conflict.owner.name, "\"");
    if (!conflict.owner.subresource.empty()) {
      absl::StrAppend(&who, " with subresource \"", conflict.owner.subresource, "\"");
    }
    if (!conflict.owner.applies) absl::StrAppend(&who, " using ", conflict.owner.api_version);
    const std::string field = FieldName(conflict.field);
    absl::StrAppend(&message, ": ", who, ": ", field);
    details["causes"].Append(
        Value(Value::Map{{"reason", "FieldManagerConflict"}, {"message", who}, {"field", field}}));
  }
  return Refuse(409, "Conflict", message, std::move(details));
}

}  // namespace

Reply Writer::Create(const ApiRequest& request, Value object) {
  if (auto refusal = CheckType(request, object)) return *std::move(refusal);
  if (!MetaText(object, "resourceVersion").empty()) {
    return Refuse(500, "", "resourceVersion should not be set on objects to be created");
  }
  return Insert(request, std::move(object), ManagerOf(request, /*applies=*/false));
}

Reply Writer::Insert(const ApiRequest& request, Value object, const Manager& manager) {
  const ResourceType& type = *request.type;
  Value& metadata = object["metadata"];
  if (metadata.map() == nullptr) metadata = Value(Value::Map());
  const std::string uid = NextUid();
  std::string name = MetaText(object, "name");
  if (const std::string prefix = MetaText(object, "generateName"); name.empty() && !prefix.empty())
    name = absl::StrCat(prefix, absl::Hex(0x10000 + uids_));
  if (name.empty()) {
    return Invalid(type, "", "metadata.name", "Required value: name or generateName is required");
  }
  const std::string ns = MetaText(object, "namespace");
  if (!ns.empty() && ns != request.ns) {
    return BadRequest(
        "the namespace of the provided object does not match the namespace sent on the request");
  }
  if (type.namespaced) {
    const ResourceType* namespaces = FindByResource("", "namespaces");
    const StoredObject home = store_->Get({namespaces, "", request.ns});
    if (home == nullptr) return NotFound(*namespaces, request.ns);
    if (IsBeingDeleted(*home)) {
      return Refuse(403, "Forbidden",
                    absl::StrCat(type.resource, " \"", name,
                                 "\" is forbidden: unable to create new content in namespace ",
                                 request.ns, " because it is being terminated"),
                    Details(type, name));
    }
    metadata["namespace"] = request.ns;
  }
  const StoreKey key{&type, request.ns, name};
  if (store_->Get(key) != nullptr) return AlreadyExists(type, name);
  EraseMembers({"deletionTimestamp", "deletionGracePeriodSeconds", "managedFields"}, &metadata);
  metadata["name"] = name;
  metadata["uid"] = uid;
  metadata["creationTimestamp"] = Now();
  if (type.counts_generation) metadata["generation"] = 1;
  if (type.has_status) EraseMembers({"status"}, &object);
  object["apiVersion"] = type.ApiVersion(type.version);
  object["kind"] = type.kind;
  Tidy(&object);
  FillIn(type, uids_, &object);
  if (auto refusal = Check(type, object, nullptr)) return *std::move(refusal);
  RecordUpdate({}, manager, Now(), &object);
  return Shown(request, *store_->Put(key, std::move(object)), 201);
}

Reply Writer::Update(const ApiRequest& request, Value object) {
  const ResourceType& type = *request.type;
  if (auto refusal = CheckType(request, object)) return *std::move(refusal);
  if (MetaText(object, "name") != request.name) {
    return BadRequest(absl::StrCat("the name of the object (", MetaText(object, "name"),
                                   ") does not match the name on the URL (", request.name, ")"));
  }
  const StoredObject live = store_->Get({&type, request.ns, request.name});
  const std::string uid = MetaText(object, "uid");
  if (live == nullptr && !(type.create_on_update && request.subresource.empty())) {
    return NotFound(type, request.name);
  }
  if (const std::string own = live == nullptr ? "" : MetaText(*live, "uid");
      !uid.empty() && uid != own) {
    return Conflict(type, request.name,
                    absl::StrCat("Precondition failed: UID in precondition: ", uid,
                                 ", UID in object meta: ", own));
  }
  if (live == nullptr) {
    // Whatever revision it names: a deleted object comes back.
    EraseMembers({"resourceVersion"}, &object["metadata"]);
    return Insert(request, std::move(object), ManagerOf(request, /*applies=*/false));
  }
  if (MetaText(object, "resourceVersion").empty() && !type.unconditional_update) {
    return Invalid(type, request.name, "metadata.resourceVersion",
                   "Invalid value: 0: must be specified for an update");
  }
  return Finish(request, *live, std::move(object), ManagerOf(request, /*applies=*/false));
}

Reply Writer::MergePatch(const ApiRequest& request, const Value& patch) {
  const ResourceType& type = *request.type;
  const StoredObject live = store_->Get({&type, request.ns, request.name});
  if (live == nullptr) return NotFound(type, request.name);
  Value updated = *live;
  fake::MergePatch(patch, &updated);
  if (updated.map() == nullptr) return BadRequest("the patch leaves no object");
  return Finish(request, *live, std::move(updated), ManagerOf(request, /*applies=*/false));
}

Reply Writer::Apply(const ApiRequest& request, Value config) {
  const ResourceType& type = *request.type;
  if (request.Param("fieldManager").empty()) {
    Reply reply = Refuse(422, "Invalid",
                         "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: "
                         "is required for apply patch");
    return reply;
  }
  if (TextAt(config, {"kind"}) != type.kind) return BadRequest("invalid object type");
  if (IsGivenAt(config, {"metadata", "managedFields"})) {
    return BadRequest("metadata.managedFields must be nil");
  }
  const Manager manager = ManagerOf(request, /*applies=*/true);
  const StoredObject live = store_->Get({&type, request.ns, request.name});
  if (live == nullptr && !request.subresource.empty()) return NotFound(type, request.name);
  if (live == nullptr) return Insert(request, std::move(config), manager);
  Value updated = *live;
  const std::string revision = MetaText(config, "resourceVersion");
  const std::vector<ApplyConflict> conflicts = fake::Apply(
      Applicable(request, std::move(config)), manager, request.BoolParam("force"), Now(), &updated);
  if (!conflicts.empty()) return ApplyFailed(conflicts);
  if (!revision.empty()) updated["metadata"]["resourceVersion"] = revision;
  return Finish(request, *live, std::move(updated), manager);
}

Reply Writer::Finish(const ApiRequest& request, const Value& live, Value updated,
                     const Manager& manager) {
  const ResourceType& type = *request.type;
  if (updated["metadata"].map() == nullptr) updated["metadata"] = Value(Value::Map());
  const std::string revision = MetaText(updated, "resourceVersion");
  if (!revision.empty() && revision != MetaText(live, "resourceVersion")) {
    return Modified(type, request.name);
  }
  if (const std::string uid = MetaText(updated, "uid");
      !uid.empty() && uid != MetaText(live, "uid")) {
    return Invalid(type, request.name, "metadata.uid",
                   absl::StrCat("Invalid value: \"", uid, "\": field is immutable"));
  }
  const Value owners = updated["metadata"]["managedFields"];  // meant when it was applied
  if (request.subresource == "status") {
    // Of a custom resource nothing else; of the others all but the specification.
    Value status = std::move(updated);
    updated = live;
    CopyMember(status, "status", &updated);
    if (!type.custom) CopyMember(status, "metadata", &updated);
  } else if (type.has_status) {
    CopyMember(live, "status", &updated);
    ResetStatus(type, &updated);
  }
  Value& metadata = updated["metadata"];
  for (const absl::string_view key : {"name", "namespace", "uid", "creationTimestamp", "generation",
                                      "deletionTimestamp", "deletionGracePeriodSeconds"}) {
    CopyMember(*live.Find("metadata"), key, &metadata);
  }
  updated["apiVersion"] = type.ApiVersion(type.version);
  updated["kind"] = type.kind;
  Tidy(&updated);
  FillIn(type, uids_, &updated);
  if (auto refusal = Check(type, updated, &live)) return *std::move(refusal);
  if (manager.applies) {
    metadata["managedFields"] = owners;
  } else {
    RecordUpdate(live, manager, Now(), &updated);
  }
  // Who owns what is content when it is applied; an update that changes nothing is none.
  if (Content(updated, manager.applies) == Content(live, manager.applies)) {
    return Shown(request, live);
  }
  if (type.counts_generation && !(Specification(updated) == Specification(live))) {
    BumpGeneration(&updated);
  }
  const StoreKey key{&type, request.ns, request.name};
  if (IsBeingDeleted(live) && !HasFinalizers(updated)) {
    // Watchers see the object as it was before its last finalizer went.
    store_->Delete(key);
    return Shown(request, updated);
  }
  return Shown(request, *store_->Put(key, std::move(updated)));
}

Reply Writer::Delete(const ApiRequest& request, const Value& options) {
  const ResourceType& type = *request.type;
  const StoreKey key{&type, request.ns, request.name};
  const StoredObject live = store_->Get(key);
  if (live == nullptr) return NotFound(type, request.name);
  for (const char* field : {"uid", "resourceVersion"}) {
    const std::string wanted = TextAt(options, {"preconditions", field});
    if (wanted.empty() || wanted == MetaText(*live, field)) continue;
    return Conflict(type, request.name,
                    absl::StrCat("the ", field, " in the precondition (", wanted,
                                 ") does not match that in record (", MetaText(*live, field), ")"));
  }
  if (HasFinalizers(*live)) {
    if (IsBeingDeleted(*live)) return Shown(request, *live);
    Value marked = *live;
    marked["metadata"]["deletionTimestamp"] = Now();
    marked["metadata"]["deletionGracePeriodSeconds"] = 0;
    if (type.counts_generation) BumpGeneration(&marked);
    return Shown(request, *store_->Put(key, std::move(marked)));
  }
  if (type.kind == "Namespace") DeleteContentsOf(request.name);
  store_->Delete(key);
  Value details = Details(type, request.name);
  details["uid"] = MetaText(*live, "uid");
  Reply reply;
  reply.body = StatusBody(200, "", "", std::move(details));
  return reply;
}

// The namespace controller's work, all at once; what has finalizers stays until these go.
void Writer::DeleteContentsOf(const std::string& ns) {
  for (const StoredObject& object : store_->ListNamespace(ns)) {
    ApiRequest request;
    request.type = FindByKind(TextAt(*object, {"apiVersion"}), TextAt(*object, {"kind"}));
    request.version = std::string(request.type->version);
    request.ns = ns;
    request.name = MetaText(*object, "name");
    Delete(request, {});
  }
}

std::string Writer::Now() const {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", clock_->Wall(), absl::UTCTimeZone());
}

std::string Writer::NextUid() {
  ++uids_;
  return absl::StrCat("00000000-0000-4000-8000-", absl::Hex(uids_, absl::kZeroPad12));
}

}  // namespace openelb::kube::fake
