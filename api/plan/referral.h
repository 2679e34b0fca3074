#pragma once
// How a controller that does not lead sends a speaker on: a status that names other endpoints.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace openelb::plan {

// `why` (not OK) that also tells where to go instead. No endpoint: anywhere but here.
absl::Status WithReferral(absl::Status why, const std::vector<std::string>& endpoints);

// The endpoints; nullopt: `why` refers nobody.
std::optional<std::vector<std::string>> ReferralOf(const absl::Status& why);

// The referral as it travels beside code and message; empty: none.
std::string EncodeReferral(const absl::Status& why);
// `why` with what EncodeReferral gave; what cannot be read is left out.
absl::Status DecodeReferral(absl::Status why, const std::string& details);

}  // namespace openelb::plan
