#pragma once
// The seam to where statuses and events are written.

#include <string>
#include <vector>

#include "api/network/v1alpha2/bgp_status.h"
#include "api/network/v1alpha2/eip.h"
#include "api/object.h"

namespace openelb {

// What we write onto a Service: status.loadBalancer.ingress, our label and our finalizer.
struct ServiceStatus {
  std::vector<std::string>
      ips;           // empty: no address (the ingress list is cleared, label and finalizer removed)
  std::string pool;  // value of the label eip.openelb.kubesphere.io/v1alpha2
  std::vector<kube::Condition> conditions;
  bool operator==(const ServiceStatus&) const = default;
};

// A Kubernetes Event about an object. `reason` as the reference lists them (AssignIP, ReleaseIP,
// ...).
struct ClusterEvent {
  ObjectKey about;
  bool warning = false;
  std::string reason;
  std::string message;  // one sentence that says what to do, if anything
  bool operator==(const ClusterEvent&) const = default;
};

// Writes are level-triggered: the last call for an object wins; the sink retries what fails and
// skips what has not changed. Called on the owner thread; must not block for long.
class StatusSink {
 public:
  virtual ~StatusSink() = default;
  virtual void WriteService(const ObjectKey& key, const ServiceStatus& status) = 0;
  virtual void WriteEip(const std::string& name, const network::EipStatus& status) = 0;
  virtual void WriteBgpPeer(const std::string& name, const network::BgpPeerStatus& status) = 0;
  virtual void WriteBgpConf(const std::string& name, const network::BgpConfStatus& status) = 0;
  // The object is gone: its status goes too.
  virtual void Forget(const ObjectKey& key) = 0;
  virtual void Record(const ClusterEvent& event) = 0;
};

}  // namespace openelb
