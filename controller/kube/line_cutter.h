#pragma once
// Cuts the body of a watch, which arrives in pieces of any size, into its lines.

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace openelb::kube {

class LineCutter {
 public:
  // An object can be 1.5 MiB in etcd; JSON may escape each byte to six.
  static constexpr size_t kLongest = size_t{16} << 20;

  explicit LineCutter(size_t longest = kLongest) : longest_(longest) {}

  void Append(absl::string_view piece);
  // The next complete line that is not empty, without its end. Valid until the next Append.
  // nullopt: more is needed, or too_long().
  std::optional<absl::string_view> Next();
  // A line exceeds the limit: nothing more comes.
  bool too_long() const { return too_long_; }

 private:
  size_t longest_;
  std::string text_;
  size_t begin_ = 0;    // of the line that is being cut
  size_t scanned_ = 0;  // no line ends before
  bool too_long_ = false;
};

}  // namespace openelb::kube
