#pragma once
// Reviews to verdicts, by what is known of the cluster. Pure, and a matter of microseconds: it runs
// on the controller's own thread.
//
// A change is refused for what it makes wrong, never for what was wrong before it: an object from
// before a rule, or from while no webhook was there, can still be labelled, mended and deleted.

#include "controller/admission/knowledge.h"
#include "controller/admission/review.h"

namespace openelb::admission {

// On an Eip: "true" lets it be deleted while Services have addresses of it.
inline constexpr const char* kForceDelete = "network.kubesphere.io/force-delete";

// Of the validating webhook.
Verdict Judge(const Review& review, Knowledge* known);

}  // namespace openelb::admission
