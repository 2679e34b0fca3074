#pragma once
// Sets of fields of an object, as metadata.managedFields writes them ("FieldsV1").

#include <set>
#include <string>
#include <vector>

#include "api/codec/value.h"

namespace openelb::kube::fake {

// From the root: "f:NAME" is a member of a map, "k:{KEYS}" the item of a list with these keys,
// "v:VALUE" an item of a set.
using FieldPath = std::vector<std::string>;
using FieldSet = std::set<FieldPath>;

// Every leaf, and every item of a list with keys. Lists without keys are leaves. What the server
// itself writes (identity, revision, ownership) is left out.
FieldSet FieldsOf(const codec::Value& object);

// Null pointer when it is not there.
const codec::Value* FindField(const codec::Value& object, const FieldPath& path);
// Makes what leads to it. Of an item of a list with keys only the keys; an empty map takes nothing
// from one with members.
void SetField(const FieldPath& path, const codec::Value& value, codec::Value* object);
// Leaves a map that has members.
void RemoveField(const FieldPath& path, codec::Value* object);
// Whether the field is the same in both, or in neither; items of lists with keys count as present
// or not.
bool SameField(const FieldPath& path, const codec::Value& a, const codec::Value& b);

codec::Value ToFieldsV1(const FieldSet& fields);
FieldSet FromFieldsV1(const codec::Value& fields);

// ".status.conditions[type=\"Ready\"].reason", as conflicts name it.
std::string FieldName(const FieldPath& path);

}  // namespace openelb::kube::fake
