#pragma once
// Statuses and events as files in the status folder: KIND/[NAMESPACE/]NAME.yaml holds what
// `kubectl get -o yaml` would show of what we wrote onto the object, events.yaml the latest events.

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "api/base/clock.h"
#include "api/base/disk.h"
#include "api/base/mutex.h"
#include "api/codec/value.h"
#include "controller/manifests/disk_writer.h"
#include "controller/status_sink.h"

namespace openelb::manifests {

// Calls return at once; `writer` does the work and must outlive this.
class StatusFiles final : public StatusSink {
 public:
  // Takes over the events that `disk` holds from earlier.
  StatusFiles(Disk* disk, DiskWriter* writer, const Clock* clock);

  void WriteService(const ObjectKey& key, const ServiceStatus& status) override;
  void WriteEip(const std::string& name, const network::EipStatus& status) override;
  void WriteBgpPeer(const std::string& name, const network::BgpPeerStatus& status) override;
  void WriteBgpConf(const std::string& name, const network::BgpConfStatus& status) override;
  void Forget(const ObjectKey& key) override;
  // The latest 1000 are kept; the same event again in a row raises its count.
  void Record(const ClusterEvent& event) override;

 private:
  // Shared with the writer's thread.
  struct Events {
    Mutex mutex;
    std::deque<codec::Value> latest GUARDED_BY(mutex);
  };

  DiskWriter* writer_;
  const Clock* clock_;
  std::shared_ptr<Events> events_;
  ClusterEvent last_event_;
};

// What was written of Services earlier, by "namespace/name": addresses and pool, no conditions.
// Files that cannot be read are left out and named in `problems`.
std::map<std::string, ServiceStatus> ReadServiceStatuses(Disk* disk,
                                                         std::vector<std::string>* problems);

}  // namespace openelb::manifests
