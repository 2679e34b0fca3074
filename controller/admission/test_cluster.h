#pragma once
// Clusters as YAML, for tests.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "api/codec/decode.h"
#include "controller/admission/knowledge.h"

namespace openelb::admission {

inline std::vector<codec::Decoded> Decode(const std::string& yaml) {
  codec::DecodedText text = codec::DecodeText(yaml, "");
  EXPECT_FALSE(text.error.has_value()) << *text.error;
  return std::move(text.objects);
}

inline void Apply(const std::string& yaml, Knowledge* known) {
  std::vector<ObjectEvent> events;
  for (const codec::Decoded& decoded : Decode(yaml)) {
    EXPECT_TRUE(decoded.object.has_value()) << absl::StrJoin(decoded.errors, "\n");
    events.push_back({.key = decoded.key, .object = decoded.object});
  }
  known->Apply(events);
}

}  // namespace openelb::admission
