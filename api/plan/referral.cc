#include "api/plan/referral.h"

#include <utility>

#include "absl/strings/cord.h"
#include "api/plan/v1/plan.pb.h"

namespace openelb::plan {
namespace {

constexpr const char* kType = "openelb.plan.v1.Referral";

}  // namespace

absl::Status WithReferral(absl::Status why, const std::vector<std::string>& endpoints) {
  v1::Referral referral;
  referral.set_elsewhere(true);
  referral.mutable_controller_endpoints()->Assign(endpoints.begin(), endpoints.end());
  // As a view: of the constructor for strings, g++ and clang name the symbol differently.
  why.SetPayload(kType, absl::Cord(absl::string_view(referral.SerializeAsString())));
  return why;
}

std::optional<std::vector<std::string>> ReferralOf(const absl::Status& why) {
  const auto payload = why.GetPayload(kType);
  v1::Referral referral;
  if (!payload || !referral.ParseFromString(std::string(*payload)) || !referral.elsewhere()) {
    return std::nullopt;
  }
  return std::vector<std::string>(referral.controller_endpoints().begin(),
                                  referral.controller_endpoints().end());
}

std::string EncodeReferral(const absl::Status& why) {
  const auto payload = why.GetPayload(kType);
  return payload ? std::string(*payload) : std::string();
}

absl::Status DecodeReferral(absl::Status why, const std::string& details) {
  if (!details.empty()) why.SetPayload(kType, absl::Cord(details));
  return why;
}

}  // namespace openelb::plan
