#include "controller/kube/line_cutter.h"

namespace openelb::kube {
namespace {

// What a rare huge line needed is given back.
constexpr size_t kKeptCapacity = size_t{256} << 10;

}  // namespace

void LineCutter::Append(absl::string_view piece) {
  if (too_long_) return;
  text_.erase(0, begin_);
  scanned_ -= begin_;
  begin_ = 0;
  if (text_.empty() && text_.capacity() > kKeptCapacity) std::string().swap(text_);
  text_.append(piece.data(), piece.size());
}

std::optional<absl::string_view> LineCutter::Next() {
  while (!too_long_) {
    const size_t end = text_.find('\n', scanned_);
    const size_t length = (end == std::string::npos ? text_.size() : end) - begin_;
    if (length > longest_) {
      too_long_ = true;
      break;
    }
    if (end == std::string::npos) {
      scanned_ = text_.size();
      break;
    }
    const absl::string_view line = absl::string_view(text_).substr(begin_, length);
    begin_ = scanned_ = end + 1;
    if (!line.empty()) return line;
  }
  return std::nullopt;
}

}  // namespace openelb::kube
