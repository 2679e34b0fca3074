#include "controller/kube/testing/ownership.h"

#include <algorithm>
#include <utility>

#include "controller/kube/testing/value_at.h"

namespace openelb::kube::fake {
namespace {

using codec::Value;

struct Owner {
  Manager manager;
  FieldSet fields;
  std::string time;
};

std::vector<Owner> ReadOwners(const Value& object) {
  std::vector<Owner> owners;
  const Value* entries = ValueAt(object, {"metadata", "managedFields"});
  if (entries == nullptr || entries->list() == nullptr) return owners;
  for (const Value& entry : *entries->list()) {
    Owner owner;
    owner.manager.name = TextAt(entry, {"manager"});
    owner.manager.applies = TextAt(entry, {"operation"}) == "Apply";
    owner.manager.api_version = TextAt(entry, {"apiVersion"});
    owner.manager.subresource = TextAt(entry, {"subresource"});
    owner.time = TextAt(entry, {"time"});
    if (const Value* fields = entry.Find("fieldsV1")) owner.fields = FromFieldsV1(*fields);
    owners.push_back(std::move(owner));
  }
  return owners;
}

void WriteOwners(std::vector<Owner> owners, Value* object) {
  std::stable_sort(owners.begin(), owners.end(), [](const Owner& a, const Owner& b) {
    return a.manager.applies && !b.manager.applies;
  });
  Value entries{Value::List()};
  for (const Owner& owner : owners) {
    if (owner.fields.empty()) continue;
    Value entry;
    entry["manager"] = owner.manager.name;
    entry["operation"] = owner.manager.applies ? "Apply" : "Update";
    entry["apiVersion"] = owner.manager.api_version;
    entry["time"] = owner.time;
    entry["fieldsType"] = "FieldsV1";
    entry["fieldsV1"] = ToFieldsV1(owner.fields);
    if (!owner.manager.subresource.empty()) entry["subresource"] = owner.manager.subresource;
    entries.Append(std::move(entry));
  }
  (*object)["metadata"]["managedFields"] = std::move(entries);
}

// The entry of `manager`, made when there is none.
Owner* FindOwner(const Manager& manager, std::vector<Owner>* owners) {
  for (Owner& owner : *owners) {
    if (owner.manager == manager) return &owner;
  }
  owners->push_back({manager, {}, {}});
  return &owners->back();
}

void SetFields(FieldSet fields, absl::string_view time, Owner* owner) {
  if (fields == owner->fields) return;
  owner->fields = std::move(fields);
  owner->time = std::string(time);
}

}  // namespace

void RecordUpdate(const Value& before, const Manager& manager, absl::string_view time,
                  Value* after) {
  const FieldSet had = before.IsNull() ? FieldSet() : FieldsOf(before);
  const FieldSet has = FieldsOf(*after);
  FieldSet changed;
  for (const FieldPath& path : has) {
    if (!had.contains(path) || !SameField(path, before, *after)) changed.insert(path);
  }
  std::vector<Owner> owners = ReadOwners(before);
  Owner* own = FindOwner(manager, &owners);
  FieldSet fields = own->fields;
  fields.insert(changed.begin(), changed.end());
  SetFields(std::move(fields), time, own);
  for (Owner& owner : owners) {
    std::erase_if(owner.fields, [&](const FieldPath& path) {
      return !has.contains(path) || (&owner != own && changed.contains(path));
    });
  }
  WriteOwners(std::move(owners), after);
}

std::vector<ApplyConflict> Apply(const Value& config, const Manager& manager, bool force,
                                 absl::string_view time, Value* object) {
  const FieldSet wanted = FieldsOf(config);
  std::vector<Owner> owners = ReadOwners(*object);
  std::vector<ApplyConflict> conflicts;
  Owner* own = FindOwner(manager, &owners);
  for (Owner& owner : owners) {
    if (&owner == own) continue;
    for (const FieldPath& path : wanted) {
      if (!owner.fields.contains(path) || SameField(path, config, *object)) continue;
      if (force) {
        owner.fields.erase(path);
      } else {
        conflicts.push_back({owner.manager, path});
      }
    }
  }
  if (!conflicts.empty()) return conflicts;
  const auto owned_by_others = [&](const FieldPath& path) {
    return std::any_of(owners.begin(), owners.end(), [&](const Owner& owner) {
      return &owner != own && owner.fields.contains(path);
    });
  };
  for (const FieldPath& path : own->fields) {
    if (!wanted.contains(path) && !owned_by_others(path)) RemoveField(path, object);
  }
  for (const FieldPath& path : wanted) SetField(path, *FindField(config, path), object);
  SetFields(wanted, time, own);
  WriteOwners(std::move(owners), object);
  return {};
}

}  // namespace openelb::kube::fake
