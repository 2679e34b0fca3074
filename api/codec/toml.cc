#include "api/codec/toml.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace openelb::codec {
namespace {

constexpr size_t kMaxText = 1 << 20;
constexpr size_t kMaxDepth = 100;

using Keys = std::vector<std::string>;

bool IsBare(char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; }

// Reads from front to back and stops at the first error.
class Reader {
 public:
  explicit Reader(absl::string_view text) : rest_(text) { root_ = Value::Map(); }

  ParsedToml Read() {
    while (!error_ && !rest_.empty()) Line();
    return {std::move(root_), std::move(error_)};
  }

 private:
  bool Fail(std::string message) {
    if (!error_) error_ = ParseError{line_, std::move(message)};
    return false;
  }

  bool Take(absl::string_view what) { return absl::ConsumePrefix(&rest_, what); }
  char Next() const { return rest_.empty() ? '\0' : rest_.front(); }
  void SkipBlanks() {
    while (Next() == ' ' || Next() == '\t') rest_.remove_prefix(1);
  }
  void SkipComment() {
    if (Next() == '#') rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
  }
  bool TakeNewline() {
    if (!Take("\n") && !Take("\r\n")) return false;
    ++line_;
    return true;
  }
  // Within arrays.
  void SkipLines() {
    do {
      SkipBlanks();
      SkipComment();
    } while (TakeNewline());
  }
  bool EndLine() {
    SkipBlanks();
    SkipComment();
    if (rest_.empty() || TakeNewline()) return true;
    return Fail(absl::StrCat("something stands after the value: ", Shown()));
  }
  // What stands here, for messages.
  std::string Shown() const {
    constexpr size_t kLength = 20;
    return Value(rest_.substr(0, std::min(rest_.find_first_of("\r\n"), kLength))).Describe();
  }

  bool Line() {
    SkipBlanks();
    if (Take("[[")) return Header(/*array=*/true) && EndLine();
    if (Take("[")) return Header(/*array=*/false) && EndLine();
    if (rest_.empty() || Next() == '#' || Next() == '\n' || Next() == '\r') return EndLine();
    return Member(Table(), here_) && EndLine();
  }

  // ---- tables ----

  // The table that members belong to now. Looked up each time: what holds it may have moved.
  Value* Table() {
    Value* table = &root_;
    for (const std::string& key : table_) {
      table = &(*table)[key];
      if (table->list() != nullptr) table = &table->list()->back();
    }
    return table;
  }

  bool Header(bool array) {
    Keys keys;
    if (!ReadKeys(&keys)) return false;
    SkipBlanks();
    if (!Take(array ? "]]" : "]"))
      return Fail(absl::StrCat("a table's name ends with ", array ? "]]" : "]"));
    table_.clear();
    here_.clear();
    Value* table = &root_;
    for (size_t i = 0; i < keys.size(); ++i) {
      const bool last = i + 1 == keys.size();
      Value& member = (*table)[keys[i]];
      table_.push_back(keys[i]);
      absl::StrAppend(&here_, "/", keys[i]);
      if (closed_.contains(here_)) return Fail(absl::StrCat(keys[i], " is no table to add to"));
      if (member.IsNull()) {
        member = last && array ? Value(Value::List()) : Value(Value::Map());
        member.set_line(line_);
      } else if (last && !array && !implied_.contains(here_)) {
        return Fail(absl::StrCat("table ", keys[i], " stands twice"));
      } else if (last && array && member.list() == nullptr) {
        return Fail(absl::StrCat(keys[i], " is no array of tables"));
      }
      if (!last && member.map() != nullptr && !defined_.contains(here_)) implied_.insert(here_);
      if (member.list() != nullptr) {
        if (last) member.Append(Value::Map());
        table = &member.list()->back();
        table->set_line(line_);
        absl::StrAppend(&here_, "/", member.list()->size());
      } else if (member.map() != nullptr) {
        table = &member;
      } else {
        return Fail(absl::StrCat(keys[i], " is no table"));
      }
    }
    implied_.erase(here_);
    defined_.insert(here_);
    return true;
  }

  // ---- keys and values ----

  bool ReadKeys(Keys* keys) {
    do {
      SkipBlanks();
      std::string key;
      if (Next() == '"' || Next() == '\'') {
        if (!ReadString(&key)) return false;
      } else {
        size_t size = 0;
        while (size < rest_.size() && IsBare(rest_[size])) ++size;
        if (size == 0) return Fail(absl::StrCat("a key is needed, not ", Shown()));
        key = std::string(rest_.substr(0, size));
        rest_.remove_prefix(size);
      }
      keys->push_back(std::move(key));
      if (keys->size() > kMaxDepth) return Fail("nested too deep");
      SkipBlanks();
    } while (Take("."));
    return true;
  }

