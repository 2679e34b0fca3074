#include "controller/kube/service_target.h"

#include <algorithm>
#include <utility>

#include "api/codec/encode.h"
#include "api/codec/write.h"
#include "api/network/v1alpha2/names.h"
#include "controller/kube/json.h"

namespace openelb::kube {
namespace {

using codec::Value;

const Value* Descend(const Value& value, std::initializer_list<absl::string_view> path) {
  const Value* at = &value;
  for (const absl::string_view step : path) {
    at = at->Find(step);
    if (at == nullptr) return nullptr;
  }
  return at;
}

const std::string* TextAt(const Value& value, std::initializer_list<absl::string_view> path) {
  const Value* found = Descend(value, path);
  return found == nullptr ? nullptr : found->string();
}

// An API server that does not know ipMode yet drops it; VIP is what its absence means.
std::string ReadIngress(const Value& entry) {
  const std::string* ip = TextAt(entry, {"ip"});
  const std::string* mode = TextAt(entry, {"ipMode"});
  const size_t members = mode == nullptr ? 1 : 2;
  const bool plain = ip != nullptr && entry.map()->size() == members;
  if (plain && (mode == nullptr || *mode == "VIP")) return *ip;
  return codec::ToJson(entry);
}

Value EncodeIngress(const std::string& entry) {
  if (!entry.empty() && entry[0] == '{') {
    if (auto parsed = ParseJson(entry); parsed.ok()) return *std::move(parsed);
  }
  return Value::Map{{"ip", entry}, {"ipMode", "VIP"}};
}

bool IsLoadBalancer(const Value& service) {
  const std::string* type = TextAt(service, {"spec", "type"});
  return type != nullptr && *type == "LoadBalancer";
}

template <typename List, typename Item>
bool Contains(const List& list, const Item& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

}  // namespace

bool ServiceTarget::Concerns(const Value& object) {
  return IsLoadBalancer(object) ||
         TextAt(object, {"metadata", "labels", network::kEipName.openelb}) != nullptr ||
         ReadMeta(object).Has(network::kServiceFinalizer);
}

void ServiceTarget::See(const Value& object) {
  Shown shown{.meta = ReadMeta(object), .load_balancer = IsLoadBalancer(object)};
  if (const std::string* label =
          TextAt(object, {"metadata", "labels", network::kEipName.openelb})) {
    shown.label = *label;
  }
  const Value* ingress = Descend(object, {"status", "loadBalancer", "ingress"});
  if (ingress != nullptr && ingress->list() != nullptr) {
    for (const Value& entry : *ingress->list()) shown.ingress.push_back(ReadIngress(entry));
  }
  if (const Value* conditions = Descend(object, {"status", "conditions"})) {
    shown.conditions = *conditions;
  }
  shown_ = std::move(shown);
}

void ServiceTarget::Want(ServiceStatus status) {
  if (claimed_uid_ != status.uid) {
    claimed_uid_ = status.uid;
    claimed_.clear();
    remembered_ = false;
  }
  std::erase_if(claimed_, [&](const std::string& ip) {
    return Contains(status.ips, ip) || !shown_ || !Contains(shown_->ingress, ip);
  });
  claimed_.insert(claimed_.end(), status.ips.begin(), status.ips.end());
  remembered_ |= !status.ips.empty();
  answer_due_ = !status.ips.empty();
  wanted_ = std::move(status);
}

std::optional<std::vector<std::string>> ServiceTarget::TakeAnswer(bool refused) {
  if (!answer_due_ || !shown_ || !wanted_) return std::nullopt;
  if (!wanted_->uid.empty() && wanted_->uid != shown_->meta.uid) return std::nullopt;
  if (!refused && shown_->ingress != wanted_->ips) return std::nullopt;
  answer_due_ = false;
  return wanted_->ips;
}

bool ServiceTarget::Marked() const {
  return shown_->label || shown_->meta.Has(network::kServiceFinalizer);
}

std::optional<Patch> ServiceTarget::Next() const {
  if (!shown_ || !wanted_) return std::nullopt;
  if (!wanted_->uid.empty() && wanted_->uid != shown_->meta.uid) return std::nullopt;
  const bool holds = !wanted_->ips.empty();
  // Allocation is about to hear that it is no longer ours.
  if (holds && (shown_->meta.deleting || !shown_->load_balancer)) return std::nullopt;
  Patch patch{.status = true};
  AddMarks(holds, &patch);
  // Nobody reads the status of what goes now.
  const bool goes = shown_->meta.deleting &&
                    std::ranges::all_of(shown_->meta.finalizers, [](const std::string& finalizer) {
                      return finalizer == network::kServiceFinalizer;
                    });
  if (!goes) AddStatus(&patch);
  if (patch.body.IsNull()) return std::nullopt;
  return patch;
}

void ServiceTarget::AddMarks(bool wanted, Patch* patch) const {
  if (auto finalizers = FinalizersWith(shown_->meta, network::kServiceFinalizer, wanted)) {
    patch->body["metadata"]["finalizers"] = *std::move(finalizers);
    patch->of_version = true;
  }
  const auto label = wanted ? std::optional(wanted_->pool) : std::nullopt;
  if (label == shown_->label) return;
  patch->body["metadata"]["labels"][network::kEipName.openelb] = label ? Value(*label) : Value();
}

std::vector<std::string> ServiceTarget::WantedIngress() const {
  if (wanted_->ours) return wanted_->ips;
  std::vector<std::string> left = shown_->ingress;
  if (!remembered_ && !Marked()) return left;
  const auto range = ranges_->find(shown_->label.value_or(""));
  std::erase_if(left, [&](const std::string& entry) {
    if (remembered_) return Contains(claimed_, entry);
    // Written by an earlier process, unless somebody else's since: the label says from which Eip.
    const auto address = IpAddress::Parse(entry);
    return address.ok() && (range == ranges_->end() || range->second.Contains(*address));
  });
  return left;
}

Value ServiceTarget::WantedConditions(bool* others) const {
  const Value encoded = codec::EncodeServiceStatus({}, wanted_->conditions);
  const Value* ours = encoded.Find("conditions");
  Value conditions = ours == nullptr ? Value() : *ours;
  KeepTransitionTimes(&shown_->conditions, &conditions);
  if (shown_->conditions.list() == nullptr) return conditions;
  for (const Value& condition : *shown_->conditions.list()) {
    const std::string* type = TextAt(condition, {"type"});
    if (type != nullptr && *type == kAddressPending) continue;
    conditions.Append(condition);
    *others = true;
  }
  return conditions;
}

void ServiceTarget::AddStatus(Patch* patch) const {
  if (const std::vector<std::string> ingress = WantedIngress(); ingress != shown_->ingress) {
    Value list;
    for (const std::string& entry : ingress) list.Append(EncodeIngress(entry));
    patch->body["status"]["loadBalancer"]["ingress"] = std::move(list);
    patch->of_version |= !wanted_->ours;
  }
  bool others = false;
  Value conditions = WantedConditions(&others);
  const auto sorted = [](const Value& value) {
    std::vector<std::string> items;
    if (value.list() == nullptr) return items;
    for (const Value& item : *value.list()) items.push_back(codec::ToJson(item));
    std::sort(items.begin(), items.end());
    return items;
  };
  if (sorted(conditions) != sorted(shown_->conditions)) {
    patch->body["status"]["conditions"] = std::move(conditions);
    patch->of_version |= others;
  }
}

}  // namespace openelb::kube
