#include "controller/kube/json.h"

#include <cpprest/json.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <exception>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace openelb::kube {
namespace {

using codec::Value;

constexpr int kMaxDepth = 100;

bool IsContinuation(unsigned char byte) { return (byte & 0xc0) == 0x80; }

// RFC 3629: the length of the character that begins at `text`, 1..4; 0 when there is none: an
// overlong form, a surrogate, beyond U+10FFFF, cut off.
size_t CharacterLength(absl::string_view text) {
  const auto at = [text](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4 || !IsContinuation(at(1))) return 0;
  if (first < 0xe0) return 2;
  if ((first == 0xe0 && at(1) < 0xa0) || (first == 0xed && at(1) > 0x9f) ||
      (first == 0xf0 && at(1) < 0x90) || (first == 0xf4 && at(1) > 0x8f) || !IsContinuation(at(2)))
    return 0;
  if (first < 0xf0) return 3;
  return IsContinuation(at(3)) ? 4 : 0;
}

// The offset of the first byte that is not UTF-8; npos: all is well. Almost all of what we read is
// ASCII, so that is checked eight bytes at a time.
size_t FindBadByte(absl::string_view text) {
  for (size_t i = 0; i < text.size();) {
    uint64_t eight = 0;
    if (text.size() - i >= sizeof(eight)) {
      std::memcpy(&eight, text.data() + i, sizeof(eight));
      if ((eight & 0x8080808080808080) == 0) {
        i += sizeof(eight);
        continue;
      }
    }
    const size_t length = CharacterLength(text.substr(i));
    if (length == 0) return i;
    i += length;
  }
  return absl::string_view::npos;
}

// Builds our values from the library's. What the library lets through though it is not JSON, or not
// to be trusted, is refused here.
class Converter {
 public:
  // `escapes`: the text has \u escapes, with which a string can hold half a surrogate pair.
  explicit Converter(bool escapes) : escapes_(escapes) {}

  // False after an error. `depth` counts the lists and maps around `from`.
  bool Convert(const web::json::value& from, int depth, bool is_metadata, Value* to) {
    switch (from.type()) {
      case web::json::value::Null:
        return true;
      case web::json::value::Boolean:
        *to = from.as_bool();
        return true;
      case web::json::value::Number:
        return ConvertNumber(from.as_number(), to);
      case web::json::value::String:
        if (!IsText(from.as_string())) return false;
        *to = from.as_string();
        return true;
      case web::json::value::Array:
        return CheckDepth(depth) && ConvertList(from.as_array(), depth, to);
      case web::json::value::Object:
        return CheckDepth(depth) && ConvertMap(from.as_object(), depth, is_metadata, to);
    }
    return Fail("a value of unknown type");
  }

  // What is wrong, and at which path.
  std::string error() const { return absl::StrCat(path_.empty() ? "" : path_ + ": ", error_); }

 private:
  bool Fail(std::string error) {
    error_ = std::move(error);
    return false;
  }
  bool CheckDepth(int depth) {
    return depth < kMaxDepth || Fail(absl::StrCat("nested deeper than ", kMaxDepth, " levels"));
  }
  bool IsText(const std::string& text) {
    return !escapes_ || FindBadByte(text) == absl::string_view::npos ||
           Fail("a \\u escape is half of a surrogate pair");
  }
  // Called while the recursion unwinds, innermost first.
  bool FailWithin(absl::string_view step) {
    const char* dot = path_.empty() || path_[0] == '[' ? "" : ".";
    path_ = absl::StrCat(step, dot, path_);
    return false;
  }

  bool ConvertNumber(const web::json::number& from, Value* to) {
    if (from.is_integral()) {
      *to = from.is_int64() ? Value(from.to_int64()) : Value(from.to_uint64());
      return true;
    }
    if (!std::isfinite(from.to_double())) return Fail("the number is too large");
    *to = from.to_double() + 0.0;  // makes -0 the 0 that it is as an integer
    return true;
  }

  bool ConvertList(const web::json::array& from, int depth, Value* to) {
    Value::List list(from.size());
    for (size_t i = 0; i < from.size(); ++i) {
      if (!Convert(from.at(i), depth + 1, false, &list[i])) {
        return FailWithin(absl::StrCat("[", i, "]"));
      }
    }
    *to = std::move(list);
    return true;
  }

  bool ConvertMap(const web::json::object& from, int depth, bool is_metadata, Value* to) {
    Value::Map map;
    for (const auto& [key, member] : from) {  // in the order of keys, as the map's
      if (is_metadata && key == "managedFields") continue;
      if (!IsText(key)) return false;
      const size_t before = map.size();
      const auto it = map.try_emplace(map.end(), key);
      if (map.size() == before) return Fail(absl::StrCat("the key ", key, " stands twice"));
      if (!Convert(member, depth + 1, key == "metadata", &it->second)) return FailWithin(key);
    }
    *to = std::move(map);
    return true;
  }

  const bool escapes_;
  std::string path_;
  std::string error_;
};

}  // namespace

absl::StatusOr<Value> ParseJson(absl::string_view text) {
  // The library looks at the first byte of a character only, and takes 0xff for the end.
  if (const size_t bad = FindBadByte(text); bad != absl::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("JSON: byte ", bad, " is not UTF-8"));
  }
  Value value;
  Converter converter(text.find("\\u") != absl::string_view::npos);
  try {
    const web::json::value parsed = web::json::value::parse(std::string(text));
    if (converter.Convert(parsed, 0, false, &value)) return value;
  } catch (const std::exception& e) {
    return absl::InvalidArgumentError(absl::StrCat("JSON: ", e.what()));
  }
  return absl::InvalidArgumentError(absl::StrCat("JSON: ", converter.error()));
}

}  // namespace openelb::kube
