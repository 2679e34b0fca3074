#include "controller/admission/default_eip.h"

#include <algorithm>
#include <vector>

#include "api/network/v1alpha2/names.h"
#include "controller/ipam/request.h"

namespace openelb::admission {
namespace {

constexpr const char* kOurs = "openelb";

// Whether it is a LoadBalancer Service that nobody has claimed.
bool IsUnclaimed(const kube::Service& service) {
  return service.type == "LoadBalancer" && !service.meta.deletion_timestamp &&
         service.load_balancer_class.empty() &&
         !network::Find(service.meta.annotations, network::kLoadBalancer) &&
         (service.ingress.empty() || ipam::BearsOurMarks(service));
}

// The Eip for a Service of ours that names none where no Eip is for its namespace and none is the
// default; nullptr: none can.
const ipam::Pool* AnyPool(const kube::Service& service, const ipam::Request& request,
                          Knowledge* known) {
  if (!known->pools().CandidatesOf(service.meta.namespace_).empty()) return nullptr;
  std::vector<const ipam::Pool*> fitting;
  for (const auto& [name, pool] : known->pools().all()) {
    const bool other = request.protocol && *request.protocol != pool.eip.protocol;
    if (!other && pool.Obstacle(request.families).empty()) fitting.push_back(&pool);
  }
  std::stable_sort(fitting.begin(), fitting.end(),
                   [](const auto* a, const auto* b) { return a->eip.priority < b->eip.priority; });
  const auto roomy = std::find_if(fitting.begin(), fitting.end(), [known](const auto* pool) {
    return known->HoldersOf(pool->name()).size() < pool->range->Size();
  });
  return roomy == fitting.end() ? nullptr : *roomy;
}

}  // namespace

Verdict ChooseForUser(const Review& review, Knowledge* known) {
  Verdict verdict;
  const auto* service =
      review.object.object ? std::get_if<kube::Service>(&*review.object.object) : nullptr;
  if (service == nullptr || review.operation == Operation::kDelete) return verdict;
  const bool ours = ipam::IsServed(*service);
  const ipam::Pool* standing = known->pools().Default();
  if (!ours && (standing == nullptr || !IsUnclaimed(*service))) return verdict;
  if (!ours) verdict.annotations[network::kLoadBalancer.openelb] = kOurs;
  const ipam::Request request = ipam::ReadRequest(*service);
  const bool asks = !request.pool.empty() || request.address || !request.error.empty();
  if (asks) return verdict;
  const ipam::Pool* pool = ours ? AnyPool(*service, request, known) : standing;
  if (pool != nullptr) verdict.annotations[network::kEipName.openelb] = pool->name();
  return verdict;
}

}  // namespace openelb::admission
