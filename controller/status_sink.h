#pragma once
// The seam to where statuses and events are written.

#include <string>
#include <vector>

#include "api/network/v1alpha2/bgp_status.h"
#include "api/network/v1alpha2/eip.h"
#include "api/object.h"

namespace openelb {

// The type of the one condition that we write onto Services.
inline constexpr const char* kAddressPending = "AddressPending";

// What we write onto a Service: status.loadBalancer.ingress, our label and our finalizer.
struct ServiceStatus {
  // Empty: no address. The label and finalizer go then, and of the ingress list what we wrote.
  std::vector<std::string> ips;
  std::string pool;  // value of the label eip.openelb.kubesphere.io/v1alpha2
  std::vector<kube::Condition> conditions;
  bool ours =
      false;        // allocation serves the Service: its ingress list holds `ips` and nothing else
  std::string uid;  // of the object that is meant; empty: whichever bears the name
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

// Hears what became of the addresses of Services. Called on the owner thread of whoever writes
// them.
class StatusHandler {
 public:
  virtual ~StatusHandler() = default;
  // The status of the Service shows `ips` to everybody, or is refused for good. Readers such as
  // kube-proxy can know them now.
  virtual void OnServiceAnswered(const ObjectKey& key, const std::vector<std::string>& ips) = 0;
};

// Writes are level-triggered: the last call for an object wins; the sink retries what fails and
// skips what has not changed. Called on the owner thread; must not block for long.
class StatusSink {
 public:
  virtual ~StatusSink() = default;
  // Whether somebody reads the statuses of Services who should know an address before traffic for
  // it arrives: a StatusHandler is then told of each WriteService that names addresses, unless a
  // later one for the same Service overtakes it.
  virtual bool Answers() const { return false; }
  virtual void WriteService(const ObjectKey& key, const ServiceStatus& status) = 0;
  virtual void WriteEip(const std::string& name, const network::EipStatus& status) = 0;
  virtual void WriteBgpPeer(const std::string& name, const network::BgpPeerStatus& status) = 0;
  virtual void WriteBgpConf(const std::string& name, const network::BgpConfStatus& status) = 0;
  // The object is gone: its status goes too.
  virtual void Forget(const ObjectKey& key) = 0;
  virtual void Record(const ClusterEvent& event) = 0;
};

}  // namespace openelb
