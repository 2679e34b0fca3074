#pragma once
// What a Service asks of the allocator, read from its spec and annotations.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/base/ip.h"
#include "api/kube/service.h"
#include "api/network/v1alpha2/eip.h"

namespace openelb::ipam {

// Protocol ("TCP", "UDP", "SCTP") and number.
using Port = std::pair<std::string, int>;

// The families a Service can use.
struct FamilySet {
  bool v4 = true;
  bool v6 = true;
  bool Has(Family family) const { return family == Family::kV4 ? v4 : v6; }
  auto operator<=>(const FamilySet&) const = default;
};

struct Request {
  bool node_proxy = false;  // asks for no address at all
  std::string error;        // why it cannot be served whatever the Eips hold; empty: it can
  std::string pool;         // the Eip it names; empty: none
  std::optional<IpAddress> address;           // the address it names
  std::optional<network::Protocol> protocol;  // automatic choice: only Eips of this protocol
  FamilySet families;
  std::vector<Port> ports;  // sorted, each once
  bool local_policy = false;

  bool operator==(const Request&) const = default;
};

// Whether the Service is ours to serve: type LoadBalancer, not being deleted, and either our
// loadBalancerClass or none and our annotation.
bool IsServed(const kube::Service& service);

// Whether the Service carries what we write onto those that hold an address: label or finalizer.
bool BearsOurMarks(const kube::Service& service);

// `service` is served.
Request ReadRequest(const kube::Service& service);

// The address in status.loadBalancer.ingress; nullopt: none that parses.
std::optional<IpAddress> StatusAddress(const kube::Service& service);

}  // namespace openelb::ipam
