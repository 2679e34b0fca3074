#pragma once
// The Eips: which of them are usable, which is the default, which a namespace may draw from, and
// which covers an address. Statuses are kept here; who uses what is filled in by the allocator.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/base/ip.h"
#include "api/kube/service.h"
#include "api/network/v1alpha2/eip.h"
#include "controller/ipam/request.h"

namespace openelb::ipam {

struct Pool {
  network::Eip eip;
  std::optional<IpRange> range;  // nullopt: spec.address cannot be read
  std::string refused;           // why it gives no address until an Eip changes; empty: usable
  bool wants_default = false;    // carries the annotation
  bool is_default = false;       // and is the one that counts
  network::EipStatus status;

  const std::string& name() const { return eip.meta.name; }
  // Why it gives nothing new to a Service of `families`, as "is disabled"; empty: it may. Whether
  // an address is left is not considered.
  std::string Obstacle(const FamilySet& families) const;
};

class PoolTable {
 public:
  struct Change {
    std::string name;
    std::optional<IpRange> range_before;  // nullopt: new, or was unreadable
    bool newly_refused = false;
  };

  // Takes in Eips (nullopt: deleted) and returns, by name, all whose spec or conditions changed.
  // Eips are ordered by creationTimestamp, then name: one that overlaps an earlier usable one is
  // refused, and the first that wants to be default is. Recomputes every Eip: they are few and
  // change rarely.
  std::vector<Change> Apply(const std::map<std::string, std::optional<network::Eip>>& eips);
  // Whether the labels changed; nullopt: deleted.
  bool ApplyNamespace(const std::string& name, const std::optional<kube::Namespace>& object);

  const Pool* Find(absl::string_view name) const;
  // nullptr: no such Eip.
  network::EipStatus* StatusOf(absl::string_view name);
  // The usable Eip that contains `address`, else the first refused one that does; or nullptr.
  const Pool* Covering(const IpAddress& address) const;
  // Whether an address given from Eip `name` may stay: the Eip exists and still contains it. An
  // unreadable spec.address takes nothing away.
  bool Keeps(absl::string_view name, const IpAddress& address) const;
  // The Eips that automatic choice considers, in order: those bound to the namespace by priority,
  // then name, then the default one. Disabled and refused ones are included.
  const std::vector<const Pool*>& CandidatesOf(const std::string& namespace_);

 private:
  void RefreshStatus(Pool* pool) const;
  bool Binds(const Pool& pool, const std::string& namespace_) const;

  std::map<std::string, Pool, std::less<>> pools_;
  std::map<IpAddress, const Pool*> usable_;  // by first address; ranges never overlap
  std::vector<const Pool*> in_order_;        // by creationTimestamp, then name
  const Pool* default_ = nullptr;
  std::map<std::string, kube::Labels> namespaces_;
  std::map<std::string, std::vector<const Pool*>> candidates_;  // cache
};

}  // namespace openelb::ipam
