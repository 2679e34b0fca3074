#pragma once
// A cursor over a document: where we are, what stands there, and where to report what is wrong with
// it. Decoders ask for the members they know by name and type; whatever is wrong is collected, so
// that one pass names every mistake of an object.

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/base/ip.h"
#include "api/codec/parse.h"
#include "api/codec/value.h"
#include "api/kube/meta.h"

namespace openelb::codec {

// One thing wrong with a document.
struct Finding {
  int line = 0;
  std::string path;     // "spec.ports[0].port"
  std::string message;  // what stands there and what is allowed

  bool operator==(const Finding&) const = default;
};

// What decoding one object found.
class Findings {
 public:
  void AddError(Finding finding);
  const std::vector<Finding>& errors() const { return errors_; }

  // Notes that the member `key` of `parent` is known, whether it is there or not.
  void NoteKnown(const Value* parent, absl::string_view key);
  // Members of `parent` that nobody asks for are fine.
  void AllowOthers(const Value* parent) { open_.insert(parent); }
  // The members of `parent` that were asked for. Null pointer: none was.
  const std::set<std::string>* Known(const Value* parent) const;
  // A finding for each member that stands in a map whose members were asked for, and is not among
  // those.
  std::vector<Finding> UnknownFields(const Value& root) const;

 private:
  void CollectUnknown(const Value& value, const std::string& path, std::vector<Finding>* out) const;

  std::vector<Finding> errors_;
  std::map<const Value*, std::set<std::string>> known_;
  std::set<const Value*> open_;
};

// Getters return the fallback when the field is not given (absent or null) and, after reporting it,
// when it is of the wrong type or out of range.
class Field {
 public:
  Field(const Value* value, std::string path, int line, Findings* findings)
      : value_(value), path_(std::move(path)), line_(line), findings_(findings) {}

  // The member `key`. A field that is given but is no map is an error.
  Field operator[](absl::string_view key) const;
  // The member `key`, or `old`, a spelling of earlier versions, where the former is not given.
  Field Either(absl::string_view key, absl::string_view old) const;
  // Members known but not read.
  void Skip(std::initializer_list<absl::string_view> keys) const;
  void AllowOthers() const { findings_->AllowOthers(value_); }

  bool given() const { return value_ != nullptr && !value_->IsNull(); }
  const Value* value() const { return value_; }
  const std::string& path() const { return path_; }

  void Error(absl::string_view message) const;
  // "missing; `allowed`" when not given. Returns given().
  bool Require(absl::string_view allowed) const;

  std::string String() const;
  // As String, and no message ever shows the value.
  std::string Secret() const;
  bool Bool() const;
  template <std::integral Integer>
  Integer Int(Integer min, Integer max, Integer fallback = 0) const {
    const std::optional<absl::int128> value = Whole(min, max, /*text_too=*/false);
    return value.has_value() ? static_cast<Integer>(*value) : fallback;
  }
  // A number, or the same as text: protobuf's JSON writes 64-bit numbers so. nullopt: not given.
  std::optional<uint32_t> Seconds(uint32_t min, uint32_t max) const;
  // nullopt: not given.
  std::optional<absl::Time> Time() const;
  std::optional<IpAddress> Ip() const;

  std::vector<Field> Items() const;  // of a list
  std::vector<std::string> Strings() const;
  kube::Labels StringMap() const;
  // Members of a map with free keys, such as a rack's name.
  std::vector<std::pair<std::string, Field>> Members() const;

  template <typename Enum>
  Enum OneOf(std::initializer_list<std::pair<const char*, Enum>> names, Enum fallback) const {
    if (!given()) return fallback;
    const std::string* text = value_->string();
    std::vector<absl::string_view> all;
    for (const auto& [name, meaning] : names) {
      if (text != nullptr && *text == name) return meaning;
      all.push_back(name);
    }
    Error(absl::StrCat(value_->Describe(), " is not one of ", absl::StrJoin(all, ", ")));
    return fallback;
  }
  // The text itself, when it is one of `names`.
  std::string OneOfText(std::initializer_list<const char*> names,
                        absl::string_view fallback = "") const;

 private:
  std::optional<absl::int128> Whole(absl::int128 min, absl::int128 max, bool text_too) const;

  const Value* value_;  // null pointer: absent
  std::string path_;
  int line_;
  Findings* findings_;
};

}  // namespace openelb::codec
