#include "controller/kube/speaker_access.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace openelb::kube {

SpeakerAccess::SpeakerAccess(const Options& options, const Seams& seams)
    : map_({.namespace_name = options.namespace_name},
           {seams.client, seams.clock, seams.random, seams.log}),
      certificate_(
          {.namespace_name = options.namespace_name,
           .dns_name = absl::StrCat("openelb-controller.", options.namespace_name, ".svc")},
          {seams.client, seams.clock, seams.random, seams.log,
           [this, tell = seams.on_certificate](const tls::Material& material) {
             map_.SetBundle(material.Bundle());
             tell(material);
           }}),
      endpoints_({.namespace_name = options.namespace_name, .own = options.endpoint},
                 {seams.client, seams.clock, seams.log,
                  [this, tell = seams.on_endpoints](const std::vector<std::string>& endpoints) {
                    map_.SetEndpoints(endpoints);
                    tell(endpoints);
                  }}) {}

void SpeakerAccess::SetLeading(bool leading) {
  certificate_.SetLeading(leading);
  endpoints_.SetLeading(leading);
  map_.SetLeading(leading);
}

void SpeakerAccess::Turn() {
  certificate_.Turn();
  endpoints_.Turn();
  map_.Turn();
}

absl::Duration SpeakerAccess::NextWakeup() const {
  return std::min({certificate_.NextWakeup(), endpoints_.NextWakeup(), map_.NextWakeup()});
}

}  // namespace openelb::kube
