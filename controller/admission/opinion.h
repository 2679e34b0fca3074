#pragma once
// What speaks against single objects beside all others, and what their authors should know. The
// words and the checks are those of allocation and planning, which say the same in conditions of
// objects that came while no webhook was there.
//
// A kind is validated as soon as there is an OpinionOf for it here, and
// config/default/webhooks.yaml names it: that is all.

#include <string>
#include <vector>

#include "api/network/v1alpha2/bgp.h"
#include "api/network/v1alpha2/eip.h"
#include "api/network/v1alpha2/openelb.h"
#include "controller/admission/knowledge.h"

namespace openelb::admission {

struct Opinion {
  std::vector<std::string> errors;  // "spec.address: what is wrong: what to do"
  std::vector<std::string> warnings;
};

// The object by itself is good (network/v1alpha2/validate.h).
Opinion OpinionOf(const network::Eip& eip, Knowledge* known);
Opinion OpinionOf(const network::BgpConf& conf, Knowledge* known);
Opinion OpinionOf(const network::BgpPeer& peer, Knowledge* known);
Opinion OpinionOf(const network::OpenElb& object, Knowledge* known);

// A warning for each of an object's fields_ignored.
void WarnOfIgnored(const std::vector<std::string>& fields, Opinion* opinion);

}  // namespace openelb::admission
