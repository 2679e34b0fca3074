#pragma once
// Which node answers for what, as the speakers say: Layer 2 addresses, and the virtual routers of
// VIP mode that they are the Active of. Pure.
//
// Life of a claim: a report has it, until a later report of the node has it no longer or the
// speaker stops. The loss of a stream ends none, because the node may go on; but once another node
// that is heard has claimed the same, what the silent one said is out of date. When it is heard
// again, it says everything anew.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "api/base/ip.h"
#include "api/plan/v1/plan.pb.h"

namespace openelb::observe {

struct VirtualRouter {
  Family family = Family::kV4;
  uint32_t vrid = 0;
  auto operator<=>(const VirtualRouter&) const = default;
};

// What one node at a time is to answer for.
using Answered = std::variant<IpAddress, VirtualRouter>;

struct Claim {
  std::string node;
  absl::Time since;    // by the node's clock
  bool first = false;  // it was in the first report of the node: nobody saw it begin
  bool operator==(const Claim&) const = default;
};

class OwnerBoard {
 public:
  // The newest report of a node replaces the last one of its kind.
  void Update(const std::string& node, const plan::v1::Layer2Owned& owned);
  void Update(const std::string& node, const plan::v1::Observed& observed);
  // Its stream is gone.
  void OnSilent(const std::string& node);
  // It has stopped in order: it answers for nothing.
  void OnStopped(const std::string& node);
  // It is gone for good.
  void Forget(const std::string& node);

  // Who claims it, the latest first; more than one node only while they disagree.
  std::vector<Claim> ClaimsOf(const Answered& what) const;
  // Whether the speaker of `node` has said anything: it begins with what it answers for.
  bool Heard(const std::string& node) const {
    return said_.contains({node, 0}) || said_.contains({node, 1});
  }
  // Whether any claim has changed since this was last asked.
  bool TakeChanged() { return std::exchange(changed_, false); }

 private:
  struct Held {
    Claim claim;
    uint64_t arrival = 0;
  };
  struct Said {
    bool silent = false;  // nothing has come of it since its stream was lost
    std::set<Answered> claims;
  };
  using Kind = size_t;  // index of Answered
  void Take(const std::string& node, Kind kind, const std::map<Answered, absl::Time>& claims);
  void Withdraw(const std::string& node, const Answered& what);
  void EndOutdated(const Answered& what);

  std::map<std::pair<std::string, Kind>, Said> said_;
  std::map<Answered, std::map<std::string, Held>> held_;  // by node
  uint64_t arrivals_ = 0;
  bool changed_ = false;
};

}  // namespace openelb::observe
