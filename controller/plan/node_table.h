#pragma once
// From Nodes, facts about them and the speakers' DaemonSet to Model::nodes and Model::racks.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/kube/daemon_set.h"
#include "api/kube/node.h"
#include "controller/plan/fact.h"
#include "controller/plan/model.h"
#include "controller/plan/planner.h"

namespace openelb::plan {

// Names of the nodes whose view changed, each with the view before (nullopt: new).
using NodeChanges = std::map<std::string, std::optional<NodeView>>;

inline constexpr uint32_t kMaxNodeWeight = 1000;

class NodeTable {
 public:
  explicit NodeTable(Options options) : options_(std::move(options)) {}

  void Upsert(const kube::Node& node);
  void Upsert(const kube::DaemonSet& daemon_set);
  void RemoveNode(const std::string& name);
  void RemoveDaemonSet(const std::string& namespace_, const std::string& name);
  void SetFact(const Fact& fact);
  void Hold(bool hold);
  void SetReturning(const std::string& name, bool returning);
  std::vector<Fact> facts() const;

  // A speaker has said that it runs there, whether or not there is such a Node.
  bool HasSpeaker(absl::string_view node) const;
  // One runs there, or has stopped and is to come back.
  bool ExpectsSpeaker(const std::string& node) const;
  // Names touched since the last Derive, among them those of speakers without a Node.
  const std::set<std::string>& touched() const { return touched_; }

  NodeChanges Derive(Model* model, Visits* visits);

 private:
  // Unless there is a Node or a speaker of that name.
  void ForgetFacts(const std::string& name);
  // It has said goodbye since it was last heard of.
  bool SpeakerStopped(absl::string_view node) const;
  // null: there is none.
  const Fact* FactOf(const std::string& node, const char* kind) const;
  NodeView BaseView(const kube::Node& node, const kube::DaemonSet* daemon_set) const;
  const kube::DaemonSet* SpeakerDaemonSet() const;
  // Counts `view`'s prefixes for its rack, or no longer. Whether the racks on-link for any prefix
  // changed.
  bool Index(const NodeView& view, bool add);
  void Place(const std::string& name, NodeView* view) const;

  const Options options_;
  bool hold_ = false;
  std::map<std::string, kube::Node> nodes_;
  std::map<std::string, kube::Node> withheld_;  // the real ones, of nodes that Hold keeps ready
  std::set<std::string> returning_;
  std::map<std::pair<std::string, std::string>, kube::DaemonSet> daemon_sets_;  // namespace, name
  std::map<std::pair<std::string, std::string>, Fact> facts_;                   // subject, kind
  std::set<std::string> touched_;
  bool all_touched_ = false;

  size_t labelled_ = 0;                                     // nodes with a rack label
  std::map<IpPrefix, std::map<std::string, int>> on_link_;  // labelled nodes by prefix and rack
};

}  // namespace openelb::plan
