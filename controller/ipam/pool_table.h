#pragma once
// The Eips: which of them are usable, which is the default, which a namespace may draw from, and
// which covers an address. Statuses are kept here; who uses what is filled in by the allocator.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/base/ip.h"
#include "api/kube/service.h"
#include "api/network/v1alpha2/eip.h"
#include "controller/ipam/request.h"
#include "controller/problem.h"

namespace openelb::ipam {

struct Pool {
  network::Eip eip;
  std::optional<IpRange> range;  // nullopt: spec.address cannot be read
  std::string refused;           // why it gives no address until an Eip changes; empty: usable
  bool wants_default = false;    // carries the annotation
  bool is_default = false;       // and is the one that counts
  std::optional<IpRange> had;    // what it was usable with before this Apply; nullopt: was not
  network::EipStatus status;

  const std::string& name() const { return eip.meta.name; }
  // Why it gives nothing new to a Service of `families`, as "is disabled"; empty: it may. Whether
  // an address is left is not considered.
  std::string Obstacle(const FamilySet& families) const;
};

// `spec.address: "10.0.0.0/24" overlaps Eip "other" (10.0.0.7)`.
std::string DescribeOverlap(const network::Eip& eip, const Pool& other);

// Whether it carries the annotation of the default Eip.
bool WantsDefault(const network::Eip& eip);

class PoolTable {
 public:
  struct Change {
    std::string name;
    std::optional<IpRange> range_before;  // nullopt: new, or was unreadable
    bool newly_refused = false;
  };

  // Takes in Eips (nullopt: deleted) and returns, by name, all whose spec or conditions changed.
  // Of two that overlap, or want to be default, the older by creationTimestamp is usable, or
  // default. Where those are equal, or one is not given, it is the one that was so already, then
  // the one that gave addresses, then the first by name. `in_use` counts as usable and default
  // already: for the first Apply, which has nothing that came before. Recomputes every Eip: they
  // are few and change rarely.
  std::vector<Change> Apply(const std::map<std::string, std::optional<network::Eip>>& eips,
                            const std::set<std::string>& in_use = {});
  // Whether the labels changed; nullopt: deleted.
  bool ApplyNamespace(const std::string& name, const std::optional<kube::Namespace>& object);

  // Eips that are refused, and those that want to be default beside another one. Sorted.
  std::vector<Problem> Problems() const;

  const Pool* Find(absl::string_view name) const;
  // By name.
  const std::map<std::string, Pool, std::less<>>& all() const { return pools_; }
  // nullptr: no such Eip.
  network::EipStatus* StatusOf(absl::string_view name);
  // The usable Eip that contains `address`, else the first refused one that does; or nullptr.
  const Pool* Covering(const IpAddress& address) const;
  // The usable Eip besides `name` that has addresses of `range`, the highest if several do, or
  // nullptr.
  const Pool* Overlapping(const IpRange& range, absl::string_view name = "") const;
  // The Eip that is the default one; nullptr: none is.
  const Pool* Default() const { return default_; }
  // Whether an address given from Eip `name` may stay: the Eip exists and still contains it. An
  // unreadable spec.address takes nothing away.
  bool Keeps(absl::string_view name, const IpAddress& address) const;
  // The Eips that automatic choice considers, in order: those bound to the namespace by priority,
  // then name, then the default one; where none can be it, those that want to be. Disabled and
  // refused ones and those being deleted are included.
  const std::vector<const Pool*>& CandidatesOf(const std::string& namespace_);

 private:
  void ChooseUsable(const std::set<std::string>& in_use);
  void ChooseDefault(const std::set<std::string>& in_use);
  bool IsSecondDefault(const Pool& pool) const;
  std::string WhyNotDefault() const;
  void RefreshStatus(Pool* pool) const;
  bool Binds(const Pool& pool, const std::string& namespace_) const;

  std::map<std::string, Pool, std::less<>> pools_;
  std::map<IpAddress, const Pool*> usable_;  // by first address; ranges never overlap
  std::vector<const Pool*> in_order_;        // those that come first in a conflict first
  const Pool* default_ = nullptr;
  std::map<std::string, kube::Labels> namespaces_;
  std::map<std::string, std::vector<const Pool*>> candidates_;  // cache
};

}  // namespace openelb::ipam
