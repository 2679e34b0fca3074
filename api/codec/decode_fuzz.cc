// Any bytes as a manifest: decoding ends, objects come only without errors, and what was read can
// be written as YAML and as JSON and read back as the same.

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "api/codec/decode.h"
#include "api/codec/parse.h"
#include "api/codec/write.h"

namespace openelb::codec {
namespace {

// YAML gives up on keys whose text, escapes included, is longer than 1024 characters.
constexpr size_t kLongestKey = 160;

bool HasLongKey(const Value& value) {
  if (value.list() != nullptr) {
    return std::any_of(value.list()->begin(), value.list()->end(), HasLongKey);
  }
  if (value.map() == nullptr) return false;
  return std::any_of(value.map()->begin(), value.map()->end(), [](const auto& member) {
    return member.first.size() > kLongestKey || HasLongKey(member.second);
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  for (const Decoded& decoded : DecodeText(text, "f").objects) {
    if (decoded.object.has_value() != (decoded.errors.empty() && !decoded.skipped)) abort();
  }
  for (const Document& document : ParseYaml(text).documents) {
    if (document.error.has_value() || HasLongKey(document.value)) continue;
    const std::string json = ToJson(document.value);
    if (json == "null") continue;  // such as .nan; read back it is an empty document
    for (const std::string& again : {json, ToJson(document.value, 2), ToYaml(document.value)}) {
      const ParsedText parsed = ParseYaml(again);
      if (parsed.error.has_value() || parsed.documents.size() != 1 ||
          ToJson(parsed.documents[0].value) != json) {
        abort();
      }
    }
  }
  return 0;
}

}  // namespace openelb::codec
