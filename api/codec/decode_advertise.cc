#include "api/codec/advertise.h"
#include "api/codec/parse.h"
#include "api/network/v1alpha2/names.h"
#include "api/network/v1alpha2/validate.h"

namespace openelb::codec {
namespace {

std::optional<uint32_t> OptionalInt(const Field& field, uint32_t max) {
  const auto value = field.Int<int64_t>(0, max, -1);
  return value < 0 ? std::nullopt : std::optional(static_cast<uint32_t>(value));
}

}  // namespace

network::Advertise DecodeAdvertise(const Field& field) {
  network::Advertise advertise;
  advertise.communities = field["communities"].Strings();
  advertise.med = OptionalInt(field["med"], UINT32_MAX);
  advertise.local_pref = OptionalInt(field["localPref"], UINT32_MAX);
  advertise.prepend = OptionalInt(field["prepend"], network::kMaxPrepend);
  return advertise;
}

ParsedAdvertise ParseAdvertise(absl::string_view text) {
  ParsedAdvertise parsed;
  const ParsedText yaml = ParseYaml(text);
  if (yaml.error.has_value() || yaml.documents.size() != 1 ||
      yaml.documents.front().error.has_value() || yaml.documents.front().value.map() == nullptr) {
    parsed.errors.push_back(absl::StrCat(
        Value(text).Describe(), " is not a map such as {communities: [no-export], med: 5}"));
    return parsed;
  }
  const Value& value = yaml.documents.front().value;
  Findings findings;
  parsed.advertise = DecodeAdvertise(Field(&value, "", 0, &findings));
  for (const Finding& finding : findings.errors())
    parsed.errors.push_back(absl::StrCat(finding.path, ": ", finding.message));
  for (const Finding& finding : findings.UnknownFields(value))
    parsed.errors.push_back(absl::StrCat(finding.path, ": ", finding.message));
  for (const network::FieldError& error : network::Validate(parsed.advertise, ""))
    parsed.errors.push_back(absl::StrCat(error.path, ": ", error.message));
  return parsed;
}

}  // namespace openelb::codec
