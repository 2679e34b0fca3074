#include "controller/saved_state.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "api/codec/parse.h"
#include "api/codec/value.h"
#include "api/codec/write.h"

namespace openelb {
namespace {

using codec::Value;

// Ends a whole file: without it the rest was lost.
constexpr const char* kEnd = "end";

absl::Status Damaged(int line, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(kSavedStateFile, ":", line, ": ", what));
}

// The string member `key` of `map`, or an error that names it.
absl::StatusOr<std::string> Text(const Value& map, absl::string_view key) {
  const Value* value = map.Find(key);
  if (value == nullptr || value->string() == nullptr) {
    return Damaged(map.line(), absl::StrCat(key, " is missing or not a string"));
  }
  return *value->string();
}

absl::StatusOr<plan::Fact> ParseFact(const Value& item) {
  plan::Fact fact;
  for (auto [key, field] : {std::pair{"subject", &fact.subject}, std::pair{"kind", &fact.kind}}) {
    auto text = Text(item, key);
    if (!text.ok()) return text.status();
    *field = *std::move(text);
  }
  const auto stamp = Text(item, "observedAt");
  if (!stamp.ok()) return stamp.status();
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, *stamp, &fact.observed_at, &error)) {
    return Damaged(item.line(), absl::StrCat("observedAt: ", error));
  }
  const Value* values = item.Find("values");
  if (values == nullptr || values->list() == nullptr)
    return Damaged(item.line(), "values is not a list");
  for (const Value& value : *values->list()) {
    if (value.string() == nullptr)
      return Damaged(value.line(), "values holds something else than strings");
    fact.values.push_back(*value.string());
  }
  return fact;
}

absl::StatusOr<plan::Assignment> ParseAssignment(const Value& item) {
  plan::Assignment assignment;
  for (auto [key, field] :
       {std::pair{"group", &assignment.group}, std::pair{"speaker", &assignment.speaker},
        std::pair{"node", &assignment.node}}) {
    auto text = Text(item, key);
    if (!text.ok()) return text.status();
    *field = *std::move(text);
  }
  return assignment;
}

// Each item of the list `key` through `parse`.
template <typename Item>
absl::Status ParseList(const Value& map, absl::string_view key,
                       absl::StatusOr<Item> (*parse)(const Value&), std::vector<Item>* out) {
  const Value* list = map.Find(key);
  if (list == nullptr || list->list() == nullptr)
    return Damaged(map.line(), absl::StrCat(key, " is not a list"));
  for (const Value& value : *list->list()) {
    auto item = parse(value);
    if (!item.ok()) return item.status();
    out->push_back(*std::move(item));
  }
  return absl::OkStatus();
}

}  // namespace

std::string FormatSavedState(const SavedState& state) {
  Value::List facts;
  for (const plan::Fact& fact : state.facts) {
    Value item;
    item["subject"] = fact.subject;
    item["kind"] = fact.kind;
    item["observedAt"] =
        absl::FormatTime(absl::RFC3339_full, fact.observed_at, absl::UTCTimeZone());
    item["values"] = Value::List(fact.values.begin(), fact.values.end());
    facts.push_back(std::move(item));
  }
  Value::List assignments;
  for (const plan::Assignment& assignment : state.assignments) {
    Value item;
    item["group"] = assignment.group;
    item["speaker"] = assignment.speaker;
    item["node"] = assignment.node;
    assignments.push_back(std::move(item));
  }
  Value document;
  document["facts"] = std::move(facts);
  document["assignments"] = std::move(assignments);
  return codec::ToYaml(document) + "---\n" + kEnd + "\n";
}

absl::StatusOr<SavedState> ParseSavedState(absl::string_view text) {
  const codec::ParsedText parsed = codec::ParseYaml(text);
  if (parsed.error) return Damaged(parsed.error->line, parsed.error->message);
  if (parsed.documents.size() != 2 || parsed.documents[1].value != Value(kEnd)) {
    return Damaged(1, "the file is not complete");
  }
  const codec::Document& document = parsed.documents[0];
  if (document.error) return Damaged(document.error->line, document.error->message);
  SavedState state;
  if (auto status = ParseList(document.value, "facts", ParseFact, &state.facts); !status.ok())
    return status;
  if (auto status = ParseList(document.value, "assignments", ParseAssignment, &state.assignments);
      !status.ok()) {
    return status;
  }
  return state;
}

}  // namespace openelb
