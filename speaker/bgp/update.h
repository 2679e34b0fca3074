#pragma once
// UPDATE messages as we receive them: checked to the last octet, then dropped, because this speaker
// accepts no routes (RFC 4271 4.3 and 6.3; RFC 4760; path ids RFC 7911). An optional visitor sees
// the routes: that is how test routers fill their tables.
//
// What a broken UPDATE costs follows RFC 7606: the session only where its fields can no longer be
// told apart; otherwise the attribute or the routes in it, which means nothing to a speaker that
// accepts none. AS 0 makes an attribute malformed (RFC 7607).

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "api/base/ip.h"
#include "api/base/wire.h"
#include "speaker/bgp/notification.h"

namespace openelb::bgp {

// How the sender was told to write.
struct UpdateFormat {
  bool four_octet_as = true;
  bool add_path_v4 = false;  // NLRI carry path ids
  bool add_path_v6 = false;
  bool ebgp = true;  // the sender is of another AS
};

// Sees the parts of one UPDATE in the order they stand in the message; IPv4 NLRI come last.
class UpdateVisitor {
 public:
  virtual ~UpdateVisitor() = default;
  virtual void OnWithdrawn(const IpPrefix& prefix, uint32_t path_id) = 0;
  virtual void OnAttribute(uint8_t flags, uint8_t type, std::span<const uint8_t> value) = 0;
  // `next_hop`: of MP_REACH_NLRI; none for classic NLRI, whose next hop is an attribute.
  virtual void OnAnnounced(const IpPrefix& prefix, uint32_t path_id,
                           const std::optional<IpAddress>& next_hop) = 0;
};

// Checks `body`. The gravest error found is returned; with one that does not reset the session the
// visitor has seen the rest.
std::optional<MessageError> CheckUpdate(std::span<const uint8_t> body, const UpdateFormat& format,
                                        UpdateVisitor* visitor = nullptr);

}  // namespace openelb::bgp
