#pragma once
// What one session has announced and what it should announce: the Adj-RIB-Out of RFC 4271 3.2.
//
// Life of a change: Touch marks prefixes. When the socket has room, Fill takes one marked prefix
// after the other, works out its paths from the plan, compares them with what was sent, and puts
// the difference into batches, one per path, that leave as UPDATEs when they are full or when no
// mark is left. So memory for UPDATEs is bounded by the number of paths, however slowly the peer
// reads, and a prefix that changes ten times meanwhile is sent once, as it is in the end.
//
// Announcements of a prefix always leave before withdrawals of its other paths, and a path that
// only changes its attributes is announced again over the old one (implicit replacement, RFC 4271
// 9.1.4): nothing is withdrawn that comes back.

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "api/base/ip.h"
#include "speaker/bgp/attributes.h"
#include "speaker/bgp/open.h"
#include "speaker/bgp/path_table.h"
#include "speaker/link/plan_state.h"

namespace openelb::bgp {

class AdjRibOut {
 public:
  // What may change while the session lives.
  struct Policy {
    std::string scope;
    uint32_t send_max_v4 = 0;  // most paths per prefix where ADD-PATH is negotiated; 0: no bound
    uint32_t send_max_v6 = 0;
    plan::PathAttributes attributes;  // of every route
    std::vector<plan::ExportRule> rules;
    bool link_bandwidth = false;  // say each next hop's weight
    // Families whose next hop is this end of the session, where that is link-local.
    bool link_local_v4 = false;
    bool link_local_v6 = false;

    Policy() = default;
    explicit Policy(const link::BgpPeer& peer);
    bool operator==(const Policy&) const = default;
  };

  // `plan` outlives this object; it changes only right before Touch is told how.
  AdjRibOut(const link::PlanState* plan, const AttributeContext& context,
            const Negotiated& negotiated, Policy policy, size_t max_message);

  void SetPolicy(Policy policy);
  // The plan changed; `prefixes` as RouteIndex::Update returned them.
  void Touch(const link::PlanChanges& changes, std::span<const IpPrefix> prefixes);
  // Announces everything of a family once more (RFC 2918).
  void Resend(Family family);

  // Appends whole UPDATEs to `out` until it holds `limit` octets or nothing is left to say; one
  // UPDATE per batch may go beyond the limit.
  void Fill(size_t limit, Bytes* out);
  // All that the plan wants said has been handed out by Fill.
  bool idle() const { return marked_.empty() && staged_ == 0; }

  uint64_t prefixes() const { return sent_.size(); }
  uint64_t paths() const { return paths_; }
  uint64_t updates() const { return updates_; }
  uint64_t withdrawn() const { return withdrawn_; }  // prefixes, or paths of them, withdrawn so far
  // What cannot be announced and why, by group.
  const std::map<std::string, std::string>& problems() const { return problems_; }

 private:
  using PathRef = std::shared_ptr<const Path>;
  using PathSet = std::vector<PathRef>;  // in the order of announcement; ids differ
  using SetRef = std::shared_ptr<const PathSet>;
  struct SetKey {
    Family family;
    plan::PathAttributes attributes;
    auto operator<=>(const SetKey&) const = default;
  };
  // The path sets of one group, one for each kind of route that uses it: by what all its paths
  // carry.
  struct GroupSets {
    std::map<SetKey, SetRef> sets;
    size_t sweep_at = 16;
  };
  struct Difference {
    SetRef from;
    SetRef to;
    std::vector<PathRef> announce;
    std::vector<uint32_t> withdraw;
  };
  struct Batch {
    PathRef path;
    Bytes nlri;
  };

  void MarkAll();
  void ForgetNeighbours();
  void Mark(const IpPrefix& prefix, bool resend);
  void Evaluate(const IpPrefix& prefix, bool resend, Bytes* out);
  // Valid until the next call.
  const SetRef& Desired(const IpPrefix& prefix);
  SetRef SetFor(const IpPrefix& prefix, const link::Route& route);
  SetRef MakeSet(const std::string& group, Family family, const plan::PathAttributes& attributes);
  const Difference& Compare(const SetRef& from, const SetRef& to, bool add_path);
  void StageAnnounce(const IpPrefix& prefix, const PathRef& path, Bytes* out);
  void StageWithdraw(const IpPrefix& prefix, uint32_t path_id, Bytes* out);
  void EmitAnnouncements(Batch* batch, Bytes* out);
  void EmitWithdrawals(Family family, Bytes* out);
  // Emits one staged UPDATE, announcements first; false when nothing is staged.
  bool EmitNext(Bytes* out);
  Bytes& withdrawals(Family family) { return family == Family::kV4 ? withdraw_v4_ : withdraw_v6_; }

  const link::PlanState* plan_;
  const AttributeContext context_;
  const Negotiated negotiated_;
  Policy policy_;
  const size_t max_message_;

  PathTable table_;  // before everything that holds paths
  absl::flat_hash_map<std::string, GroupSets> sets_;
  std::map<std::string, std::string> problems_;
  using Sent = absl::btree_map<IpPrefix, SetRef>;
  // The first of `sent_` that is not before `prefix`.
  Sent::iterator SentAt(const IpPrefix& prefix);
  Sent sent_;                               // as staged or handed out; no empty sets
  Sent::iterator sent_at_ = sent_.begin();  // where the last prefix is, or would be
  absl::btree_map<IpPrefix, bool> marked_;  // true: announce again even what has not changed
  Difference last_;                         // a group's change repeats it for all its prefixes

  // Of the plan's routes, end() for none. Neighbours follow each other and mostly share their
  // paths. Forgotten at every change.
  using RouteAt = absl::btree_map<IpPrefix, link::RouteRef>::const_iterator;
  RouteAt looked_up_;  // the last one
  RouteAt alike_;      // the last one whose paths were worked out: `alike_set_`
  SetRef alike_set_;
  const SetRef no_paths_;

  std::vector<Batch> batches_;  // in the order they were opened
  absl::flat_hash_map<const Path*, size_t> batch_of_;
  size_t next_batch_ = 0;  // of EmitNext
  Bytes withdraw_v4_;
  Bytes withdraw_v6_;
  size_t staged_ = 0;        // NLRI in batches and withdrawals
  bool emit_first_ = false;  // a staged prefix was marked again: order matters
  uint64_t paths_ = 0;
  uint64_t updates_ = 0;
  uint64_t withdrawn_ = 0;
};

}  // namespace openelb::bgp
