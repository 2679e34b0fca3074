#pragma once
// The BFD sessions in which ranked nodes watch each other (RFC 5880, RFC 5881: single hop), as
// resources of both nodes' plans.
//
// Any two nodes that are ranked on one address watch each other over the interfaces that it uses
// there: one session for each pair of interfaces, however many addresses of both families share it.
// It is there as long as one of them needs it.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/base/ip.h"
#include "api/plan/v1/plan.pb.h"
#include "controller/plan/model.h"
#include "controller/plan/set_store.h"

namespace openelb::plan {

struct WatchEnd {
  std::string node;
  std::string interface;
  IpAddress address;  // on that interface
  auto operator<=>(const WatchEnd&) const = default;
};

// One session.
struct Watch {
  WatchEnd low;  // by the node's name
  WatchEnd high;
  auto operator<=>(const Watch&) const = default;
};

// A node on one of its interfaces.
struct NodeLink {
  absl::string_view node;
  const NodeView& view;
  absl::string_view interface;  // empty: not known
};

// How two nodes watch each other, whichever of them is named first: by IPv4 addresses, else by
// global IPv6 ones, each in the network of the other; where there are several, by the numerically
// smallest. nullopt: they cannot.
std::optional<Watch> FindWatch(const NodeLink& a, const NodeLink& b);

class WatchTable {
 public:
  // How often both ends send, 10 ms..60 s, and how many packets have to be missing, 1..255.
  WatchTable(absl::Duration interval, int multiplier)
      : interval_(interval), multiplier_(multiplier) {}

  // What the sessions' own secrets are made of. Takes effect with the next Rewrite.
  void SetSecret(std::string secret);
  // Without one nobody watches.
  bool has_secret() const { return !secret_.empty(); }
  void Rewrite(SetStore* sets);

  // `address` needs these sessions, and no others.
  void Need(const IpAddress& address, std::set<Watch> watches, SetStore* sets);

 private:
  // Sessions by what needs them. There is more than one under a key of a node only where others
  // share an address on one link; the first of them counts.
  using Sessions = std::map<Watch, uint32_t>;

  void Add(const Watch& watch, SetStore* sets);
  void Drop(const Watch& watch, SetStore* sets);
  void Write(const std::string& node, const std::string& key, const Sessions& sessions,
             SetStore* sets) const;

  const absl::Duration interval_;
  const int multiplier_;
  std::string secret_;
  bool rewrite_ = false;
  std::map<IpAddress, std::set<Watch>> needs_;
  std::map<std::string, std::map<std::string, Sessions>> sessions_;  // by node and key
};

}  // namespace openelb::plan
