#pragma once
// One object that we write onto: what the API server shows of it, and the next patch that brings it
// to what it should show. Pure, and level-triggered: only the newest of both sides counts.

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/codec/value.h"
#include "api/object.h"

namespace openelb::kube {

// The parts of metadata that every writer needs.
struct ShownMeta {
  std::string uid;
  std::string version;
  bool deleting = false;
  std::vector<std::string> finalizers;

  bool Has(absl::string_view finalizer) const;
};
ShownMeta ReadMeta(const codec::Value& object);

// A JSON merge patch. The writer adds the uid, so that it never meets a later object of that name.
struct Patch {
  bool status = false;  // of the subresource
  codec::Value body;
  // The body replaces a list that others write too: only the version it was made from will do.
  bool of_version = false;
};

// metadata.finalizers with or without one of them, the others kept; null: none is left. nullopt: it
// is so already.
std::optional<codec::Value> FinalizersWith(const ShownMeta& meta, const char* finalizer,
                                           bool wanted);

// A condition that stands in both lists with the same status keeps the time it had, so that a new
// process, which knows no earlier times, writes nothing. The lists are status.conditions; either
// may be null.
void KeepTransitionTimes(const codec::Value* shown, codec::Value* wanted);

// Path of the object in the API. Services, Namespaces, Nodes and our own kinds.
std::string ObjectPath(const ObjectKey& key);
std::string ApiVersionOf(absl::string_view kind);

}  // namespace openelb::kube
