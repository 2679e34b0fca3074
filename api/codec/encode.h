#pragma once
// Statuses to documents, in the shapes OpenELB documents; what we add stands beside them. Each
// function gives the value of `status`. As in gobgp's JSON, 64-bit counters and timers are strings.

#include <string>
#include <vector>

#include "api/codec/value.h"
#include "api/kube/meta.h"
#include "api/network/v1alpha2/bgp_status.h"
#include "api/network/v1alpha2/eip.h"
#include "api/network/v1alpha2/openelb.h"

namespace openelb::codec {

// loadBalancer.ingress: [{ip, ipMode: VIP}], empty without addresses.
Value EncodeServiceStatus(const std::vector<std::string>& ips,
                          const std::vector<kube::Condition>& conditions);
// A pool too large for the documented integer gets 2^63-1 as poolSize.
Value EncodeEipStatus(const network::EipStatus& status);
Value EncodeBgpConfStatus(const network::BgpConfStatus& status);
Value EncodeBgpPeerStatus(const network::BgpPeerStatus& status);
Value EncodeOpenElbStatus(const network::OpenElbStatus& status);

}  // namespace openelb::codec
