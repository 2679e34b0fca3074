#include "controller/kube/replica_endpoints.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/base/host_port.h"

namespace openelb::kube {
namespace {

using codec::Value;

const Value::List& Items(const Value& value, absl::string_view key) {
  static const Value::List kNone;
  const Value* found = value.Find(key);
  return found == nullptr || found->list() == nullptr ? kNone : *found->list();
}

std::string Text(const Value& value, absl::string_view key) {
  const Value* found = value.Find(key);
  return found == nullptr || found->string() == nullptr ? "" : *found->string();
}

int PortOf(const Value& slice, absl::string_view name) {
  for (const Value& port : Items(slice, "ports")) {
    const Value* number = port.Find("port");
    if (Text(port, "name") == name && number != nullptr && number->integer() != nullptr) {
      return static_cast<int>(*number->integer());
    }
  }
  return 0;
}

bool Terminating(const Value& endpoint) {
  const Value* conditions = endpoint.Find("conditions");
  const Value* terminating = conditions == nullptr ? nullptr : conditions->Find("terminating");
  return terminating != nullptr && terminating->boolean() != nullptr && *terminating->boolean();
}

}  // namespace

std::vector<std::string> EndpointsOfSlices(const Value& list, absl::string_view port) {
  std::set<std::string> endpoints;
  for (const Value& slice : Items(list, "items")) {
    const int number = PortOf(slice, port);
    if (number == 0) continue;
    for (const Value& endpoint : Items(slice, "endpoints")) {
      if (Terminating(endpoint)) continue;
      // All addresses of one endpoint are alike.
      for (const Value& address : Items(endpoint, "addresses")) {
        if (address.string() == nullptr) continue;
        endpoints.insert(HostPort{*address.string(), static_cast<uint16_t>(number)}.ToString());
        break;
      }
    }
  }
  return {endpoints.begin(), endpoints.end()};
}

ReplicaEndpoints::ReplicaEndpoints(Options options, Seams seams)
    : options_(std::move(options)),
      seams_(std::move(seams)),
      self_(std::make_shared<ReplicaEndpoints*>(this)) {}

ReplicaEndpoints::~ReplicaEndpoints() { *self_ = nullptr; }

void ReplicaEndpoints::SetLeading(bool leading) {
  if (std::exchange(leading_, leading) == leading) return;
  next_ = -absl::InfiniteDuration();
}

absl::Duration ReplicaEndpoints::NextWakeup() const {
  return leading_ && !under_way_ ? next_ : absl::InfiniteDuration();
}

void ReplicaEndpoints::Turn() {
  if (seams_.clock->Monotonic() < NextWakeup()) return;
  under_way_ = true;
  next_ = seams_.clock->Monotonic() + options_.interval;
  seams_.client->Call(
      {.path = absl::StrCat("/apis/discovery.k8s.io/v1/namespaces/", options_.namespace_name,
                            "/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D",
                            options_.service)},
      [self = self_](const absl::StatusOr<Value>& list) {
        if (*self != nullptr) (*self)->OnList(list);
      });
}

void ReplicaEndpoints::OnList(const absl::StatusOr<Value>& list) {
  under_way_ = false;
  if (!list.ok()) {
    seams_.log->Damped("replicas", "the controllers' endpoints cannot be read",
                       list.status().ToString(), {{"service", options_.service}});
  } else {
    seams_.log->Recovered("replicas", "the controllers' endpoints can be read again",
                          {{"service", options_.service}});
  }
  if (!list.ok() && !endpoints_.empty()) return;
  std::vector<std::string> endpoints = {options_.own};
  if (list.ok()) {
    for (std::string& endpoint : EndpointsOfSlices(*list, options_.port)) {
      if (endpoint != options_.own) endpoints.push_back(std::move(endpoint));
    }
  }
  if (endpoints == endpoints_) return;
  endpoints_ = std::move(endpoints);
  seams_.on_change(endpoints_);
}

}  // namespace openelb::kube
