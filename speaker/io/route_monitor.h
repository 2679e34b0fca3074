#pragma once
// Over which interface the node reaches what no other route leads to, kept current through
// rtnetlink.
//
// The kernel is asked as a packet would ask it, with rules and metrics: for one address of each
// family that nobody can have. A notification only says that this may have changed; those of routes
// to single networks, of which a node may have very many, do not get this far.

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/base/ip.h"
#include "speaker/io/socket.h"

namespace openelb::io {

class RouteMonitor {
 public:
  // Subscribes and asks once.
  static absl::StatusOr<std::unique_ptr<RouteMonitor>> Create();

  int fd() const { return fd_.get(); }
  // To be called when fd() is readable. Whether routes() changed; after an error it is what it was.
  absl::StatusOr<bool> Refresh();
  // Names of interfaces, of the families that have such a route.
  const std::map<Family, std::string>& routes() const { return routes_; }

 private:
  explicit RouteMonitor(UniqueFd notifications) : fd_(std::move(notifications)) {}

  UniqueFd fd_;
  std::map<Family, std::string> routes_;
};

}  // namespace openelb::io
