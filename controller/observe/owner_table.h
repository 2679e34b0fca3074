#pragma once
// Who is to answer for each address of Layer 2 and VIP Eips, and who does: the plan beside what the
// speakers say. Pure.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "api/base/ip.h"
#include "api/network/v1alpha2/eip.h"
#include "controller/observe/owner_board.h"
#include "controller/plan/model.h"

namespace openelb::observe {

// Addresses by who answers for them.
struct OwnerCounts {
  int64_t as_planned = 0;  // the planned node alone
  int64_t elsewhere = 0;   // one other node
  int64_t nobody = 0;
  int64_t several = 0;
  bool operator==(const OwnerCounts&) const = default;
};

// Another node than before answers for an address.
struct OwnerMove {
  IpAddress address;
  std::string pool;
  std::vector<std::string> services;  // "namespace/name"
  std::string owner;
  std::string planned;  // empty: nobody
  std::string before;   // the owner before; empty: it is the first
  bool operator==(const OwnerMove&) const = default;
};

class OwnerTable {
 public:
  struct Changes {
    std::set<std::string> pools;   // whose owners are others than before, planned or seen
    std::vector<OwnerMove> moves;  // those of Layer 2 first, each sorted by address
  };
  // An address that nobody answers for in between does not move, nor one of which only the first
  // report of its owner told: that was so before anybody here knew.
  Changes Refresh(const plan::Model& model, const OwnerBoard& board);

  // By pool, how often addresses of it went from one owner to another, since it was first seen.
  const std::map<std::string, uint64_t>& changes() const { return changes_; }
  // The pool is gone.
  void Forget(const std::string& pool) { changes_.erase(pool); }

  // Whether any address of the pool is to have an owner.
  bool Has(const std::string& pool) const { return pools_.contains(pool); }
  // Fills status.owners and what counts them.
  void Show(const std::string& pool, network::EipStatus* status) const;
  OwnerCounts Count() const;

 private:
  struct Row {
    network::AddressOwner shown;
    std::string last;  // who answered last
    bool operator==(const Row&) const = default;
  };
  using Rows = std::map<IpAddress, Row>;
  struct Planned {
    const std::string& pool;
    const std::vector<std::string>& services;
    std::string owner;
  };
  void Put(const IpAddress& address, const Planned& planned, const std::vector<Claim>& claims,
           std::map<std::string, Rows>* next, std::vector<OwnerMove>* moves) const;

  std::map<std::string, Rows> pools_;
  std::map<std::string, uint64_t> changes_;
};

}  // namespace openelb::observe
