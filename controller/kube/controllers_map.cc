#include "controller/kube/controllers_map.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::kube {
namespace {

using codec::Value;

constexpr const char* kBundle = "ca.crt";
constexpr const char* kEndpoints = "endpoints";

}  // namespace

ControllersMap::ControllersMap(Options options, Seams seams)
    : options_(std::move(options)),
      seams_(seams),
      map_({.collection =
                absl::StrCat("/api/v1/namespaces/", options_.namespace_name, "/configmaps"),
            .name = options_.name},
           seams_.client, seams_.clock, seams_.random) {}

void ControllersMap::SetLeading(bool leading) {
  if (std::exchange(leading_, leading) == leading) return;
  decided_.reset();
  map_.Refresh();
}

void ControllersMap::SetBundle(std::string bundle) {
  if (std::exchange(bundle_, std::move(bundle)) != bundle_) decided_.reset();
}

void ControllersMap::SetEndpoints(const std::vector<std::string>& endpoints) {
  std::string lines;
  for (const std::string& endpoint : endpoints) absl::StrAppend(&lines, endpoint, "\n");
  if (std::exchange(endpoints_, std::move(lines)) != endpoints_) decided_.reset();
}

absl::Duration ControllersMap::NextWakeup() const {
  return leading_ ? map_.NextWakeup() : absl::InfiniteDuration();
}

void ControllersMap::Turn() {
  if (!leading_) return;
  map_.Turn();
  if (bundle_.empty() || endpoints_.empty() || decided_ == map_.version()) return;
  if (!map_.error().ok()) {
    decided_ = map_.version();
    seams_.log->Damped("controllers map", "what speakers mount cannot be kept current",
                       map_.error().ToString(), {{"configmap", options_.name}});
    return;
  }
  if (!map_.settled()) return;
  seams_.log->Recovered("controllers map", "what speakers mount can be kept current",
                        {{"configmap", options_.name}});
  decided_ = map_.version();
  Value desired = map_.object() == nullptr ? Value() : *map_.object();
  if (map_.object() == nullptr) {
    desired["apiVersion"] = "v1";
    desired["kind"] = "ConfigMap";
    desired["metadata"]["labels"]["app"] = "openelb";
    desired["metadata"]["labels"]["component"] = "controller";
  }
  Value& data = desired["data"];
  if (data.map() == nullptr) data = Value(Value::Map());
  data[kBundle] = bundle_;
  data[kEndpoints] = endpoints_;
  if (map_.object() != nullptr && desired == *map_.object()) return;
  ++writes_;
  map_.Replace(std::move(desired));
}

}  // namespace openelb::kube
