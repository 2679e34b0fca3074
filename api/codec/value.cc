#include "api/codec/value.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "api/codec/write.h"

namespace openelb::codec {
namespace {

constexpr size_t kDescribedLength = 60;

// "17", "-17", "0x11", "0o21", "021", "0b10001", within -2^63 .. 2^64-1.
std::optional<absl::int128> ParseInteger(absl::string_view text) {
  const bool negative = absl::ConsumePrefix(&text, "-");
  if (!negative) absl::ConsumePrefix(&text, "+");
  int base = 10;
  if (absl::StartsWithIgnoreCase(text, "0x")) {
    base = 16;
    text.remove_prefix(2);
  } else if (absl::StartsWithIgnoreCase(text, "0b")) {
    base = 2;
    text.remove_prefix(2);
  } else if (absl::StartsWithIgnoreCase(text, "0o")) {
    base = 8;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    base = 8;
  }
  absl::int128 value = 0;
  if (text.empty()) return std::nullopt;
  for (const char c : text) {
    const int digit = absl::ascii_isdigit(c)    ? c - '0'
                      : absl::ascii_isxdigit(c) ? absl::ascii_tolower(c) - 'a' + 10
                                                : base;
    if (digit >= base) return std::nullopt;
    value = value * base + digit;
    if (value > std::numeric_limits<uint64_t>::max()) return std::nullopt;
  }
  if (negative) value = -value;
  if (value < std::numeric_limits<int64_t>::min()) return std::nullopt;
  return value;
}

// "1.5", ".5", "-1e3", ".inf", ".nan".
std::optional<double> ParseReal(absl::string_view text) {
  absl::string_view digits = text;
  const bool negative = absl::ConsumePrefix(&digits, "-");
  if (!negative) absl::ConsumePrefix(&digits, "+");
  if (digits == ".inf" || digits == ".Inf" || digits == ".INF")
    return negative ? -std::numeric_limits<double>::infinity()
                    : std::numeric_limits<double>::infinity();
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return std::nan("");
  // SimpleAtod also takes words such as "inf" and "nan", and hexadecimal.
  if (digits.empty() || digits.find_first_not_of("0123456789.eE+-") != absl::string_view::npos ||
      !(absl::ascii_isdigit(digits[0]) || digits[0] == '.')) {
    return std::nullopt;
  }
  double value = 0;
  if (!absl::SimpleAtod(text, &value)) return std::nullopt;
  return value;
}

}  // namespace

Value::Value() = default;
Value::Value(const Value&) = default;
Value::Value(Value&&) noexcept = default;
Value& Value::operator=(const Value&) = default;
Value& Value::operator=(Value&&) noexcept = default;
Value::~Value() = default;

Value Value::FromPlainScalar(absl::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return {};
  for (const char* word : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"})
    if (text == word) return true;
  for (const char* word :
       {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"})
    if (text == word) return false;
  Value value;
  if (const std::optional<absl::int128> integer = ParseInteger(text)) {
    value.data_ = *integer;
  } else if (const std::optional<double> real = ParseReal(text)) {
    value.data_ = *real;
  } else {
    value.data_ = std::string(text);
  }
  return value;
}

const Value* Value::Find(absl::string_view key) const {
  const Map* members = map();
  if (members == nullptr) return nullptr;
  const auto it = members->find(key);
  return it == members->end() ? nullptr : &it->second;
}

Value& Value::operator[](absl::string_view key) {
  if (IsNull()) data_ = Map();
  return std::get<Map>(data_)[std::string(key)];
}

void Value::Append(Value item) {
  if (IsNull()) data_ = List();
  std::get<List>(data_).push_back(std::move(item));
}

std::string Value::Describe() const {
  if (list() != nullptr) return "a list";
  if (map() != nullptr) return "a map";
  if (const std::string* text = string(); text != nullptr && text->size() > kDescribedLength) {
    return absl::StrCat(ToJson(text->substr(0, kDescribedLength)), "...");
  }
  return ToJson(*this);
}

}  // namespace openelb::codec
