#include "controller/kube/watch_event.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/kube/json.h"
#include "controller/kube/text_at.h"

namespace openelb::kube {

using codec::Value;

std::string WatchEvent::Version() const { return TextAt(object, {"metadata", "resourceVersion"}); }

bool WatchEvent::IsInitialEnd() const {
  return type == Type::kBookmark &&
         TextAt(object, {"metadata", "annotations", "k8s.io/initial-events-end"}) == "true";
}

absl::StatusOr<WatchEvent> ParseWatchEvent(absl::string_view line) {
  using Type = WatchEvent::Type;
  static constexpr std::pair<const char*, Type> kTypes[] = {{"ADDED", Type::kAdded},
                                                            {"MODIFIED", Type::kModified},
                                                            {"DELETED", Type::kDeleted},
                                                            {"BOOKMARK", Type::kBookmark},
                                                            {"ERROR", Type::kError}};
  absl::StatusOr<Value> value = ParseJson(line);
  if (!value.ok()) return value.status();
  const std::string type = TextAt(*value, {"type"});
  for (const auto& [name, meaning] : kTypes) {
    if (type != name) continue;
    if (value->Find("object") == nullptr) break;
    return WatchEvent{meaning, std::move((*value)["object"])};
  }
  return absl::InvalidArgumentError(absl::StrCat("not an event of a watch: ", line.substr(0, 200)));
}

}  // namespace openelb::kube
