#pragma once
// Status of BgpConf and BgpPeer, in the shapes OpenELB documents.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "api/kube/meta.h"

namespace openelb::network {

struct MessageCounts {
  uint64_t notification = 0;
  uint64_t update = 0;
  uint64_t open = 0;
  uint64_t keepalive = 0;
  uint64_t refresh = 0;
  uint64_t withdraw_prefix = 0;
  uint64_t Total() const { return notification + update + open + keepalive + refresh; }
  bool operator==(const MessageCounts&) const = default;
};

// One entry of BgpPeer.status.nodesPeerStatus: peerState and timersState.
struct NodePeerStatus {
  std::string neighbor_address;
  uint32_t peer_as = 0;
  uint32_t local_as = 0;
  std::string router_id;      // the peer's
  std::string session_state;  // IDLE, CONNECT, ACTIVE, OPENSENT, OPENCONFIRM, ESTABLISHED
  bool admin_down = false;    // adminState is written only when down
  MessageCounts sent;
  MessageCounts received;
  uint32_t keepalive_s = 0;
  uint32_t negotiated_hold_time_s = 0;
  absl::Time uptime = absl::InfinitePast();    // since when up; InfinitePast: not written
  absl::Time downtime = absl::InfinitePast();  // since when down
  std::string last_error;                      // additive: why the session is down
  uint64_t announced_prefixes = 0;             // additive
  bool operator==(const NodePeerStatus&) const = default;
};

struct BgpPeerStatus {
  int established = 0;                          // additive: sessions that are up
  int expected = 0;                             // additive: speakers that should have one
  std::map<std::string, NodePeerStatus> nodes;  // by node name
  std::vector<kube::Condition> conditions;
  bool operator==(const BgpPeerStatus&) const = default;
};

struct BgpConfStatus {
  struct Node {
    std::string router_id;
    uint32_t as = 0;
    bool operator==(const Node&) const = default;
  };
  std::map<std::string, Node> nodes;  // status.nodesConfStatus
  std::vector<kube::Condition> conditions;
  bool operator==(const BgpConfStatus&) const = default;
};

}  // namespace openelb::network
