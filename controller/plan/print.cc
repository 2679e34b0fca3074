#include "controller/plan/print.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "api/codec/write.h"

namespace openelb::plan {
namespace {

constexpr size_t kIndent = 2;

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// U+0080 to U+009F in UTF-8.
bool IsC1(absl::string_view text) {
  return text.size() >= 2 && text[0] == '\xc2' &&
         (static_cast<unsigned char>(text[1]) & 0xe0) == 0x80;
}

}  // namespace

std::string EscapeControls(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool c1 = IsC1(text.substr(i));
    if (c1 || IsControl(text[i])) {
      absl::StrAppend(&out, absl::CHexEscape(text.substr(i, c1 ? 2 : 1)));
      i += c1 ? 1 : 0;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::string JsonStream::LineStart() const {
  return absl::StrCat("\n", std::string(kIndent * closing_.size(), ' '));
}

void JsonStream::Key(absl::string_view key) {
  if (!std::exchange(empty_, false)) out_(",");
  out_(LineStart());
  out_(absl::StrCat(codec::ToJson(key), ": "));
}

void JsonStream::Member(absl::string_view key, const codec::Value& value) {
  Key(key);
  out_(absl::StrReplaceAll(codec::ToJson(value, kIndent), {{"\n", LineStart()}}));
}

void JsonStream::BeginMap(absl::string_view key) {
  Key(key);
  out_("{");
  closing_.push_back('}');
  empty_ = true;
}

void JsonStream::BeginList(absl::string_view key) {
  Key(key);
  out_("[");
  closing_.push_back(']');
  empty_ = true;
}

void JsonStream::Item(const codec::Value& value) {
  if (!std::exchange(empty_, false)) out_(",");
  out_(LineStart());
  out_(absl::StrReplaceAll(codec::ToJson(value, kIndent), {{"\n", LineStart()}}));
}

void JsonStream::End() {
  const char last = closing_.back();
  closing_.pop_back();
  if (!std::exchange(empty_, false)) out_(LineStart());
  out_(absl::string_view(&last, 1));
  if (closing_.empty()) out_("\n");
}

void PrintTable(const Rows& rows, const Out& out) {
  std::vector<size_t> widths;
  rows([&](const Row& row) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], EscapeControls(row[i]).size());
  });
  rows([&](const Row& row) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string cell = EscapeControls(row[i]);
      absl::StrAppend(&line, cell, std::string(widths[i] - cell.size() + 2, ' '));
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out(absl::StrCat(line, "\n"));
  });
}

}  // namespace openelb::plan
