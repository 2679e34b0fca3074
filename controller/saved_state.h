#pragma once
// What the planner knows besides cluster objects, as the file "planner.yaml" of the status folder:
// facts and assignments, so that a new controller plans what the old one did.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "controller/plan/fact.h"

namespace openelb {

inline constexpr const char* kSavedStateFile = "planner.yaml";

struct SavedState {
  std::vector<plan::Fact> facts;
  std::vector<plan::Assignment> assignments;
  bool operator==(const SavedState&) const = default;
};

std::string FormatSavedState(const SavedState& state);
// Error: DataLoss naming what is wrong and where; nothing of a damaged file is used.
absl::StatusOr<SavedState> ParseSavedState(absl::string_view text);

}  // namespace openelb
