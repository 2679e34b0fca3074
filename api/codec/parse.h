#pragma once
// Text to values. YAML of Kubernetes' dialect, of which JSON is a part: one reader for both.

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/codec/value.h"

namespace openelb::codec {

struct ParseError {
  int line = 0;  // from 1
  std::string message;
  std::string path;  // of what is wrong in a document, as far as it can be told
};

struct Document {
  Value value;
  int line = 0;  // where it begins
  // The document is well-formed but must not be used: a key stands twice, it is nested too deep, or
  // its aliases grow beyond all measure. The documents after it are sound.
  std::optional<ParseError> error;
  // With an error: apiVersion, kind, metadata.name and metadata.namespace, as far as they stand
  // before it.
  Value head;
};

struct ParsedText {
  std::vector<Document>
      documents;  // those before the error, when there is one; empty ones left out
  std::optional<ParseError> error;  // the text is not YAML; nothing in it should be trusted
};

// "spec", "address" -> "spec.address"; keys with other characters than letters and digits in
// brackets: "metadata.labels[a/b]".
std::string JoinPath(absl::string_view parent, absl::string_view key);

// Texts up to 64 MiB, nested up to 100 levels, whose aliases add up to 4 MiB; keys up to 1024
// characters.
ParsedText ParseYaml(absl::string_view text);

}  // namespace openelb::codec
