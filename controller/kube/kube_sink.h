#pragma once
// Statuses and events as the Kubernetes API keeps them: the StatusSink of a controller that leads.
//
// Life of an allocation: WriteService says what the Service should show; the services writer sends
// it in one patch; when the server has answered, StatusHandler::OnServiceAnswered lets the route go
// out; the event about it follows when there is room. What the API server shows comes in by Seen,
// so that what stands there already is not written, what others change is put back, and what nobody
// claims is set free.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/codec/value.h"
#include "controller/kube/client.h"
#include "controller/kube/event_recorder.h"
#include "controller/kube/informer.h"
#include "controller/kube/object_writer.h"
#include "controller/kube/service_target.h"
#include "controller/kube/status_target.h"
#include "controller/kube/write_gate.h"
#include "controller/status_sink.h"

namespace openelb::kube {

struct KubeSinkCounters {
  WriteCounters services;
  WriteCounters objects;  // Eips, BgpConfs, BgpPeers
  EventCounters events;
  uint64_t unclaimed = 0;  // objects set free though the controller said nothing of them
};

// All on the thread that owns `client`.
class KubeSink final : public StatusSink, public ObjectViewer {
 public:
  struct Seams {
    Client* client;
    const Clock* clock;
    Logger* log;
    StatusHandler* handler;
  };
  // `instance` names this process in Events. The seams outlive it.
  KubeSink(std::string instance, Seams seams);
  ~KubeSink() override;

  // True: this process leads and its source is complete, so the controller says what it wants of
  // every object; whatever differs is written. Until then, and from false on, nothing is sent.
  void SetActive(bool active);

  // ObjectViewer: kinds that we do not write are ignored.
  void Seen(const ObjectKey& key, const codec::Value& object) override;
  void Gone(const ObjectKey& key) override;

  // StatusSink
  bool Answers() const override { return true; }
  void WriteService(const ObjectKey& key, const ServiceStatus& status) override;
  void WriteEip(const std::string& name, const network::EipStatus& status) override;
  void WriteBgpPeer(const std::string& name, const network::BgpPeerStatus& status) override;
  void WriteBgpConf(const std::string& name, const network::BgpConfStatus& status) override;
  void WriteOpenElb(const std::string& name, const network::OpenElbStatus& status);
  void Forget(const ObjectKey& key) override;
  void Record(const ClusterEvent& event) override;

  // Sends what is due. Call after each batch of the calls above and at NextWakeup (monotonic;
  // InfiniteDuration: only after calls).
  void Turn();
  absl::Duration NextWakeup() const;

  // Since when (monotonic) the source does not show what we wrote: see ObjectWriter.
  std::optional<absl::Duration> TakeUnshown();

  KubeSinkCounters counters() const;

 private:
  void WriteStatus(const ObjectKey& key, codec::Value status, bool in_use);
  void OnServiceSettled(const ObjectKey& key, ServiceTarget& target, bool refused);
  EventRecorder::Involved InvolvedIn(const ObjectKey& about);
  // Objects that are being deleted and wait for us, if the controller has said nothing of them.
  void NoteUnclaimed(const ObjectKey& key, bool unclaimed);
  void FreeUnclaimed();

  const Seams seams_;
  WriteGate gate_;
  EipRanges ranges_;
  ObjectWriter<ServiceTarget> services_;
  ObjectWriter<StatusTarget> objects_;
  EventRecorder events_;
  std::map<std::string, EventRecorder::Involved> nodes_;
  std::map<ObjectKey, absl::Duration> unclaimed_;  // since when
  uint64_t freed_ = 0;
  bool active_ = false;
};

}  // namespace openelb::kube
