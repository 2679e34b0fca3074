#pragma once
// The speakers' DaemonSet as config/default has it, and what an OpenELB object changes of it.

#include <string>
#include <vector>

#include "api/codec/value.h"
#include "api/network/v1alpha2/openelb.h"

namespace openelb::install {

struct SpeakerTemplate {
  codec::Value account;     // ServiceAccount
  codec::Value daemon_set;  // without status
};
// For the namespace `ns`.
SpeakerTemplate TemplateFor(const std::string& ns);

// What server-side apply is sent (field manager kFieldManager). `observed`: the DaemonSet as the
// API server shows it; null: there is none. Of one that we made (IsOurs), or that is to be made,
// the whole of the template with what the object sets; of another one only what the object sets.
inline constexpr const char* kFieldManager = "openelb";
codec::Value ApplyBody(const network::OpenElb& object, const codec::Value& observed,
                       const SpeakerTemplate& base);

// Whether the whole of the DaemonSet is ours to keep: its label app.kubernetes.io/managed-by, which
// those that we make have, says openelb-controller.
bool IsOurs(const codec::Value& observed);

// The strategy that replaces speakers under this object.
network::UpdateStrategy StrategyOf(const network::OpenElb& object, bool ours);

// Leaves a field, as conflicts name it, to whoever else manages it, and what it makes empty with
// it: .spec.template.spec.containers[name="openelb-speaker"].image. False: there is no such field.
bool RemoveField(absl::string_view field, codec::Value* body);

// The DaemonSet's specification once `body` is applied to `observed`, as far as it says where
// speakers run.
codec::Value Merged(const codec::Value& observed, const codec::Value& body);

}  // namespace openelb::install
