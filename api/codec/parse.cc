#include "api/codec/parse.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace openelb::codec {
namespace {

constexpr size_t kMaxTextBytes = size_t{64} << 20;
constexpr size_t kMaxDepth = 100;
constexpr size_t kShownDepth = 20;
constexpr size_t kMaxCopiedBytes = size_t{4} << 20;
constexpr absl::string_view kCoreTags = "tag:yaml.org,2002:";
constexpr absl::string_view kMergeKey = "<<";

int LineOf(const YAML::Mark& mark) { return mark.line + 1; }

// Roughly what a copy of `value` costs.
size_t MemoryOf(const Value& value) {
  size_t bytes = sizeof(Value);
  if (const std::string* text = value.string()) bytes += text->size();
  if (const Value::List* list = value.list()) {
    for (const Value& item : *list) bytes += MemoryOf(item);
  }
  if (const Value::Map* map = value.map()) {
    for (const auto& [key, member] : *map) bytes += key.size() + MemoryOf(member);
  }
  return bytes;
}

// Builds the value of one document from the parser's events. After an error the rest of the
// document passes by unread.
class Builder final : public YAML::EventHandler {
 public:
  Document Take() { return std::move(document_); }

  int start() const { return start_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    start_ = mark.pos;
    document_.line = LineOf(mark);
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(Value(), mark, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (document_.error.has_value()) return;
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end()) return Fail(mark, "an alias stands within what it names");
    if (!ChargeCopy(it->second, mark)) return;
    Add(it->second, mark, YAML::NullAnchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    // "?" marks a plain scalar, "!" a quoted one. Keys are text however they look: JSON has no
    // others.
    const bool plain = tag == "?";
    const bool typed = absl::StartsWith(tag, kCoreTags) && tag != absl::StrCat(kCoreTags, "str");
    const bool resolved = (plain || typed) && !ExpectsKey();
    Add(resolved ? Value::FromPlainScalar(text) : Value(text), mark, anchor, plain);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    Open(Value::List(), mark, anchor, style);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    Open(Value::Map(), mark, anchor, style);
  }
  void OnMapEnd() override { Close(); }

 private:
  // A list or map whose end has not come yet.
  struct Frame {
    Frame(Value v, const YAML::Mark& m, YAML::anchor_t a, bool b)
        : value(std::move(v)), mark(m), anchor(a), block(b) {}
    Value value;
    YAML::Mark mark;
    YAML::anchor_t anchor;
    bool block;                      // not in brackets
    std::optional<std::string> key;  // of a map, when its value comes next
    YAML::Mark key_mark;
    bool key_merges = false;
    std::vector<Value> merged;  // what "<<" named
  };

  bool ExpectsKey() const {
    return !frames_.empty() && frames_.back().value.map() != nullptr &&
           !frames_.back().key.has_value();
  }

  void Fail(const YAML::Mark& mark, std::string message) {
    if (document_.error.has_value()) return;
    document_.error = ParseError{LineOf(mark), std::move(message), Path()};
    document_.head = Head();
    document_.value = Value();
    frames_.clear();
    anchors_.clear();
  }

  // Where the parser is.
  std::string Path() const {
    std::string path;
    if (frames_.size() > kShownDepth) return path;
    for (const Frame& frame : frames_) {
      if (const Value::List* list = frame.value.list())
        absl::StrAppend(&path, "[", list->size(), "]");
      else if (frame.key.has_value())
        path = JoinPath(path, *frame.key);
    }
    return path;
  }

  // What the document says so far of which object it is.
  Value Head() const {
    Value head = Value::Map();
    if (frames_.empty() || frames_[0].value.map() == nullptr) return head;
    const Value& root = frames_[0].value;
    const Value* metadata = root.Find("metadata");
    if (metadata == nullptr && frames_.size() > 1 && frames_[0].key == "metadata")
      metadata = &frames_[1].value;
    const auto copy = [](const Value& from, const char* key, Value* to) {
      const Value* member = from.Find(key);
      if (member != nullptr && member->string() != nullptr) (*to)[key] = *member;
    };
    copy(root, "apiVersion", &head);
    copy(root, "kind", &head);
    if (metadata != nullptr && metadata->map() != nullptr) {
      copy(*metadata, "name", &head["metadata"]);
      copy(*metadata, "namespace", &head["metadata"]);
    }
    return head;
  }

  // Whether `value` may be copied once more.
  bool ChargeCopy(const Value& value, const YAML::Mark& mark) {
    copied_bytes_ += MemoryOf(value);
    if (copied_bytes_ <= kMaxCopiedBytes) return true;
    Fail(mark, "anchors and aliases repeat more than 4 MiB of content");
    return false;
  }

  void Open(Value value, const YAML::Mark& mark, YAML::anchor_t anchor,
            YAML::EmitterStyle::value style) {
    if (document_.error.has_value()) return;
    if (frames_.size() == kMaxDepth) {
      return Fail(mark, absl::StrCat("nested deeper than ", kMaxDepth, " levels"));
    }
    frames_.emplace_back(std::move(value), mark, anchor, style == YAML::EmitterStyle::Block);
  }

  void Close() {
    if (document_.error.has_value()) return;
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    // What stands in the map itself wins over what it merges, and the first merged over the next.
    for (Value& merged : frame.merged) {
      for (auto& [key, member] : *merged.map()) {
        frame.value.map()->try_emplace(key, std::move(member));
      }
    }
    Add(std::move(frame.value), frame.mark, frame.anchor);
  }

  void Add(Value value, const YAML::Mark& mark, YAML::anchor_t anchor, bool plain = false) {
    if (document_.error.has_value()) return;
    value.set_line(LineOf(mark));
    if (anchor != YAML::NullAnchor) {
      if (!ChargeCopy(value, mark)) return;
      anchors_[anchor] = value;
    }
    if (frames_.empty()) {
      document_.value = std::move(value);
    } else if (Frame& frame = frames_.back(); frame.value.list() != nullptr) {
      frame.value.Append(std::move(value));
    } else if (!frame.key.has_value()) {
      AddKey(&frame, value, mark, plain);
    } else {
      AddMember(&frame, std::move(value), mark);
    }
  }

  void AddKey(Frame* frame, const Value& value, const YAML::Mark& mark, bool plain) {
    if (value.list() != nullptr || value.map() != nullptr) {
      return Fail(mark, "a key must be text, not a list or a map");
    }
    frame->key = value.string() != nullptr ? *value.string() : value.Describe();
    frame->key_mark = mark;
    frame->key_merges = plain && *frame->key == kMergeKey;
    if (frame->key_merges) return;
    if (frame->value.map()->contains(*frame->key)) {
      Fail(mark, absl::StrCat("the key ", *frame->key, " stands twice in one map; write it once"));
    }
  }

  void AddMember(Frame* frame, Value value, const YAML::Mark& mark) {
    const std::string key = *std::exchange(frame->key, std::nullopt);
    if (frame->key_merges) return Merge(frame, value, mark);
    // The library takes a lone word for a key without a value and places that value at the word.
    if (frame->block && value.IsNull() && mark.pos == frame->key_mark.pos) {
      return Fail(mark, absl::StrCat("the key ", key, " has no ':'"));
    }
    value.set_line(LineOf(frame->key_mark));
    frame->value.map()->emplace(key, std::move(value));
  }

  void Merge(Frame* frame, const Value& value, const YAML::Mark& mark) {
    const Value::List one = {value};
    for (const Value& map : value.list() != nullptr ? *value.list() : one) {
      if (map.map() == nullptr) return Fail(mark, "<< must name a map or a list of maps");
      frame->merged.push_back(map);
    }
  }

  int start_ = -1;  // offset in the text
  Document document_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Value> anchors_;  // complete ones only: no value can contain itself
  size_t copied_bytes_ = 0;
};

int HexDigits(absl::string_view text) {
  uint32_t value = 0;
  return text.size() == 4 && absl::SimpleHexAtoi(text, &value) ? static_cast<int>(value) : -1;
}

// JSON writes characters beyond U+FFFF as two \u escapes, which YAML refuses; YAML's own escape for
// them is \U. Applies to JSON texts only, where a backslash can stand nowhere but in a string.
std::string JoinSurrogates(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    if (text[i] != '\\' || i + 1 >= text.size()) {
      out.push_back(text[i++]);
      continue;
    }
    const bool pair = i + 12 <= text.size() && text[i + 1] == 'u' && text.substr(i + 6, 2) == "\\u";
    const int high = pair ? HexDigits(text.substr(i + 2, 4)) : -1;
    const int low = pair ? HexDigits(text.substr(i + 8, 4)) : -1;
    if (high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
      const uint32_t code = 0x10000 + ((static_cast<uint32_t>(high) - 0xd800) << 10) +
                            (static_cast<uint32_t>(low) - 0xdc00);
      absl::StrAppend(&out, "\\U", absl::Hex(code, absl::kZeroPad8));
      i += 12;
    } else {
      out.append(text.data() + i, 2);
      i += 2;
    }
  }
  return out;
}

bool LooksLikeJson(absl::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != absl::string_view::npos && (text[first] == '{' || text[first] == '[');
}

}  // namespace

