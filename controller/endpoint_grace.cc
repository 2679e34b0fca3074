#include "controller/endpoint_grace.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace openelb {
namespace {

std::string Name(const kube::EndpointSlice& slice) {
  return absl::StrCat(slice.meta.namespace_, "/", slice.meta.name);
}

std::string Name(const kube::Endpoint& endpoint) {
  return absl::StrCat(endpoint.node_name, " ", absl::StrJoin(endpoint.addresses, " "));
}

bool WasReady(const std::vector<kube::Endpoint>& before, const kube::Endpoint& endpoint) {
  return std::any_of(before.begin(), before.end(), [&](const kube::Endpoint& held) {
    return held.IsReady() && held.node_name == endpoint.node_name &&
           held.addresses == endpoint.addresses;
  });
}

}  // namespace

kube::EndpointSlice EndpointGrace::See(const std::vector<kube::Endpoint>* before,
                                       const kube::EndpointSlice& slice, absl::Duration now) {
  std::map<std::string, absl::Duration> began;
  if (auto held = waiting_.extract(Name(slice))) began = std::move(held.mapped().until);
  if (before == nullptr || grace_ <= absl::ZeroDuration()) return slice;

  kube::EndpointSlice seen = slice;
  Waiting waiting{slice, {}, absl::InfiniteDuration()};
  bool others = false;  // carry the traffic meanwhile
  for (kube::Endpoint& endpoint : seen.endpoints) {
    if (!endpoint.IsReady()) {
      others |= endpoint.IsServing() && endpoint.IsTerminating();
      continue;
    }
    const std::string name = Name(endpoint);
    const auto since = began.find(name);
    const absl::Duration until = since == began.end() ? now + grace_ : since->second;
    if (until <= now || WasReady(*before, endpoint)) {
      others = true;
      continue;
    }
    waiting.until[name] = until;
    waiting.due = std::min(waiting.due, until);
    endpoint.ready = false;
    endpoint.serving = false;
  }
  if (!others || waiting.until.empty()) return slice;
  waiting_[Name(slice)] = std::move(waiting);
  return seen;
}

void EndpointGrace::Forget(const std::string& slice) { waiting_.erase(slice); }

std::vector<kube::EndpointSlice> EndpointGrace::TakeDue(absl::Duration now) {
  std::vector<kube::EndpointSlice> due;
  for (const auto& [name, waiting] : waiting_) {
    if (waiting.due <= now) due.push_back(waiting.slice);
  }
  return due;
}

absl::Duration EndpointGrace::NextDue() const {
  absl::Duration next = absl::InfiniteDuration();
  for (const auto& [name, waiting] : waiting_) next = std::min(next, waiting.due);
  return next;
}

}  // namespace openelb
