#pragma once
// Text that is written as it is made: a plan of a large cluster is longer than memory should hold.

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/codec/value.h"

namespace openelb::plan {

// Takes the next piece of a text.
using Out = std::function<void(absl::string_view text)>;

// `text` with control characters (ASCII's, C1's) as C writes them: what users wrote into objects
// must neither break a line nor steer a terminal.
std::string EscapeControls(absl::string_view text);

// One JSON map, indented by two, written as codec::ToJson writes it. Keys come sorted.
class JsonStream {
 public:
  explicit JsonStream(Out out) : out_(std::move(out)) { out_("{"); }
  void Member(absl::string_view key, const codec::Value& value);
  // A member that is a map or a list itself; what follows goes into it, until End.
  void BeginMap(absl::string_view key);
  void BeginList(absl::string_view key);
  void Item(const codec::Value& value);
  // Once more for the whole.
  void End();

 private:
  std::string LineStart() const;
  void Key(absl::string_view key);

  const Out out_;
  std::string closing_ = "}";  // of what is open, the innermost last
  bool empty_ = true;          // the innermost
};

using Row = std::vector<std::string>;
// Calls its argument with each row, the same ones at each call.
using Rows = std::function<void(const std::function<void(const Row&)>& row)>;

// Columns as wide as their widest cell; the last one is not padded. `rows` is called twice.
void PrintTable(const Rows& rows, const Out& out);

}  // namespace openelb::plan
