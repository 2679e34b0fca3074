#pragma once
// What speakers report of their sessions, kept per BgpPeer and turned into statuses. State changes
// are due at once, counters and uptimes every 30 s, so that statuses cost writes only when somebody
// would look.

#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/network/v1alpha2/bgp_status.h"
#include "api/plan/v1/plan.pb.h"

namespace openelb::observe {

inline constexpr absl::Duration kCounterInterval = absl::Seconds(30);

// A session that came up or went down, for events and logs.
struct SessionChange {
  std::string node;
  std::string peer;     // name of the BgpPeer
  std::string address;  // of the neighbour
  bool established = false;
  std::string error;  // why it is down, one sentence
};

class SessionBoard {
 public:
  // The newest report of the speaker on `node` replaces what it said before. `now` is monotonic.
  // Returns the sessions that came up or went down; those of a speaker's first report were as they
  // are before anybody here knew.
  std::vector<SessionChange> Update(const std::string& node, const plan::v1::Observed& observed,
                                    absl::Duration now);
  // The node or its speaker is gone for good. The loss of a stream alone is not: what was seen last
  // stays.
  void Forget(const std::string& node);
  // The stream of the speaker on `node` is gone.
  void OnSilent(const std::string& node);

  // BgpPeers whose status is due to be written at `now`; asking clears them.
  std::set<std::string> TakeDuePeers(absl::Duration now);
  bool TakeConfDue();
  // Whether Problems has changed since this was last asked.
  bool TakeProblemsChanged();
  // Whether Hears or HasSession answers differently for some node since this was last asked.
  bool TakeReadyChanged();
  // When TakeDuePeers next has something to give, if ever.
  std::optional<absl::Duration> NextDue() const;

  // Whether the speaker on `node` has reported.
  bool Heard(absl::string_view node) const { return nodes_.contains(node); }
  // The same, and its stream is there.
  bool Hears(const std::string& node) const { return Heard(node) && !silent_.contains(node); }
  // Whether any session was established when it reported last.
  bool HasSession(absl::string_view node) const;
  // The sessions that it is to have, by neighbour: whether each was established then.
  std::map<std::string, bool> Sessions(absl::string_view node) const;
  // The neighbours whose session was not, whether it was to be or not.
  std::set<std::string> SessionsDown(absl::string_view node) const;
  // Without conditions and what is planned. `counts`: whether a node is to have a speaker; what one
  // said before it was taken away is no news.
  using Counts = absl::FunctionRef<bool(const std::string& node)>;
  network::BgpPeerStatus PeerStatus(absl::string_view peer, Counts counts) const;
  network::BgpConfStatus ConfStatus(Counts counts) const;
  // Problems that speakers report of themselves, by node.
  std::map<std::string, std::vector<std::string>> Problems() const;
  // What speakers report of Layer 2 and VIP addresses, by address, then node.
  std::map<std::string, std::map<std::string, plan::v1::Layer2Problem>> Layer2Problems() const;
  // The newest generation counter of `epoch` that every established session of the node has on the
  // wire; 0: none.
  uint64_t OnWire(absl::string_view node, uint64_t epoch) const;

 private:
  void MarkDue(const std::string& peer, absl::Duration when);

  std::map<std::string, plan::v1::Observed, std::less<>> nodes_;
  std::set<std::string> silent_;               // of nodes_
  std::map<std::string, absl::Duration> due_;  // BgpPeer -> when
  bool conf_due_ = false;
  bool ready_changed_ = false;
  bool problems_changed_ = false;
};

}  // namespace openelb::observe
