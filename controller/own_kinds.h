#pragma once
// The kinds that are OpenELB's own.

#include "absl/strings/string_view.h"
#include "api/object.h"

namespace openelb {

// Whether the status of objects of a kind is ours whole.
inline bool IsOurKind(absl::string_view kind) {
  return kind == network::Eip::kKind || kind == network::BgpConf::kKind ||
         kind == network::BgpPeer::kKind;
}

}  // namespace openelb
