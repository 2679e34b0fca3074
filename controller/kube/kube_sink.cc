#include "controller/kube/kube_sink.h"

#include <algorithm>
#include <utility>

#include "api/codec/encode.h"
#include "api/kube/node.h"
#include "api/network/v1alpha2/bgp.h"
#include "api/network/v1alpha2/eip.h"
#include "controller/own_kinds.h"

namespace openelb::kube {
namespace {

using codec::Value;

// Calls at once, together fewer than Client::kInFlight: nobody waits for another's.
constexpr int kServiceCalls = 10;
constexpr int kObjectCalls = 2;
constexpr int kEventCalls = 3;

// By then the controller has spoken of every object that it knows.
constexpr absl::Duration kUnclaimedAfter = absl::Seconds(10);

bool HasOurStatus(absl::string_view kind) {
  return IsOurKind(kind) || kind == network::OpenElb::kKind;
}

}  // namespace

KubeSink::KubeSink(std::string instance, Seams seams)
    : seams_(seams),
      services_({seams.client, seams.clock, seams.log, &gate_}, kServiceCalls,
                [this](const ObjectKey& key, ServiceTarget& target, bool refused) {
                  OnServiceSettled(key, target, refused);
                }),
      objects_({seams.client, seams.clock, seams.log, &gate_}, kObjectCalls,
               [](const ObjectKey&, StatusTarget&, bool) {}),
      events_({seams.client, seams.clock, seams.log, &gate_}, std::move(instance), kEventCalls) {}

KubeSink::~KubeSink() = default;

void KubeSink::SetActive(bool active) {
  if (std::exchange(active_, active) == active) return;
  services_.SetActive(active);
  objects_.SetActive(active);
  events_.SetActive(active);
  for (auto& [key, since] : unclaimed_) since = seams_.clock->Monotonic();
}

void KubeSink::Seen(const ObjectKey& key, const Value& object) {
  if (key.kind == Service::kKind) {
    if (services_.Find(key) == nullptr && !ServiceTarget::Concerns(object)) return;
    ServiceTarget& target = services_.Get(key, ServiceTarget(&ranges_));
    services_.Seen(key, object);
    NoteUnclaimed(key, target.Unclaimed());
  } else if (HasOurStatus(key.kind)) {
    if (key.kind == network::Eip::kKind) {
      const Value* spec = object.Find("spec");
      const Value* address = spec == nullptr ? nullptr : spec->Find("address");
      ranges_.erase(key.name);
      if (address != nullptr && address->string() != nullptr) {
        if (const auto range = IpRange::Parse(*address->string()); range.ok())
          ranges_.emplace(key.name, *range);
      }
    }
    StatusTarget& target = objects_.Get(key, StatusTarget(key));
    objects_.Seen(key, object);
    NoteUnclaimed(key, target.Unclaimed());
  } else if (key.kind == Node::kKind) {
    ShownMeta meta = ReadMeta(object);
    nodes_[key.name] = {.uid = std::move(meta.uid), .version = std::move(meta.version)};
  }
}

void KubeSink::Gone(const ObjectKey& key) {
  unclaimed_.erase(key);
  if (key.kind == Service::kKind) services_.Gone(key);
  if (HasOurStatus(key.kind)) objects_.Gone(key);
  if (key.kind == network::Eip::kKind) ranges_.erase(key.name);
  if (key.kind == Node::kKind) nodes_.erase(key.name);
}

void KubeSink::WriteService(const ObjectKey& key, const ServiceStatus& status) {
  services_.Get(key, ServiceTarget(&ranges_)).Want(status);
  services_.Changed(key);
  unclaimed_.erase(key);
}

void KubeSink::WriteStatus(const ObjectKey& key, Value status, bool in_use) {
  objects_.Get(key, StatusTarget(key)).Want(std::move(status), in_use);
  objects_.Changed(key);
  unclaimed_.erase(key);
}

void KubeSink::WriteEip(const std::string& name, const network::EipStatus& status) {
  WriteStatus({network::Eip::kKind, "", name}, codec::EncodeEipStatus(status),
              !status.used.empty());
}

void KubeSink::WriteBgpPeer(const std::string& name, const network::BgpPeerStatus& status) {
  WriteStatus({network::BgpPeer::kKind, "", name}, codec::EncodeBgpPeerStatus(status),
              !status.nodes.empty());
}

void KubeSink::WriteBgpConf(const std::string& name, const network::BgpConfStatus& status) {
  WriteStatus({network::BgpConf::kKind, "", name}, codec::EncodeBgpConfStatus(status),
              !status.nodes.empty());
}

void KubeSink::WriteOpenElb(const std::string& name, const network::OpenElbStatus& status) {
  WriteStatus({network::OpenElb::kKind, "", name}, codec::EncodeOpenElbStatus(status), false);
}

void KubeSink::Forget(const ObjectKey& key) {
  if (ServiceTarget* target = services_.Find(key)) {
    target->Unwant();
    services_.Changed(key);
  }
  if (StatusTarget* target = objects_.Find(key)) {
    target->Unwant();
    objects_.Changed(key);
  }
}

void KubeSink::OnServiceSettled(const ObjectKey& key, ServiceTarget& target, bool refused) {
  if (const auto ips = target.TakeAnswer(refused)) seams_.handler->OnServiceAnswered(key, *ips);
}

EventRecorder::Involved KubeSink::InvolvedIn(const ObjectKey& about) {
  const auto of = [](const auto* target) {
    if (target == nullptr || !target->shown()) return EventRecorder::Involved();
    return EventRecorder::Involved{target->meta().uid, target->meta().version};
  };
  if (about.kind == Service::kKind) return of(services_.Find(about));
  if (HasOurStatus(about.kind)) return of(objects_.Find(about));
  const auto node = nodes_.find(about.name);
  return about.kind == Node::kKind && node != nodes_.end() ? node->second
                                                           : EventRecorder::Involved();
}

void KubeSink::Record(const ClusterEvent& event) { events_.Record(event, InvolvedIn(event.about)); }

void KubeSink::NoteUnclaimed(const ObjectKey& key, bool unclaimed) {
  if (unclaimed) {
    unclaimed_.try_emplace(key, seams_.clock->Monotonic());
  } else {
    unclaimed_.erase(key);
  }
}

void KubeSink::FreeUnclaimed() {
  if (!active_ || unclaimed_.empty()) return;
  const absl::Duration now = seams_.clock->Monotonic();
  std::vector<ObjectKey> due;
  for (const auto& [key, since] : unclaimed_) {
    if (since + kUnclaimedAfter <= now) due.push_back(key);
  }
  for (const ObjectKey& key : due) {
    ++freed_;
    seams_.log->Info("an object that is being deleted is set free", {{"object", key.ToString()}});
    if (key.kind == Service::kKind) {
      WriteService(key, {});
    } else {
      WriteStatus(key, Value(), /*in_use=*/false);
    }
  }
}

void KubeSink::Turn() {
  FreeUnclaimed();
  services_.Turn();
  objects_.Turn();
  events_.Turn();
}

absl::Duration KubeSink::NextWakeup() const {
  absl::Duration next =
      std::min({services_.NextWakeup(), objects_.NextWakeup(), events_.NextWakeup()});
  if (active_) {
    for (const auto& [key, since] : unclaimed_) next = std::min(next, since + kUnclaimedAfter);
  }
  return next;
}

std::optional<absl::Duration> KubeSink::TakeUnshown() {
  const std::optional<absl::Duration> services = services_.TakeUnshown();
  const std::optional<absl::Duration> objects = objects_.TakeUnshown();
  return std::max(services, objects);
}

KubeSinkCounters KubeSink::counters() const {
  return {.services = services_.counters(),
          .objects = objects_.counters(),
          .events = events_.counters(),
          .unclaimed = freed_};
}

}  // namespace openelb::kube
