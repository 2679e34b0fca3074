#include "controller/kube/testing/selector.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace openelb::kube::fake {
namespace {

// The text of a label, or of a field by its path; null pointer when there is none.
const std::string* TextOf(const codec::Value& object, absl::string_view key, bool label) {
  const bool in_metadata = label || absl::ConsumePrefix(&key, "metadata.");
  const codec::Value* value = in_metadata ? object.Find("metadata") : &object;
  if (value != nullptr && label) value = value->Find("labels");
  if (value != nullptr) value = value->Find(key);
  return value == nullptr ? nullptr : value->string();
}

}  // namespace

absl::StatusOr<Selector> Selector::Parse(absl::string_view labels, absl::string_view fields,
                                         absl::string_view selectable) {
  Selector selector;
  for (const auto& [text, label] : {std::pair(labels, true), std::pair(fields, false)}) {
    for (absl::string_view part : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
      Term term;
      term.label = label;
      const size_t equals = part.find('=');
      if (equals != absl::string_view::npos) {
        term.value = std::string(absl::StripPrefix(part.substr(equals + 1), "="));
        part = part.substr(0, equals);
        term.negated = absl::ConsumeSuffix(&part, "!");
      } else {
        term.has_value = false;
        term.negated = absl::ConsumePrefix(&part, "!");
      }
      const bool known = part == "metadata.name" || part == "metadata.namespace" ||
                         (!selectable.empty() && part == selectable);
      if (!label && !(known && term.has_value)) {
        return absl::InvalidArgumentError(
            absl::StrCat("\"", part,
                         "\" is not a known field selector: only \"metadata.name\", "
                         "\"metadata.namespace\""));
      }
      if (part.empty() || absl::StrContains(part, ' ')) {
        return absl::InvalidArgumentError(absl::StrCat("unable to parse requirement: ", part));
      }
      term.key = std::string(part);
      selector.terms_.push_back(std::move(term));
    }
  }
  return selector;
}

bool Selector::Matches(const codec::Value& object) const {
  return std::all_of(terms_.begin(), terms_.end(), [&](const Term& term) {
    const std::string* text = TextOf(object, term.key, term.label);
    const bool hit = text != nullptr && (!term.has_value || *text == term.value);
    return hit != term.negated;
  });
}

}  // namespace openelb::kube::fake
