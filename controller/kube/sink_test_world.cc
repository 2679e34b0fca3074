#include "controller/kube/sink_test_world.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/codec/write.h"
#include "api/network/v1alpha2/names.h"

namespace openelb::kube {
namespace {

using codec::Value;

constexpr std::pair<const char*, const char*> kShown[] = {
    {"Service", "/api/v1/services"},
    {"Node", "/api/v1/nodes"},
    {"Eip", "/apis/network.kubesphere.io/v1alpha2/eips"},
    {"BgpConf", "/apis/network.kubesphere.io/v1alpha2/bgpconfs"},
    {"BgpPeer", "/apis/network.kubesphere.io/v1alpha2/bgppeers"},
};

std::string Text(const Value& object, std::initializer_list<absl::string_view> path) {
  const Value* at = &object;
  for (const absl::string_view step : path) {
    at = at->Find(step);
    if (at == nullptr) return "";
  }
  return at->string() == nullptr ? "" : *at->string();
}

bool Writes(const fake::LoggedRequest& request) {
  return request.verb == "create" || request.verb == "patch" || request.verb == "update" ||
         request.verb == "delete";
}

}  // namespace

SinkTestWorld::SinkTestWorld() {
  listener_ = server_.AddListener([this] { ShowAll(); });
  Restart();
}

SinkTestWorld::~SinkTestWorld() { server_.RemoveListener(listener_); }

void SinkTestWorld::Restart() {
  ++incarnation_;
  shown_.clear();
  sink_ = std::make_unique<KubeSink>("controller-0",
                                     KubeSink::Seams{&client_, &scheduler_, &log_, this});
  ShowAll();
  RunFor(absl::Milliseconds(10));
  sink_->SetActive(true);
}

void SinkTestWorld::ShowChanges(bool show) {
  show_ = show;
  if (!show) return;
  for (auto& [key, version] : shown_) version.clear();  // a new list brings everything
  ShowAll();
}

void SinkTestWorld::ShowAll() {
  if (!show_) return;
  std::map<ObjectKey, std::string> gone = shown_;
  for (const auto& [kind, path] : kShown) {
    const Value list = server_.Serve({.path = path}).reply.body;
    const Value* items = list.Find("items");
    if (items == nullptr || items->list() == nullptr) continue;
    for (const Value& item : *items->list()) {
      const ObjectKey key{kind, Text(item, {"metadata", "namespace"}),
                          Text(item, {"metadata", "name"})};
      gone.erase(key);
      const std::string version = Text(item, {"metadata", "resourceVersion"});
      if (std::exchange(shown_[key], version) != version) Show(key, version, item);
    }
  }
  for (const auto& [key, version] : gone) {
    shown_.erase(key);
    Show(key, "", Value());
  }
}

void SinkTestWorld::Show(const ObjectKey& key, const std::string& version, Value object) {
  scheduler_.After(show_delay_,
                   [this, key, version, object = std::move(object), mine = incarnation_] {
                     if (mine != incarnation_) return;
                     if (version.empty()) {
                       sink_->Gone(key);
                     } else {
                       sink_->Seen(key, object);
                     }
                   });
}

void SinkTestWorld::CreateService(const std::string& name, const std::string& ns) {
  server_.Put(absl::StrCat(R"({"apiVersion": "v1", "kind": "Service", "metadata": {"name": ")",
                           name, R"(", "namespace": ")", ns,
                           R"("}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}})"));
}

void SinkTestWorld::Assign(const std::string& name, const std::string& ip,
                           const std::string& pool) {
  sink_->WriteService(ServiceKey(name), {.ips = {ip}, .pool = pool, .ours = true});
}

void SinkTestWorld::Pend(const std::string& name, const std::string& why) {
  Condition condition{.type = kAddressPending,
                      .status = true,
                      .reason = "NoAddress",
                      .message = why,
                      .last_transition_time = scheduler_.Wall()};
  sink_->WriteService(ServiceKey(name), {.conditions = {condition}, .ours = true});
}

std::string SinkTestWorld::Ingress(const std::string& name) const {
  const Value service = server_.Find("services", "default", name);
  if (service.IsNull()) return "gone";
  const Value* at = service.Find("status");
  for (const char* step : {"loadBalancer", "ingress"}) at = at == nullptr ? at : at->Find(step);
  std::vector<std::string> entries;
  if (at == nullptr || at->list() == nullptr) return "";
  for (const Value& entry : *at->list()) {
    const bool plain = entry.map()->size() == 2 && Text(entry, {"ipMode"}) == "VIP";
    entries.push_back(plain ? Text(entry, {"ip"}) : codec::ToJson(entry));
  }
  return absl::StrJoin(entries, " ");
}

std::string SinkTestWorld::Label(const std::string& name) const {
  return Text(server_.Find("services", "default", name),
              {"metadata", "labels", network::kEipName.openelb});
}

std::string SinkTestWorld::Finalizers(absl::string_view resource, const std::string& name) const {
  const Value object = server_.Find(resource, resource == "services" ? "default" : "", name);
  if (object.IsNull()) return "gone";
  return absl::StrJoin(ReadMeta(object).finalizers, " ");
}

Value SinkTestWorld::Status(absl::string_view resource, const std::string& name) const {
  const Value object = server_.Find(resource, resource == "services" ? "default" : "", name);
  const Value* status = object.Find("status");
  return status == nullptr ? Value() : *status;
}

void SinkTestWorld::RunFor(absl::Duration time) {
  const absl::Duration end = scheduler_.Monotonic() + time;
  for (int i = 0; i < 1000000; ++i) {
    client_.Turn();
    sink_->Turn();
    const absl::Duration now = scheduler_.Monotonic();
    const absl::Duration due = std::min(client_.NextWakeup(), sink_->NextWakeup());
    const absl::Duration limit = std::min(end, std::max(now, due));
    if (scheduler_.Step(limit)) continue;
    if (now >= end) return;
    scheduler_.RunUntil(limit);
  }
  ADD_FAILURE() << "the sink turns without end";
}

std::vector<std::string> SinkTestWorld::TakeWrites() {
  std::vector<std::string> writes;
  for (; log_read_ < server_.log().size(); ++log_read_) {
    const fake::LoggedRequest& request = server_.log()[log_read_];
    if (!Writes(request)) continue;
    writes.push_back(absl::StrCat(request.verb, " ", request.resource,
                                  request.name.empty() ? "" : " ", request.name));
  }
  return writes;
}

std::map<std::string, int> SinkTestWorld::CountWrites() {
  std::map<std::string, int> counts;
  for (; log_read_ < server_.log().size(); ++log_read_) {
    const fake::LoggedRequest& request = server_.log()[log_read_];
    if (Writes(request)) ++counts[absl::StrCat(request.verb, " ", request.resource)];
  }
  return counts;
}

void SinkTestWorld::OnServiceAnswered(const ObjectKey& key, const std::vector<std::string>& ips) {
  answers.push_back(absl::StrCat(key.ToString(), ": ", absl::StrJoin(ips, " ")));
}

}  // namespace openelb::kube
