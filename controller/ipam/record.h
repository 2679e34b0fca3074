#pragma once
// What the allocator knows of one Service, and the order in which Services are served.

#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "absl/time/time.h"
#include "api/base/ip.h"
#include "controller/ipam/ipam.h"
#include "controller/ipam/request.h"

namespace openelb::ipam {

// What the allocator knows of a Service that is ours.
struct Record {
  std::string namespace_;
  std::string name;
  std::string uid;
  absl::Time created;
  Request request;
  ServiceState state;
  std::string obstacle;           // why it waits, as the list last learnt it
  std::optional<IpAddress> last;  // held before, or found in its status: taken again if free
  std::string marked_pool;        // the Eip named by the label that we write
  std::string released_because;   // why the address it had in this round was taken back
  bool warned_of_sharing = false;

  std::string key() const { return namespace_ + "/" + name; }
  bool Holds(const IpAddress& address) const {
    return state.allocation && state.allocation->addresses[0] == address;
  }
};

// By creationTimestamp, then namespace and name.
struct Older {
  bool operator()(const Record* a, const Record* b) const {
    return std::tie(a->created, a->namespace_, a->name) <
           std::tie(b->created, b->namespace_, b->name);
  }
};
using Queue = std::set<Record*, Older>;

}  // namespace openelb::ipam
