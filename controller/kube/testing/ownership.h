#pragma once
// Who owns which field of an object (metadata.managedFields), and server-side apply.

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/codec/value.h"
#include "controller/kube/testing/field_set.h"

namespace openelb::kube::fake {

struct Manager {
  std::string name;
  bool applies = false;  // server-side apply; its fields are kept apart from those of its updates
  std::string api_version;
  std::string subresource;
  bool operator==(const Manager&) const = default;
};

// What `manager` changed between `before` (null: nothing) and `after` becomes its own, and no one
// else's. Writes after.metadata.managedFields; `time` stamps what is new there.
void RecordUpdate(const codec::Value& before, const Manager& manager, absl::string_view time,
                  codec::Value* after);

struct ApplyConflict {
  Manager owner;
  FieldPath field;
};

// Brings `object` to what `config` says: sets its fields, removes those `manager` applied before
// and no longer names, unless others own them too. Without `force` nothing happens when another
// manager owns a field with another value; returns these.
std::vector<ApplyConflict> Apply(const codec::Value& config, const Manager& manager, bool force,
                                 absl::string_view time, codec::Value* object);

}  // namespace openelb::kube::fake
