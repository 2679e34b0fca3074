#include "controller/kube/testing/watch.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "api/codec/write.h"
#include "controller/kube/testing/reply.h"

namespace openelb::kube::fake {

using codec::Value;

Value Render(const Value& object, const ResourceType& type, absl::string_view version) {
  Value rendered = object;
  rendered["apiVersion"] = type.ApiVersion(version);
  rendered["kind"] = type.kind;
  return rendered;
}

Watch::Watch(const Store* store, WatchScope scope, Revision from)
    : store_(store), scope_(std::move(scope)), seen_(from) {}

void Watch::SendInitial(bool mark_end) {
  seen_ = store_->revision();
  for (const StoredObject& object : store_->List(scope_.type, scope_.ns, seen_)) {
    if (scope_.selector.Matches(*object)) ready_.push_back(Line("ADDED", *object));
  }
  if (mark_end) ready_.push_back(BookmarkLine(/*initial_end=*/true));
}

void Watch::Fail(Value status) {
  Value event(Value::Map{{"type", "ERROR"}, {"object", std::move(status)}});
  ready_.push_back(absl::StrCat(codec::ToJson(event), "\n"));
  finished_ = true;
}

std::vector<std::string> Watch::Take() {
  if (!finished_ && seen_ < store_->compacted()) {
    Fail(ExpiredBody(
        absl::StrCat("too old resource version: ", seen_, " (", store_->compacted() + 1, ")")));
  }
  if (!finished_) {
    for (auto it = store_->ChangesAfter(seen_); it != store_->ChangesEnd(); ++it) {
      seen_ = it->revision;
      if (it->key.type != scope_.type || (!scope_.ns.empty() && it->key.ns != scope_.ns)) continue;
      // What enters or leaves the selection appears and disappears for this client.
      const bool was = it->before != nullptr && scope_.selector.Matches(*it->before);
      const bool is = !it->deleted && scope_.selector.Matches(*it->after);
      if (!was && !is) continue;
      ready_.push_back(Line(!is ? "DELETED" : was ? "MODIFIED" : "ADDED", *it->after));
    }
  }
  return std::exchange(ready_, {});
}

std::string Watch::Bookmark() const {
  return scope_.bookmarks && !finished_ ? BookmarkLine(/*initial_end=*/false) : std::string();
}

std::string Watch::Line(absl::string_view type, const Value& object) const {
  Value event;
  event["type"] = type;
  event["object"] = Render(object, *scope_.type, scope_.version);
  return absl::StrCat(codec::ToJson(event), "\n");
}

std::string Watch::BookmarkLine(bool initial_end) const {
  Value object;
  Value& metadata = object["metadata"];
  metadata["resourceVersion"] = absl::StrCat(seen_);
  metadata["creationTimestamp"] = Value();
  if (initial_end) metadata["annotations"]["k8s.io/initial-events-end"] = "true";
  return Line("BOOKMARK", object);
}

}  // namespace openelb::kube::fake
