#pragma once
// Peer groups: parts of a BgpPeer's spec that several BgpPeers share, from BgpConf.spec.peerGroups.
// They stay as written, because what a BgpPeer gives as false or 0 wins over its group, and what it
// does not give does not.

#include <string>

#include "absl/status/statusor.h"
#include "api/codec/value.h"
#include "api/network/v1alpha2/bgp.h"

namespace openelb::codec {

// What is wrong with a group, as "timers.config.holdTime: 1 is not 0 or from 3 to 65535"; empty:
// nothing. Unknown members are wrong, because no schema tells of them. So are what makes one router
// of many (neighborAddress, neighborInterface), another group, and a written password, because
// groups are kept where everybody may read; they name Secrets.
std::string PeerGroupError(const Value& group);

// `peer`, which names a group, with what its spec does not give taken from `group`, whose
// PeerGroupError is empty. Maps are merged member by member; a list and a nodeSelector replace
// those of the group. Error: the two together are no BgpPeer; it names the field.
absl::StatusOr<network::BgpPeer> WithGroup(const network::BgpPeer& peer, const Value& group);

}  // namespace openelb::codec
