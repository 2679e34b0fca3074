#pragma once
// What must hold of one object beyond the types of its fields. The manifest source, the loop and
// admission judge by the same words. What concerns several objects (overlapping pools, two default
// Eips) is judged where those are known.

#include <string>
#include <vector>

#include "api/network/v1alpha2/bgp.h"
#include "api/network/v1alpha2/eip.h"

namespace openelb::network {

struct FieldError {
  std::string path;     // "spec.address"
  std::string message;  // the value and what is allowed
  bool operator==(const FieldError&) const = default;
};

std::vector<FieldError> Validate(const Eip& eip);
std::vector<FieldError> Validate(const BgpConf& conf);
std::vector<FieldError> Validate(const BgpPeer& peer);

}  // namespace openelb::network
