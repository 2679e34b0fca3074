#pragma once
// The cluster as a simulation sees it: objects that survive every process, statuses that the
// controller wrote, and the events it recorded. It is source and sink of one controller at a time.

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "api/base/scheduler.h"
#include "controller/event_source.h"
#include "controller/status_sink.h"

namespace openelb::simulation {

class SimCluster final : public EventSource, public StatusSink {
 public:
  explicit SimCluster(Scheduler* scheduler) : scheduler_(scheduler) {}

  // Changes the cluster; a started source tells its handler after the delay.
  void Apply(Object object);
  void Delete(const ObjectKey& key);
  // Whether the source can be read. While it cannot, changes wait; it comes back with what is then.
  void SetAway(bool away);
  void SetDelay(absl::Duration delay) { delay_ = delay; }

  // EventSource: sends every object, with the addresses that Services hold, then OnSynced.
  void Start(EventSource::Handler* handler) override;
  // The controller crashed: nothing reaches its handler any more.
  void Detach();

  // StatusSink
  void WriteService(const ObjectKey& key, const ServiceStatus& status) override;
  void WriteEip(const std::string& name, const network::EipStatus& status) override;
  void WriteBgpPeer(const std::string& name, const network::BgpPeerStatus& status) override;
  void WriteBgpConf(const std::string& name, const network::BgpConfStatus& status) override;
  void Forget(const ObjectKey& key) override;
  void Record(const ClusterEvent& event) override;

  // Grows with every change of an object or of a Service's address.
  uint64_t version() const { return version_; }
  const std::map<ObjectKey, Object>& objects() const { return objects_; }
  const std::map<ObjectKey, ServiceStatus>& services() const { return services_; }
  const std::map<std::string, network::EipStatus>& eips() const { return eips_; }
  const std::map<std::string, network::BgpPeerStatus>& peers() const { return peers_; }
  const std::deque<ClusterEvent>& events() const { return events_; }
  // What a faulty store would do: Services forget their addresses.
  void LoseStatuses() {
    services_.clear();
    ++version_;
  }

 private:
  Object WithStatus(const Object& object) const;
  void Send();

  Scheduler* scheduler_;
  absl::Duration delay_ = absl::Milliseconds(1);
  uint64_t version_ = 1;
  std::map<ObjectKey, Object> objects_;
  std::map<ObjectKey, ServiceStatus> services_;
  std::map<std::string, network::EipStatus> eips_;
  std::map<std::string, network::BgpPeerStatus> peers_;
  std::map<std::string, network::BgpConfStatus> confs_;
  std::deque<ClusterEvent> events_;  // the latest 1000

  EventSource::Handler* handler_ = nullptr;
  uint64_t incarnation_ = 0;  // of the handler: what was under way to an older one is lost
  bool away_ = false;
  bool scheduled_ = false;
  std::map<ObjectKey, Object> sent_;  // what the handler knows
};

}  // namespace openelb::simulation
