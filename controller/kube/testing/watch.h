#pragma once
// One watch: a cursor over the store's changes that turns them into the lines of the stream.

#include <deque>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/codec/value.h"
#include "controller/kube/testing/selector.h"
#include "controller/kube/testing/store.h"

namespace openelb::kube::fake {

// What a client sees of a stored object: the API version it asked for.
codec::Value Render(const codec::Value& object, const ResourceType& type,
                    absl::string_view version);

struct WatchScope {
  const ResourceType* type = nullptr;
  std::string version;
  std::string ns;
  Selector selector;
  bool bookmarks = false;
};

class Watch {
 public:
  // Events after `from`. `store` outlives it.
  Watch(const Store* store, WatchScope scope, Revision from);

  // Has the objects of that moment come first, as ADDED, and with `mark_end` a bookmark that says
  // they are complete. Before the first Take.
  void SendInitial(bool mark_end);
  // Has the stream consist of one ERROR event.
  void Fail(codec::Value status);

  // The lines of all events that came since.
  std::vector<std::string> Take();
  // The line of a bookmark for what has been taken; empty when the client wants none.
  std::string Bookmark() const;
  // The last event was an error: the stream ends.
  bool finished() const { return finished_; }

 private:
  std::string Line(absl::string_view type, const codec::Value& object) const;
  std::string BookmarkLine(bool initial_end) const;

  const Store* const store_;
  const WatchScope scope_;
  Revision seen_;
  std::vector<std::string> ready_;
  bool finished_ = false;
};

}  // namespace openelb::kube::fake
