#pragma once
// What is asked of announced routes, wherever it is written: one decoder for the spec of BgpPeers
// and Eips and for the annotation of Services.

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/codec/field.h"
#include "api/network/v1alpha2/advertise.h"

namespace openelb::codec {

network::Advertise DecodeAdvertise(const Field& field);

struct ParsedAdvertise {
  network::Advertise advertise;  // without what is wrong
  std::vector<std::string> errors;
};
// The value of a Service's annotation: the fields as YAML or JSON, such as "{med: 50}".
ParsedAdvertise ParseAdvertise(absl::string_view text);

}  // namespace openelb::codec