std::string JoinPath(absl::string_view parent, absl::string_view key) {
  const bool simple = !key.empty() && std::all_of(key.begin(), key.end(), absl::ascii_isalnum);
  if (!simple) return absl::StrCat(parent, "[", key, "]");
  return parent.empty() ? std::string(key) : absl::StrCat(parent, ".", key);
}

ParsedText ParseYaml(absl::string_view text) {
  ParsedText parsed;
  if (text.size() > kMaxTextBytes) {
    parsed.error = ParseError{1, "larger than 64 MiB"};
    return parsed;
  }
  std::string whole = LooksLikeJson(text) ? JoinSurrogates(text) : std::string(text);
  if (!absl::EndsWith(whole, "\n")) whole.push_back('\n');
  const int last_line = static_cast<int>(std::count(whole.begin(), whole.end(), '\n'));
  // An end marker, because the library takes a quoted scalar for complete when the text ends in it.
  std::istringstream stream(absl::StrCat(whole, "...\n"));
  try {
    YAML::Parser parser(stream);
    for (int last_start = -1;;) {
      Builder builder;
      if (!parser.HandleNextDocument(builder)) return parsed;
      Document document = builder.Take();
      // At a stray bracket or comma the library hands out empty documents for ever.
      if (builder.start() == last_start) {
        parsed.error = ParseError{std::min(document.line, last_line), "a value cannot begin here"};
        return parsed;
      }
      last_start = builder.start();
      if (!document.value.IsNull() || document.error.has_value()) {
        parsed.documents.push_back(std::move(document));
      }
    }
  } catch (const YAML::Exception& e) {
    parsed.error = ParseError{std::clamp(LineOf(e.mark), 1, last_line), e.msg};
  } catch (const std::exception& e) {  // the library's own slips, such as out_of_range
    parsed.error = ParseError{1, absl::StrCat("cannot be read: ", e.what())};
  }
  return parsed;
}

}  // namespace openelb::codec
