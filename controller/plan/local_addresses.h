#pragma once
// The addresses that nodes answer for themselves: to which pools and Services they belong, and
// which of them a change touches.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/base/ip.h"
#include "api/network/v1alpha2/eip.h"
#include "controller/plan/model.h"
#include "controller/plan/node_table.h"

namespace openelb::plan {

class LocalAddresses {
 public:
  // `mode`: the member of NodeView that says whether a node's speaker is in the mode.
  explicit LocalAddresses(bool NodeView::* mode) : mode_(mode) {}

  void Upsert(const network::Eip& eip);
  void RemoveEip(const std::string& name);
  // The addresses that Service "namespace/name" has from pool `pool`; none: it has none.
  void SetAddresses(const std::string& service, const std::string& pool,
                    std::vector<IpAddress> addresses);

  // The addresses that are to be decided anew, also those that nobody holds any more; asking clears
  // them.
  std::set<IpAddress> TakeTouched(const NodeChanges& nodes, const std::set<std::string>& services,
                                  const Model& model);

  bool IsHeld(const IpAddress& address) const { return services_of_.contains(address); }
  // "namespace/name", sorted.
  std::vector<std::string> ServicesOf(const IpAddress& address) const;
  // Of an address that is held; where pools differ that of its first Service.
  const std::string& PoolOf(const IpAddress& address) const;
  // spec.interface; empty: no such pool, or none is given.
  absl::string_view InterfaceOf(const std::string& pool) const;

 private:
  struct Holding {
    std::string pool;
    std::vector<IpAddress> addresses;
  };

  bool SameForUs(const NodeView& a, const NodeView& b) const;

  bool NodeView::* mode_;
  std::map<std::string, std::string> interfaces_;  // spec.interface by pool
  std::map<std::string, Holding> held_;            // by Service
  std::map<IpAddress, std::set<std::string>> services_of_;
  std::set<IpAddress> touched_;
  bool all_touched_ = false;
};

}  // namespace openelb::plan
