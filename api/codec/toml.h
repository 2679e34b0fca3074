#pragma once
// TOML to values, as far as configurations of GoBGP need it: tables, arrays of tables, dotted and
// quoted keys, strings on one line, decimal integers, booleans, arrays and inline tables. Other
// kinds of values (floats, dates, strings over several lines, other bases) are errors.

#include <optional>

#include "absl/strings/string_view.h"
#include "api/codec/parse.h"
#include "api/codec/value.h"

namespace openelb::codec {

struct ParsedToml {
  Value value;                      // a map; of no use where there is an error
  std::optional<ParseError> error;  // the first one
};

// Texts up to 1 MiB, nested up to 100 levels.
ParsedToml ParseToml(absl::string_view text);

}  // namespace openelb::codec