  // KEY = VALUE into `table`, whose name is `path`.
  bool Member(Value* table, std::string path) {
    Keys keys;
    const int line = line_;
    if (!ReadKeys(&keys)) return false;
    if (!Take("=")) return Fail(absl::StrCat("= is needed after a key, not ", Shown()));
    SkipBlanks();
    for (size_t i = 0; i + 1 < keys.size(); ++i) {
      absl::StrAppend(&path, "/", keys[i]);
      Value& inner = (*table)[keys[i]];
      if (inner.IsNull()) {
        inner = Value::Map();
        inner.set_line(line);
        dotted_.insert(path);
      }
      if (inner.map() == nullptr || !dotted_.contains(path))
        return Fail(absl::StrCat(keys[i], " is no table to add to"));
      defined_.insert(path);
      table = &inner;
    }
    absl::StrAppend(&path, "/", keys.back());
    if (table->Find(keys.back()) != nullptr)
      return Fail(absl::StrCat("key ", keys.back(), " stands twice"));
    Value value;
    if (!ReadValue(&value, path)) return false;
    value.set_line(line);
    closed_.insert(path);
    (*table)[keys.back()] = std::move(value);
    return true;
  }

  bool ReadValue(Value* out, const std::string& path) {
    if (++depth_ > kMaxDepth) return Fail("nested too deep");
    bool ok = false;
    if (Next() == '"' || Next() == '\'') {
      std::string text;
      ok = ReadString(&text);
      *out = Value(std::move(text));
    } else if (Take("[")) {
      ok = ReadArray(out, path);
    } else if (Take("{")) {
      ok = ReadInline(out, path);
    } else {
      ok = ReadPlain(out);
    }
    --depth_;
    return ok;
  }

  bool ReadPlain(Value* out) {
    size_t size = 0;
    while (size < rest_.size() &&
           (IsBare(rest_[size]) || rest_[size] == '+' || rest_[size] == '.' || rest_[size] == ':'))
      ++size;
    const absl::string_view word = rest_.substr(0, size);
    int64_t number = 0;
    if (word == "true" || word == "false") {
      *out = Value(word == "true");
    } else if (IsInteger(word) && absl::SimpleAtoi(word, &number)) {
      *out = Value(number);
    } else {
      return Fail(absl::StrCat(Shown(), " is not a string, a whole number, true or false"));
    }
    rest_.remove_prefix(size);
    return true;
  }

  static bool IsInteger(absl::string_view word) {
    if (!absl::ConsumePrefix(&word, "-")) absl::ConsumePrefix(&word, "+");
    return !word.empty() && (word == "0" || word[0] != '0') &&
           word.find_first_not_of("0123456789") == absl::string_view::npos;
  }

  bool ReadArray(Value* out, const std::string& path) {
    *out = Value::List();
    for (SkipLines(); !Take("]"); SkipLines()) {
      Value item;
      const int line = line_;
      if (!ReadValue(&item, path)) return false;
      item.set_line(line);
      out->Append(std::move(item));
      SkipLines();
      if (!Take(",") && Next() != ']') return Fail(absl::StrCat(", or ] is needed, not ", Shown()));
    }
    return true;
  }

  bool ReadInline(Value* out, const std::string& path) {
    *out = Value::Map();
    SkipBlanks();
    if (Take("}")) return true;
    // A name of its own: nothing outside may add to it.
    const std::string name = absl::StrCat(path, "/{", ++inlined_);
    do {
      SkipBlanks();
      if (!Member(out, name)) return false;
      SkipBlanks();
    } while (Take(","));
    return Take("}") || Fail(absl::StrCat(", or } is needed, not ", Shown()));
  }

  bool ReadString(std::string* out) {
    const char quote = Next();
    if (rest_.substr(1, 2) == std::string(2, quote) && rest_.substr(3, 1) != "")
      return Fail("strings over several lines are not read");
    rest_.remove_prefix(1);
    for (;;) {
      const char c = Next();
      if (rest_.empty() || c == '\n' || c == '\r') return Fail("a string does not end");
      rest_.remove_prefix(1);
      if (c == quote) return true;
      if (static_cast<unsigned char>(c) < ' ' && c != '\t')
        return Fail("a control character stands in a string");
      if (c != '\\' || quote == '\'') {
        out->push_back(c);
      } else if (!ReadEscape(out)) {
        return false;
      }
    }
  }

  bool ReadEscape(std::string* out) {
    constexpr std::pair<char, char> kEscapes[] = {
        {'b', '\b'}, {'t', '\t'}, {'n', '\n'}, {'f', '\f'}, {'r', '\r'}, {'"', '"'}, {'\\', '\\'}};
    for (const auto& [letter, meaning] : kEscapes) {
      if (Next() != letter) continue;
      rest_.remove_prefix(1);
      out->push_back(meaning);
      return true;
    }
    return Fail(absl::StrCat("\\ and ", Shown(), " is not an escape that is read"));
  }

  absl::string_view rest_;
  int line_ = 1;
  size_t depth_ = 0;
  size_t inlined_ = 0;
  Value root_;
  Keys table_;                     // that members belong to
  std::string here_;               // its name, with the number of each array's table
  std::set<std::string> defined_;  // tables with a header or a member of their own
  std::set<std::string> implied_;  // tables that only longer names mention
  std::set<std::string> dotted_;   // tables that dotted keys made
  std::set<std::string> closed_;   // values: nothing can be added to them
  std::optional<ParseError> error_;
};

}  // namespace

ParsedToml ParseToml(absl::string_view text) {
  if (text.size() > kMaxText) return {{}, ParseError{0, "longer than 1 MiB"}};
  return Reader(text).Read();
}

}  // namespace openelb::codec
