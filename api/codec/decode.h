#pragma once
// Documents to objects: one path for YAML and JSON, for manifests and for what an API server sends.
//
// Life of a document: parse.h makes a Value of it; DecodeText expands lists; DecodeObject finds the
// decoder of its kind (kinds.h), which walks it with a Field cursor; network/validate.h judges the
// whole. A wrong field costs its own object only, and an unknown one costs nothing.

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/codec/value.h"
#include "api/object.h"

namespace openelb::codec {

struct Decoded {
  ObjectKey key;  // as far as it can be told, also of a wrong object; the name may be empty
  int line = 0;
  std::optional<Object> object;  // nullopt: wrong (see errors) or skipped
  bool skipped = false;          // a kind that we do not read, such as Deployment
  // "file:line: Kind/name: field.path: what and what is allowed"; without a file name the first
  // part is left out.
  std::vector<std::string> errors;
  std::vector<std::string> warnings;  // unknown fields
  Value source;                       // what it was decoded from; filled in by DecodeText only
};

// Reads one object (not a list of them). v1alpha1 objects of network.kubesphere.io become the
// types of v1alpha2. `status` is read of Services and Nodes only.
Decoded DecodeObject(const Value& value, absl::string_view file);

struct DecodedText {
  // Of all documents, those of List, ServiceList and the like included, in order. An object without
  // kind or name stands for a document that says too little to be told from others.
  std::vector<Decoded> objects;
  std::optional<std::string> error;  // "file:line: what": not YAML, nothing in it is to be trusted
};

DecodedText DecodeText(absl::string_view text, absl::string_view file);

}  // namespace openelb::codec
