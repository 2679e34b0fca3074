// Any bytes, cut into pieces of any size: the lines are those of the text in one piece, whatever
// the cuts, and none is lost before one that is too long.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "controller/kube/line_cutter.h"

namespace openelb::kube {
namespace {

constexpr size_t kLongest = 64;

std::vector<std::string> Expected(absl::string_view text) {
  std::vector<std::string> lines;
  std::string line;
  for (const char c : text) {
    if (c != '\n') {
      line += c;
      if (line.size() > kLongest) break;
    } else if (!line.empty()) {
      lines.push_back(std::exchange(line, {}));
    }
  }
  return lines;
}

}  // namespace

// The first byte is the size of the pieces.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t step = std::max<size_t>(data[0], 1);
  const absl::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  LineCutter cutter(kLongest);
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size(); at += step) {
    cutter.Append(text.substr(at, step));
    while (const auto line = cutter.Next()) lines.emplace_back(*line);
  }
  if (lines != Expected(text)) abort();
  return 0;
}

}  // namespace openelb::kube
