#include "controller/manifests/status_files.h"

#include "absl/strings/str_cat.h"
#include "api/codec/decode.h"
#include "api/codec/encode.h"
#include "api/codec/parse.h"
#include "api/codec/write.h"
#include "api/network/v1alpha2/names.h"

namespace openelb::manifests {
namespace {

using codec::Value;

constexpr size_t kMaxEvents = 1000;
constexpr const char* kEventsFile = "events.yaml";
constexpr const char* kOurVersion = "network.kubesphere.io/v1alpha2";

std::string FileOf(const ObjectKey& key) {
  return key.namespace_.empty()
             ? absl::StrCat(key.kind, "/", key.name, ".yaml")
             : absl::StrCat(key.kind, "/", key.namespace_, "/", key.name, ".yaml");
}

Value DocumentOf(absl::string_view api_version, const ObjectKey& key, Value status) {
  Value document;
  document["apiVersion"] = api_version;
  document["kind"] = key.kind;
  document["metadata"]["name"] = key.name;
  if (!key.namespace_.empty()) document["metadata"]["namespace"] = key.namespace_;
  document["status"] = std::move(status);
  return document;
}

Value ServiceDocument(const ObjectKey& key, const ServiceStatus& status) {
  Value document = DocumentOf("v1", key, codec::EncodeServiceStatus(status.ips, status.conditions));
  if (!status.ips.empty()) {
    Value& metadata = document["metadata"];
    metadata["labels"][network::kEipName.openelb] = status.pool;
    metadata["finalizers"].Append(network::kServiceFinalizer);
  }
  return document;
}

Value EventDocument(const ClusterEvent& event, absl::Time time, int count) {
  Value document;
  document["type"] = event.warning ? "Warning" : "Normal";
  document["reason"] = event.reason;
  document["message"] = event.message;
  Value& about = document["involvedObject"];
  about["kind"] = event.about.kind;
  about["name"] = event.about.name;
  if (!event.about.namespace_.empty()) about["namespace"] = event.about.namespace_;
  document["lastTimestamp"] = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
  document["count"] = count;
  return document;
}

std::deque<Value> ReadEvents(Disk* disk) {
  std::deque<Value> events;
  const auto text = disk->Read(kEventsFile);
  if (!text.ok()) return events;
  for (const codec::Document& document : codec::ParseYaml(*text).documents) {
    const Value* items = document.value.Find("items");
    if (items == nullptr || items->list() == nullptr) continue;
    events.insert(events.end(), items->list()->begin(), items->list()->end());
  }
  return events;
}

}  // namespace

StatusFiles::StatusFiles(Disk* disk, DiskWriter* writer, const Clock* clock)
    : writer_(writer), clock_(clock), events_(std::make_shared<Events>()) {
  std::deque<Value> earlier = ReadEvents(disk);
  MutexLock lock(&events_->mutex);
  events_->latest = std::move(earlier);
}

void StatusFiles::WriteService(const ObjectKey& key, const ServiceStatus& status) {
  writer_->Put(FileOf(key), [=] { return ToYaml(ServiceDocument(key, status)); });
}

void StatusFiles::WriteEip(const std::string& name, const network::EipStatus& status) {
  const ObjectKey key{network::Eip::kKind, "", name};
  writer_->Put(FileOf(key), [=] {
    return ToYaml(DocumentOf(kOurVersion, key, codec::EncodeEipStatus(status)));
  });
}

void StatusFiles::WriteBgpPeer(const std::string& name, const network::BgpPeerStatus& status) {
  const ObjectKey key{network::BgpPeer::kKind, "", name};
  writer_->Put(FileOf(key), [=] {
    return ToYaml(DocumentOf(kOurVersion, key, codec::EncodeBgpPeerStatus(status)));
  });
}

void StatusFiles::WriteBgpConf(const std::string& name, const network::BgpConfStatus& status) {
  const ObjectKey key{network::BgpConf::kKind, "", name};
  writer_->Put(FileOf(key), [=] {
    return ToYaml(DocumentOf(kOurVersion, key, codec::EncodeBgpConfStatus(status)));
  });
}

void StatusFiles::Forget(const ObjectKey& key) { writer_->Remove(FileOf(key)); }

void StatusFiles::Record(const ClusterEvent& event) {
  {
    MutexLock lock(&events_->mutex);
    std::deque<Value>& latest = events_->latest;
    int count = 1;
    if (event == last_event_ && !latest.empty()) {
      if (const Value* before = latest.back().Find("count"); before && before->integer()) {
        count += static_cast<int>(*before->integer());
      }
      latest.pop_back();
    }
    latest.push_back(EventDocument(event, clock_->Wall(), count));
    if (latest.size() > kMaxEvents) latest.pop_front();
  }
  last_event_ = event;
  writer_->Put(kEventsFile, [events = events_] {
    Value document;
    document["apiVersion"] = "v1";
    document["kind"] = "EventList";
    document["items"] = Value::List();
    MutexLock lock(&events->mutex);
    for (const Value& item : events->latest) document["items"].Append(item);
    return ToYaml(document);
  });
}

std::map<std::string, ServiceStatus> ReadServiceStatuses(Disk* disk,
                                                         std::vector<std::string>* problems) {
  std::map<std::string, ServiceStatus> statuses;
  const auto files = disk->List(kube::Service::kKind);
  if (!files.ok()) {
    problems->push_back(files.status().ToString());
    return statuses;
  }
  for (const std::string& file : *files) {
    const auto text = disk->Read(file);
    if (!text.ok()) {
      problems->push_back(text.status().ToString());
      continue;
    }
    const codec::DecodedText decoded = codec::DecodeText(*text, file);
    if (decoded.error.has_value()) problems->push_back(*decoded.error);
    for (const codec::Decoded& one : decoded.objects) {
      problems->insert(problems->end(), one.errors.begin(), one.errors.end());
      if (!one.object.has_value()) continue;
      const auto* service = std::get_if<kube::Service>(&*one.object);
      if (service == nullptr) continue;
      ServiceStatus& status = statuses[service->Key()];
      for (const kube::LoadBalancerIngress& ingress : service->ingress) {
        if (!ingress.ip.empty()) status.ips.push_back(ingress.ip);
      }
      status.pool = network::Find(service->meta.labels, network::kEipName).value_or("");
    }
  }
  return statuses;
}

}  // namespace openelb::manifests
