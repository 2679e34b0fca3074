#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "api/network/v1alpha2/validate.h"

namespace openelb::network {
namespace {

constexpr size_t kMaxLabel = 63;
constexpr size_t kMaxPrefix = 253;
constexpr size_t kMaxImage = 512;

std::string Quote(absl::string_view text) { return absl::StrCat("\"", text, "\""); }

// Letters, digits and some of `inner`, beginning and ending with a letter or digit.
bool IsWord(absl::string_view text, absl::string_view inner) {
  if (text.empty() || !absl::ascii_isalnum(text.front()) || !absl::ascii_isalnum(text.back()))
    return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return absl::ascii_isalnum(c) || inner.find(c) != absl::string_view::npos;
  });
}

bool IsLabelValue(absl::string_view text) {
  return text.empty() || (text.size() <= kMaxLabel && IsWord(text, "-_."));
}

// A qualified name of Kubernetes: a name, or PREFIX/NAME.
bool IsLabelKey(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  if (parts.size() > 2 || parts.back().empty() || !IsLabelValue(parts.back())) return false;
  if (parts.size() == 1) return true;
  const absl::string_view prefix = parts.front();
  if (prefix.size() > kMaxPrefix || absl::AsciiStrToLower(prefix) != prefix) return false;
  const std::vector<absl::string_view> names = absl::StrSplit(prefix, '.');
  return std::all_of(names.begin(), names.end(),
                     [](absl::string_view name) { return IsWord(name, "-"); });
}

bool IsMaxUnavailable(const codec::Value& value) {
  if (const absl::int128* number = value.integer()) return *number >= 1 && *number <= INT32_MAX;
  int percent = 0;
  if (value.string() == nullptr) return false;
  absl::string_view text = *value.string();
  return absl::ConsumeSuffix(&text, "%") && absl::SimpleAtoi(text, &percent) && percent >= 1 &&
         percent <= 100;
}

}  // namespace

std::vector<FieldError> Validate(const OpenElb& object) {
  std::vector<FieldError> errors;
  const std::string& image = object.image;
  const auto is_space = [](char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); };
  if (image.size() > kMaxImage || std::any_of(image.begin(), image.end(), is_space) ||
      (!image.empty() && !absl::ascii_isalnum(image.front()))) {
    errors.push_back({"spec.speaker.image", absl::StrCat(Quote(image),
                                                         " is not the name of an image, such as "
                                                         "registry.example/openelb-speaker:v1")});
  }
  if (object.node_selector) {
    for (const auto& [key, value] : *object.node_selector) {
      if (IsLabelKey(key) && IsLabelValue(value)) continue;
      errors.push_back(
          {"spec.speaker.nodeSelector", absl::StrCat(Quote(absl::StrCat(key, ": ", value)),
                                                     " is not a label that a node can have")});
    }
  }
  if (!object.max_unavailable.IsNull() && !IsMaxUnavailable(object.max_unavailable)) {
    errors.push_back({"spec.speaker.updateStrategy.rollingUpdate.maxUnavailable",
                      absl::StrCat(object.max_unavailable.Describe(),
                                   " is neither a number from 1 nor 1% to 100%")});
  }
  return errors;
}

}  // namespace openelb::network
