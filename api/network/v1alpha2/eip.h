#pragma once
// network.kubesphere.io/v1alpha2 Eip: a pool of addresses.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/kube/meta.h"
#include "api/network/v1alpha2/advertise.h"

namespace openelb::network {

enum class Protocol { kBgp, kLayer2, kVip };
// "bgp", "layer2" or "vip".
absl::string_view ProtocolName(Protocol protocol);

// Who is to answer for an address of protocol layer2 or vip, and who does.
struct AddressOwner {
  std::string address;
  std::string planned;              // node; empty: none
  std::vector<std::string> actual;  // nodes, the latest first; several only while they disagree
  absl::Time since;                 // of the first of `actual`
  bool operator==(const AddressOwner&) const = default;
};
inline constexpr size_t kMaxOwnersShown = 100;

struct EipStatus {
  std::string first_ip;
  std::string last_ip;
  std::string pool_size;  // decimal: an IPv6 pool may exceed 64 bits
  bool v4 = false;
  std::map<std::string, std::string> used;  // address -> "ns/name", or "ns1/a;ns2/b" when shared
  int64_t usage = 0;                        // keys of `used`
  bool occupied = false;
  bool ready = false;
  std::vector<AddressOwner> owners;  // the first kMaxOwnersShown, by address
  int64_t owners_total = 0;          // of all
  std::vector<kube::Condition> conditions;
  bool operator==(const EipStatus&) const = default;
};

struct Eip {
  static constexpr const char* kKind = "Eip";
  kube::ObjectMeta meta;
  std::string address;  // as written; ipam parses it
  Protocol protocol = Protocol::kBgp;
  std::string interface;
  bool off_link = false;  // `interface` is where, whatever networks it is on
  bool disable = false;
  int64_t priority = 0;  // smaller is preferred
  std::vector<std::string> namespaces;
  kube::Labels namespace_selector;
  Advertise advertise;                      // of the routes of its addresses
  Aggregation aggregation;                  // of these routes
  std::vector<std::string> fields_ignored;  // fields that were given and cannot be honoured, sorted

  bool operator==(const Eip&) const = default;
};

}  // namespace openelb::network
