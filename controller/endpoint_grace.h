#pragma once
// Rules before route: kube-proxy writes its rules at most once a second by default. A node that
// becomes a next hop for a Pod which its kube-proxy does not know yet drops what policy Local sends
// there. So an endpoint that turns ready counts only after a grace, unless it is all that the
// Service has. Pure: time comes in.

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "api/kube/endpoint_slice.h"

namespace openelb {

class EndpointGrace {
 public:
  // Zero: an endpoint counts at once.
  explicit EndpointGrace(absl::Duration grace) : grace_(grace) {}

  // What planning may see of `slice`, when it saw the endpoints `before` of it last (null: nothing,
  // so that nothing says that an endpoint is new).
  kube::EndpointSlice See(const std::vector<kube::Endpoint>* before,
                          const kube::EndpointSlice& slice, absl::Duration now);
  void Forget(const std::string& slice);  // "namespace/name"

  // Slices in which a grace is over, as they really are: to See again.
  std::vector<kube::EndpointSlice> TakeDue(absl::Duration now);
  // When TakeDue has something to give; InfiniteDuration: never.
  absl::Duration NextDue() const;

 private:
  struct Waiting {
    kube::EndpointSlice slice;
    std::map<std::string, absl::Duration> until;  // by endpoint; never empty
    absl::Duration due;                           // the earliest of `until`
  };

  const absl::Duration grace_;
  std::map<std::string, Waiting> waiting_;
};

}  // namespace openelb
