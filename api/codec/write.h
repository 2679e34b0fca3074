#pragma once
// Values as text.

#include <string>

#include "api/codec/value.h"

namespace openelb::codec {

// RFC 8259. Keys are sorted. indent 0: one line without spaces; else that many spaces a level and
// a line a member. Infinite numbers, which JSON has not, become null.
std::string ToJson(const Value& value, int indent = 0);

// Block style YAML, ending in a newline; keys are sorted. Strings that YAML would read as something
// else are quoted.
std::string ToYaml(const Value& value);

}  // namespace openelb::codec
