#include "api/codec/field.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace openelb::codec {
namespace {

// An object that is wrong all over needs no longer list.
constexpr size_t kMaxErrors = 20;

std::string IntText(absl::int128 value) {
  return value < 0 ? absl::StrCat(static_cast<int64_t>(value))
                   : absl::StrCat(static_cast<uint64_t>(value));
}

}  // namespace

void Findings::AddError(Finding finding) {
  if (errors_.size() >= kMaxErrors) return;
  if (std::find(errors_.begin(), errors_.end(), finding) == errors_.end()) {
    errors_.push_back(std::move(finding));
  }
}

void Findings::NoteKnown(const Value* parent, absl::string_view key) {
  if (parent != nullptr) known_[parent].insert(std::string(key));
}

const std::set<std::string>* Findings::Known(const Value* parent) const {
  const auto it = known_.find(parent);
  return it == known_.end() ? nullptr : &it->second;
}

std::vector<Finding> Findings::UnknownFields(const Value& root) const {
  std::vector<Finding> unknown;
  CollectUnknown(root, "", &unknown);
  return unknown;
}

void Findings::CollectUnknown(const Value& value, const std::string& path,
                              std::vector<Finding>* out) const {
  if (const Value::List* list = value.list()) {
    for (size_t i = 0; i < list->size(); ++i) {
      CollectUnknown((*list)[i], absl::StrCat(path, "[", i, "]"), out);
    }
  }
  const std::set<std::string>* known = Known(&value);
  if (known == nullptr || value.map() == nullptr) return;
  for (const auto& [key, member] : *value.map()) {
    const std::string member_path = JoinPath(path, key);
    if (known->contains(key)) {
      CollectUnknown(member, member_path, out);
      continue;
    }
    if (open_.contains(&value)) continue;
    std::string message = "unknown field, ignored";
    for (const std::string& name : *known) {
      if (absl::EqualsIgnoreCase(name, key)) absl::StrAppend(&message, "; did you mean ", name);
    }
    out->push_back({member.line(), member_path, std::move(message)});
  }
}

Field Field::operator[](absl::string_view key) const {
  findings_->NoteKnown(value_, key);
  if (given() && value_->map() == nullptr) {
    Error(absl::StrCat(value_->Describe(), " is not a map"));
  }
  const Value* member = value_ == nullptr ? nullptr : value_->Find(key);
  return Field(member, JoinPath(path_, key), member == nullptr ? line_ : member->line(), findings_);
}

Field Field::Either(absl::string_view key, absl::string_view old) const {
  const Field current = (*this)[key];
  const Field earlier = (*this)[old];
  return !current.given() && earlier.given() ? earlier : current;
}

void Field::Skip(std::initializer_list<absl::string_view> keys) const {
  for (const absl::string_view key : keys) findings_->NoteKnown(value_, key);
}

void Field::Error(absl::string_view message) const {
  findings_->AddError({line_, path_, std::string(message)});
}

bool Field::Require(absl::string_view allowed) const {
  if (!given()) Error(absl::StrCat("missing; ", allowed));
  return given();
}

std::string Field::String() const {
  if (!given()) return "";
  if (const std::string* text = value_->string()) return *text;
  if (value_->list() != nullptr || value_->map() != nullptr) {
    Error(absl::StrCat(value_->Describe(), " is not a string"));
  } else {
    Error(absl::StrCat(value_->Describe(), " is not a string; put it in quotes"));
  }
  return "";
}

std::string Field::Secret() const {
  if (!given()) return "";
  if (const std::string* text = value_->string()) return *text;
  Error("not a string; put it in quotes");
  return "";
}

bool Field::Bool() const {
  if (!given()) return false;
  if (const bool* v = value_->boolean()) return *v;
  Error(absl::StrCat(value_->Describe(), " is not true or false"));
  return false;
}

std::optional<absl::int128> Field::Whole(absl::int128 min, absl::int128 max, bool text_too) const {
  if (!given()) return std::nullopt;
  std::optional<absl::int128> value;
  uint64_t parsed = 0;
  if (const absl::int128* integer = value_->integer()) {
    value = *integer;
  } else if (text_too && value_->string() != nullptr &&
             absl::SimpleAtoi(*value_->string(), &parsed)) {
    value = parsed;
  }
  if (value.has_value() && *value >= min && *value <= max) return value;
  Error(absl::StrCat(value_->Describe(), " is not a whole number from ", IntText(min), " to ",
                     IntText(max)));
  return std::nullopt;
}

std::optional<uint32_t> Field::Seconds(uint32_t min, uint32_t max) const {
  const std::optional<absl::int128> value = Whole(min, max, /*text_too=*/true);
  if (!value.has_value()) return std::nullopt;
  return static_cast<uint32_t>(*value);
}

std::optional<absl::Time> Field::Time() const {
  if (!given()) return std::nullopt;
  absl::Time time;
  std::string reason;
  if (value_->string() != nullptr &&
      absl::ParseTime(absl::RFC3339_full, *value_->string(), &time, &reason)) {
    return time;
  }
  Error(absl::StrCat(value_->Describe(), " is not a time such as 2026-01-02T03:04:05Z"));
  return std::nullopt;
}

std::optional<IpAddress> Field::Ip() const {
  if (!given()) return std::nullopt;
  if (value_->string() != nullptr) {
    if (const auto ip = IpAddress::Parse(*value_->string()); ip.ok()) return *ip;
  }
  Error(absl::StrCat(value_->Describe(), " is not an IP address"));
  return std::nullopt;
}

std::vector<Field> Field::Items() const {
  std::vector<Field> items;
  if (!given()) return items;
  const Value::List* list = value_->list();
  if (list == nullptr) {
    Error(absl::StrCat(value_->Describe(), " is not a list"));
    return items;
  }
  for (size_t i = 0; i < list->size(); ++i) {
    const Value& item = (*list)[i];
    items.emplace_back(&item, absl::StrCat(path_, "[", i, "]"), item.line(), findings_);
  }
  return items;
}

std::vector<std::string> Field::Strings() const {
  std::vector<std::string> strings;
  for (const Field& item : Items()) strings.push_back(item.String());
  return strings;
}

std::vector<std::pair<std::string, Field>> Field::Members() const {
  std::vector<std::pair<std::string, Field>> members;
  if (!given()) return members;
  const Value::Map* map = value_->map();
  if (map == nullptr) {
    Error(absl::StrCat(value_->Describe(), " is not a map"));
    return members;
  }
  for (const auto& [key, member] : *map) {
    members.emplace_back(key, Field(&member, JoinPath(path_, key), member.line(), findings_));
  }
  return members;
}

kube::Labels Field::StringMap() const {
  kube::Labels labels;
  for (const auto& [key, member] : Members()) labels.emplace(key, member.String());
  return labels;
}

std::string Field::OneOfText(std::initializer_list<const char*> names,
                             absl::string_view fallback) const {
  if (!given()) return std::string(fallback);
  const std::string* text = value_->string();
  for (const char* name : names) {
    if (text != nullptr && *text == name) return *text;
  }
  Error(absl::StrCat(value_->Describe(), " is not one of ", absl::StrJoin(names, ", ")));
  return std::string(fallback);
}

}  // namespace openelb::codec
