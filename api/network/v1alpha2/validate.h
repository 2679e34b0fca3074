#pragma once
// What must hold of one object beyond the types of its fields. The manifest source, the loop and
// admission judge by the same words. What concerns several objects (overlapping pools, two default
// Eips) is judged where those are known.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "api/base/neighbor.h"
#include "api/network/v1alpha2/advertise.h"
#include "api/network/v1alpha2/bgp.h"
#include "api/network/v1alpha2/eip.h"
#include "api/network/v1alpha2/openelb.h"

namespace openelb::network {

struct FieldError {
  std::string path;     // "spec.address"
  std::string message;  // the value and what is allowed
  bool operator==(const FieldError&) const = default;
};

// Whom the sessions are with. Error: what is wrong with the value, which it quotes.
absl::StatusOr<Neighbor> NeighborOf(const BgpPeer& peer);

// The names of its fields follow `prefix`, such as "spec.advertise.".
std::vector<FieldError> Validate(const Advertise& advertise, absl::string_view prefix);
std::vector<FieldError> Validate(const Eip& eip);
std::vector<FieldError> Validate(const BgpConf& conf);
std::vector<FieldError> Validate(const BgpPeer& peer);
std::vector<FieldError> Validate(const OpenElb& object);
// The part of it that also holds of a peer group, which names no router.
std::vector<FieldError> ValidateShared(const BgpPeer& peer);

}  // namespace openelb::network
