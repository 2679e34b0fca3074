#pragma once
// What is wrong with an object, for whoever owns it.

#include <compare>
#include <string>

#include "api/object.h"

namespace openelb {

// Something a user should know about an object of theirs. The Controller turns it into a condition
// and an Event.
struct Problem {
  ObjectKey about;
  std::string reason;   // CamelCase
  std::string message;  // one sentence

  auto operator<=>(const Problem&) const = default;
};

}  // namespace openelb
