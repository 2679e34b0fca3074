#pragma once
// Path attributes and export rules as messages of the contract.

#include "absl/status/statusor.h"
#include "api/plan/path_attributes.h"
#include "api/plan/v1/plan.pb.h"

namespace openelb::plan {

// Errors name the field, what stands there and what is allowed.
absl::StatusOr<PathAttributes> ReadAttributes(const v1::Attributes& body);
void WriteAttributes(const PathAttributes& attributes, v1::Attributes* body);

absl::StatusOr<ExportRule> ReadExportRule(const v1::ExportRule& body);
void WriteExportRule(const ExportRule& rule, v1::ExportRule* body);

}  // namespace openelb::plan
