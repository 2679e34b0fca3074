#include "controller/kube/source_rig.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace openelb::kube {

void Told::OnEvents(std::vector<ObjectEvent> batch) {
  events += batch.size();
  for (ObjectEvent& event : batch) {
    if (event.object.has_value()) {
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

SourceRig::SourceRig(uint64_t seed)
    : random(seed),
      source({}, {.transport = &transport,
                  .clock = &scheduler,
                  .random = &random,
                  .log = &log,
                  .on_refused = [this](const Refusal& refusal) { refused.push_back(refusal); }}) {}

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
