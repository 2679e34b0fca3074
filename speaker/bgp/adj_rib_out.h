#pragma once
// What one session has announced and what it should announce: the Adj-RIB-Out of RFC 4271 3.2.
//
// Nothing is kept of a prefix that the peer has as the plan says, which is nearly all of them:
// what it was sent can be worked out again. Kept are the prefixes that differ, or may.
//
// Life of a change: Touch notes what was sent of each prefix so far. When the socket has room, Fill
// takes one such prefix after the other, works out its paths from the plan, compares them with what
// was sent, and puts the difference into batches, one per path, that leave as UPDATEs when they are
// full or when no prefix is left. So memory for UPDATEs is bounded by the number of paths, however
// slowly the peer reads, and a prefix that changes ten times meanwhile is sent once, as it is in
// the end.
//
// Announcements of a prefix always leave before withdrawals of its other paths, and a path that
// only changes its attributes is announced again over the old one (implicit replacement, RFC 4271
// 9.1.4): nothing is withdrawn that comes back.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "api/base/ip.h"
#include "speaker/bgp/attributes.h"
#include "speaker/bgp/open.h"
#include "speaker/bgp/path_sets.h"
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
  // The plan changed; `prefixes` as RouteIndex::Update returned them: each one that may have other
  // paths now, or the session will take what it should have for what it has.
  void Touch(const link::PlanChanges& changes, std::span<const IpPrefix> prefixes);
  // Announces everything of a family once more (RFC 2918).
  void Resend(Family family);

  // Appends whole UPDATEs to `out` until it holds `limit` octets or nothing is left to say; one
  // UPDATE per batch may go beyond the limit.
  void Fill(size_t limit, Bytes* out);
  // All that the plan wants said has been handed out by Fill.
  bool idle() const { return pending_.empty() && !untold_.has_value() && staged_ == 0; }

  uint64_t prefixes() const { return prefixes_; }
  uint64_t paths() const { return paths_; }
  uint64_t updates() const { return updates_; }
  uint64_t withdrawn() const { return withdrawn_; }  // prefixes, or paths of them, withdrawn so far
  // Distinct ones in use: nothing is held for what is gone.
  size_t path_sets() const { return sets_.size(); }
  // What cannot be announced and why, by group.
  const std::map<std::string, std::string>& problems() const { return problems_; }

 private:
  struct SetKey {
    Family family;
    plan::PathAttributes attributes;
    auto operator<=>(const SetKey&) const = default;
  };
  // The path sets of one group, one for each kind of route that uses it: by what all its paths
  // carry. A user of each.
  struct GroupSets {
    std::map<SetKey, PathSets::Id> sets;
    size_t sweep_at = 16;
  };
  struct Wanted {
    const std::string* group;
    SetKey key;
  };
  // A user of both sets.
  struct Difference {
    PathSets::Id from = PathSets::kNone;
    PathSets::Id to = PathSets::kNone;
    std::vector<PathRef> announce;
    std::vector<uint32_t> withdraw;
  };
  // Of a prefix that the peer may have otherwise than the plan says.
  struct Pending {
    PathSets::Id sent = PathSets::kNone;  // staged or handed out
    bool again = false;                   // announce even what has not changed
  };
  struct Batch {
    PathRef path;
    Bytes nlri;
  };

  bool Carries(const IpPrefix& prefix) const { return negotiated_.use(prefix.family()).negotiated; }
  bool Untold(const IpPrefix& prefix) const { return untold_.has_value() && !(prefix < *untold_); }
  // What was sent of a prefix that is not pending is what `route` asked for.
  void Mark(const IpPrefix& prefix, const link::RouteRef& route);
  void ForgetSets(GroupSets* group);
  void ForgetNeighbours();
  void ForgetDifference();

  void EvaluatePending(size_t limit, Bytes* out);
  void EvaluateUntold(size_t limit, Bytes* out);
  void Evaluate(const IpPrefix& prefix, const Pending& pending, PathSets::Id to, Bytes* out);
  // The plan's route to `prefix`, or none.
  link::RouteRef RouteOf(const IpPrefix& prefix);
  // What a route asks for; nullopt: the peer is not to have it.
  std::optional<Wanted> WantedOf(const IpPrefix& prefix, const link::Route& route) const;
  // What the peer should have of `prefix` through `route`, of which there may be none. Without
  // `make`, none also where no prefix has had such paths since its group changed.
  PathSets::Id SetOf(const IpPrefix& prefix, const link::RouteRef& route, bool make);
  PathSets::Id Find(const Wanted& wanted) const;
  PathSets::Id FindOrMake(Wanted wanted);
  PathSet MakeSet(const std::string& group, Family family, const plan::PathAttributes& attributes);
  const Difference& Compare(PathSets::Id from, PathSets::Id to, bool add_path);
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
  PathSets sets_;    // each prefix that the peer has is a user of its set, pending or not
  absl::flat_hash_map<std::string, GroupSets> groups_;
  std::map<std::string, std::string> problems_;
  absl::btree_map<IpPrefix, Pending> pending_;  // none of them untold
  std::optional<IpPrefix> untold_;              // from here on nothing has been looked at yet
  Difference last_;                             // a group's change repeats it for all its prefixes

  // Neighbours follow each other and mostly share their paths. Forgotten at every change.
  using RouteAt = absl::btree_map<IpPrefix, link::RouteRef>::const_iterator;
  RouteAt looked_up_;     // of the plan's routes, the last one; end(): none
  link::RouteRef alike_;  // the last one whose paths were worked out: `alike_set_`
  Family alike_family_ = Family::kV4;
  PathSets::Id alike_set_ = PathSets::kNone;

  std::vector<Batch> batches_;  // in the order they were opened
  absl::flat_hash_map<const Path*, size_t> batch_of_;
  size_t next_batch_ = 0;  // of EmitNext
  Bytes withdraw_v4_;
  Bytes withdraw_v6_;
  size_t staged_ = 0;        // NLRI in batches and withdrawals
  bool emit_first_ = false;  // a staged prefix was marked again: order matters
  uint64_t prefixes_ = 0;
  uint64_t paths_ = 0;
  uint64_t updates_ = 0;
  uint64_t withdrawn_ = 0;
};

}  // namespace openelb::bgp
