#include "controller/kube/webhook_bundle.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "controller/kube/text_at.h"

namespace openelb::kube {

using codec::Value;

WebhookBundle::WebhookBundle(Options options, Seams seams)
    : options_(std::move(options)),
      seams_(seams),
      object_(
          {.collection = absl::StrCat("/apis/admissionregistration.k8s.io/v1/", options_.resource),
           .name = options_.name,
           .missing_interval = absl::Seconds(30)},
          seams_.client, seams_.clock, seams_.random) {}

void WebhookBundle::SetLeading(bool leading) {
  if (std::exchange(leading_, leading) == leading) return;
  decided_.reset();
  object_.Refresh();
}

void WebhookBundle::SetBundle(const std::string& bundle) {
  std::string encoded = absl::Base64Escape(bundle);
  if (std::exchange(bundle_, std::move(encoded)) != bundle_) decided_.reset();
}

absl::Duration WebhookBundle::NextWakeup() const {
  return leading_ && !bundle_.empty() ? object_.NextWakeup() : absl::InfiniteDuration();
}

void WebhookBundle::Turn() {
  if (!leading_ || bundle_.empty()) return;
  object_.Turn();
  if (decided_ == object_.version()) return;
  const std::string problem = absl::StrCat("webhooks ", options_.resource);
  if (!object_.error().ok()) {
    decided_ = object_.version();
    seams_.log->Damped(problem, "the API server cannot be told whom webhooks are served by",
                       object_.error().ToString(), {{options_.resource, options_.name}});
    return;
  }
  if (!object_.settled()) return;
  decided_ = object_.version();
  if (object_.object() == nullptr) {
    seams_.log->Damped(problem, "webhooks are not asked for; conditions say what they would",
                       "there is no such object", {{options_.resource, options_.name}});
    return;
  }
  seams_.log->Recovered(problem, "the API server is told whom webhooks are served by",
                        {{options_.resource, options_.name}});
  Decide();
}

bool WebhookBundle::IsOurs(const Value& client_config) const {
  return TextAt(client_config, {"service", "name"}) == options_.service &&
         TextAt(client_config, {"service", "namespace"}) == options_.namespace_name;
}

void WebhookBundle::Decide() {
  const Value* webhooks = object_.object()->Find("webhooks");
  if (webhooks == nullptr || webhooks->list() == nullptr) return;
  Value desired = *webhooks;
  for (Value& webhook : *desired.list()) {
    const Value* config = webhook.Find("clientConfig");
    if (config != nullptr && IsOurs(*config)) webhook["clientConfig"]["caBundle"] = bundle_;
  }
  if (desired == *webhooks) return;
  Value patch;
  patch["webhooks"] = std::move(desired);
  ++writes_;
  object_.Patch(std::move(patch));
}

}  // namespace openelb::kube
