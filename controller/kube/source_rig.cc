#include "controller/kube/source_rig.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace openelb::kube {

void Told::OnEvents(std::vector<ObjectEvent> batch) {
  events += batch.size();
  for (ObjectEvent& event : batch) {
    refused.erase(event.key);
    if (event.refusal.has_value()) {
      refused[event.key] = *std::move(event.refusal);
    } else if (event.object.has_value()) {
      objects[event.key] = *std::move(event.object);
    } else {
      objects.erase(event.key);
      deleted.push_back(event.key.ToString());
    }
  }
}

std::vector<std::string> Told::Keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, object] : objects) keys.push_back(key.ToString());
  return keys;
}

const Service* Told::FindService(const std::string& name) const {
  const auto it = objects.find({Service::kKind, "default", name});
  return it == objects.end() ? nullptr : std::get_if<Service>(&it->second);
}

std::string Told::LabelOf(const std::string& service) const {
  const Service* found = FindService(service);
  if (found == nullptr) return "absent";
  const auto label = found->meta.labels.find("v");
  return label == found->meta.labels.end() ? "" : label->second;
}

Elector::Elector(const std::string& identity, Transport* transport, Scheduler* scheduler,
                 std::function<void()> after_turn)
    : scheduler_(scheduler),
      after_turn_(std::move(after_turn)),
      log_(&sink_, scheduler),
      client_(transport, scheduler),
      election_({.identity = identity}, {.client = &client_,
                                         .clock = scheduler,
                                         .random = &random_,
                                         .log = &log_,
                                         .on_change = [](const Leadership&) {},
                                         .on_search = [] {}}) {}

void Elector::Start() {
  client_.Turn();
  election_.Turn();
  after_turn_();
  scheduler_->After(absl::Milliseconds(50), [this] { Start(); });
}

SourceRig::SourceRig(uint64_t seed)
    : random(seed),
      source({}, {.transport = &transport,
                  .clock = &scheduler,
                  .random = &random,
                  .log = &log,
                  .witness = &elector.election().witness()}) {}

void SourceRig::Start() {
  source.Start(&told);
  source.Turn();
  RunFor(absl::Seconds(1));
}

bool SourceRig::RunUntil(const std::function<bool()>& done, absl::Duration limit) {
  const absl::Duration end = scheduler.Monotonic() + limit;
  while (!done()) {
    const absl::Duration wakeup = std::max(source.NextWakeup(), scheduler.Monotonic());
    if (wakeup <= end && !scheduler.Step(wakeup)) {
      scheduler.RunUntil(wakeup);
      source.Turn();
    } else if (wakeup > end && !scheduler.Step(end)) {
      scheduler.RunUntil(end);
      return done();
    }
  }
  return true;
}

void SourceRig::RunFor(absl::Duration time) {
  RunUntil([] { return false; }, time);
}

void SourceRig::PutService(const std::string& name, const std::string& type) {
  server.Put(absl::StrCat("{apiVersion: v1, kind: Service, metadata: {name: ", name,
                          ", namespace: default}, spec: {type: ", type, ", ports: [{port: 80}]}}"));
}

void SourceRig::SetLabel(const std::string& service, const std::string& value) {
  server.Patch("services", "default", service,
               absl::StrCat(R"({"metadata":{"labels":{"v":")", value, R"("}}})"));
}

ResourceCounters SourceRig::Counters(const std::string& resource) const {
  for (ResourceCounters& counters : source.counters()) {
    if (counters.resource == resource) return std::move(counters);
  }
  return {};
}

uint64_t SourceRig::Lists() const {
  uint64_t lists = 0;
  for (const ResourceCounters& counters : source.counters()) lists += counters.reflector.lists;
  return lists;
}

size_t SourceRig::Requests(const std::string& verb, const std::string& resource) const {
  return std::count_if(server.log().begin(), server.log().end(), [&](const auto& request) {
    return request.verb == verb && request.resource == resource;
  });
}

}  // namespace openelb::kube
