#pragma once
// A document as a tree, whatever text it came from or goes to: YAML and JSON are read into it and
// written from it, so that there is one decoding path and one encoding path.

#include <compare>
#include <concepts>
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/strings/string_view.h"

namespace openelb::codec {

class Value {
 public:
  using List = std::vector<Value>;
  using Map = std::map<std::string, Value, std::less<>>;  // sorted: what is written never depends
                                                          // on the order it was built in

  Value();  // null
  // Out of line: inlined, they make g++ 12 see uninitialized members in moved-from variants.
  Value(const Value&);
  Value(Value&&) noexcept;
  Value& operator=(const Value&);
  Value& operator=(Value&&) noexcept;
  ~Value();
  // Documents are built from what they hold: conversions are the point.
  // NOLINTBEGIN(google-explicit-constructor)
  Value(bool v) : data_(v) {}
  template <std::integral Integer>
  Value(Integer v) : data_(absl::int128(v)) {}
  Value(double v) : data_(v) {}
  Value(const char* v) : data_(std::string(v)) {}
  Value(std::string v) : data_(std::move(v)) {}
  Value(absl::string_view v) : data_(std::string(v)) {}
  Value(List v) : data_(std::move(v)) {}
  Value(Map v) : data_(std::move(v)) {}
  // NOLINTEND(google-explicit-constructor)

  // What an unquoted YAML scalar or a bare JSON literal stands for: null, true, an integer, a
  // number, or a string. The words are those of YAML 1.1, which kubectl reads: "yes" and "on" are
  // true, 0x10 and 020 are 16.
  static Value FromPlainScalar(absl::string_view text);

  // Null pointer when the value is of another kind.
  const bool* boolean() const { return std::get_if<bool>(&data_); }
  const absl::int128* integer() const { return std::get_if<absl::int128>(&data_); }
  const double* real() const { return std::get_if<double>(&data_); }
  const std::string* string() const { return std::get_if<std::string>(&data_); }
  const List* list() const { return std::get_if<List>(&data_); }
  const Map* map() const { return std::get_if<Map>(&data_); }
  List* list() { return std::get_if<List>(&data_); }
  Map* map() { return std::get_if<Map>(&data_); }
  bool IsNull() const { return std::holds_alternative<std::monostate>(data_); }

  // The member `key`; null pointer when there is none or this is not a map.
  const Value* Find(absl::string_view key) const;

  // For building. Null becomes a map or a list; on a value of another kind it is a programming
  // error.
  Value& operator[](absl::string_view key);
  void Append(Value item);

  // Where it was read: the line of its key, or of its own text for items of lists; from 1. 0:
  // built.
  int line() const { return line_; }
  void set_line(int line) { line_ = line; }

  // For messages: `"abc"`, `3`, `true`, `null`, `a list`, `a map`. Long strings are cut.
  std::string Describe() const;

  // Lines do not count.
  bool operator==(const Value& other) const { return data_ == other.data_; }

 private:
  std::variant<std::monostate, bool, absl::int128, double, std::string, List, Map> data_;
  int line_ = 0;
};

}  // namespace openelb::codec
