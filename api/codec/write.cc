#include "api/codec/write.h"

#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace openelb::codec {
namespace {

void AppendQuoted(absl::string_view text, std::string* out) {
  constexpr absl::string_view kHex = "0123456789abcdef";
  out->push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (c == '\n') {
      out->append("\\n");
    } else if (c == '\t') {
      out->append("\\t");
    } else if (c == '\r') {
      out->append("\\r");
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out->append("\\u00");
      out->push_back(kHex[static_cast<unsigned char>(c) >> 4]);
      out->push_back(kHex[c & 0xf]);
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}

std::string IntegerText(absl::int128 value) {
  // Values come from 64-bit types.
  return value < 0 ? absl::StrCat(static_cast<int64_t>(value))
                   : absl::StrCat(static_cast<uint64_t>(value));
}

std::string RealText(double value) {
  if (!std::isfinite(value)) return "null";
  char buffer[32];  // the shortest text that reads back as the same number is at most 24 long
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return std::string(buffer, result.ptr);
}

// Everything but lists and maps with members.
void AppendScalar(const Value& value, std::string* out) {
  if (value.IsNull()) out->append("null");
  if (const bool* v = value.boolean()) out->append(*v ? "true" : "false");
  if (const absl::int128* v = value.integer()) out->append(IntegerText(*v));
  if (const double* v = value.real()) out->append(RealText(*v));
  if (const std::string* v = value.string()) AppendQuoted(*v, out);
  if (value.list() != nullptr) out->append("[]");
  if (value.map() != nullptr) out->append("{}");
}

bool HasMembers(const Value& value) {
  return (value.list() != nullptr && !value.list()->empty()) ||
         (value.map() != nullptr && !value.map()->empty());
}

void NewLine(int indent, int depth, std::string* out) {
  if (indent == 0) return;
  out->push_back('\n');
  out->append(static_cast<size_t>(indent) * static_cast<size_t>(depth), ' ');
}

void AppendJson(const Value& value, int indent, int depth, std::string* out) {
  if (!HasMembers(value)) return AppendScalar(value, out);
  const char* separator = "";
  if (const Value::List* list = value.list()) {
    out->push_back('[');
    for (const Value& item : *list) {
      out->append(separator);
      separator = ",";
      NewLine(indent, depth + 1, out);
      AppendJson(item, indent, depth + 1, out);
    }
    NewLine(indent, depth, out);
    out->push_back(']');
    return;
  }
  out->push_back('{');
  for (const auto& [key, member] : *value.map()) {
    out->append(separator);
    separator = ",";
    NewLine(indent, depth + 1, out);
    AppendQuoted(key, out);
    out->append(indent == 0 ? ":" : ": ");
    AppendJson(member, indent, depth + 1, out);
  }
  NewLine(indent, depth, out);
  out->push_back('}');
}

// Whether YAML reads `text` back as this very string without quotes.
bool IsPlain(absl::string_view text) {
  if (text.empty() || !(absl::ascii_isalnum(text[0]) || text[0] == '/')) return false;
  for (const char c : text) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '.' && c != '/' && c != '_') return false;
  }
  return Value::FromPlainScalar(text).string() != nullptr;
}

void AppendYamlScalar(const Value& value, std::string* out) {
  if (const std::string* text = value.string(); text != nullptr && IsPlain(*text)) {
    out->append(*text);
  } else {
    AppendScalar(value, out);
  }
}

// Appends the members of a list or map, each line indented by `depth` levels; the first one's
// indentation is left out when `inline_first`, because "- " stands there already.
void AppendYamlMembers(const Value& value, int depth, bool inline_first, std::string* out) {
  bool indented = inline_first;
  const auto begin_line = [&] {
    if (!indented) out->append(static_cast<size_t>(depth) * 2, ' ');
    indented = false;
  };
  if (const Value::List* list = value.list()) {
    for (const Value& item : *list) {
      begin_line();
      out->append("- ");
      if (HasMembers(item)) {
        AppendYamlMembers(item, depth + 1, true, out);
      } else {
        AppendYamlScalar(item, out);
        out->push_back('\n');
      }
    }
    return;
  }
  for (const auto& [key, member] : *value.map()) {
    begin_line();
    AppendYamlScalar(key, out);
    out->push_back(':');
    if (HasMembers(member)) {
      out->push_back('\n');
      // A list stands below its key without further indentation, as kubectl prints it.
      AppendYamlMembers(member, member.list() != nullptr ? depth : depth + 1, false, out);
    } else {
      out->push_back(' ');
      AppendYamlScalar(member, out);
      out->push_back('\n');
    }
  }
}

}  // namespace

std::string ToJson(const Value& value, int indent) {
  std::string out;
  AppendJson(value, indent, 0, &out);
  return out;
}

std::string ToYaml(const Value& value) {
  std::string out;
  if (HasMembers(value)) {
    AppendYamlMembers(value, 0, false, &out);
  } else {
    AppendYamlScalar(value, &out);
    out.push_back('\n');
  }
  return out;
}

}  // namespace openelb::codec
