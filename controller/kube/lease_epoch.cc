#include "controller/kube/lease_epoch.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/plan/referral.h"

namespace openelb::kube {

uint64_t LeaseEpoch::current() const { return leadership_.epoch > seen_ ? leadership_.epoch : 0; }

absl::Status LeaseEpoch::RaiseAbove(uint64_t seen) {
  if (seen > kMaxSeenEpoch) {
    return absl::InvalidArgumentError(
        absl::StrCat("epoch: ", seen, " (allowed: up to ", kMaxSeenEpoch, ")"));
  }
  if (seen <= seen_ || seen < leadership_.epoch) return absl::OkStatus();
  seen_ = seen;
  raise_above_(seen);
  return absl::OkStatus();
}

absl::Status LeaseEpoch::leads() const {
  switch (leadership_.role) {
    case Leadership::Role::kLeading:
    case Leadership::Role::kLapsed:
      return absl::OkStatus();
    case Leadership::Role::kStandby:
    case Leadership::Role::kDeposed:
      break;
  }
  if (leadership_.leader.empty()) {
    return plan::WithReferral(
        absl::FailedPreconditionError("this controller stands by; none leads now"), {});
  }
  std::vector<std::string> endpoints;
  if (!leadership_.endpoint.empty()) endpoints.push_back(leadership_.endpoint);
  return plan::WithReferral(
      absl::FailedPreconditionError(absl::StrCat("this controller stands by; ", leadership_.leader,
                                                 " leads at ", leadership_.endpoint)),
      endpoints);
}

}  // namespace openelb::kube
