#pragma once
// A KubeSource before the API server in memory, in virtual time, and what its handler was told.
// Beside it a controller's election, once that is started.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "api/base/log.h"
#include "api/base/random.h"
#include "api/base/scheduler.h"
#include "controller/kube/kube_source.h"
#include "controller/kube/leader_election.h"
#include "controller/kube/resource.h"
#include "controller/kube/testing/fake_transport.h"
#include "controller/kube/testing/server.h"

namespace openelb::kube {

inline const uint64_t kResources = ResourcesToRead("openelb-system").size();

// Keeps what it was told as a controller would.
class Told final : public EventSource::Handler {
 public:
  void OnEvents(std::vector<ObjectEvent> events) override;
  void OnSynced() override { ++synced; }
  void OnAway(std::string reason) override { away.push_back(std::move(reason)); }
  void OnBack() override { ++back; }

  std::vector<std::string> Keys() const;
  const Service* FindService(const std::string& name) const;
  // Of its label "v"; "absent" of a Service that is not known.
  std::string LabelOf(const std::string& service) const;

  std::map<ObjectKey, Object> objects;
  std::map<ObjectKey, Refusal> refused;
  size_t events = 0;
  std::vector<std::string> deleted;
  int synced = 0;
  std::vector<std::string> away;
  int back = 0;
};

// Competes for the Lease of the controllers, by itself, from Start on.
class Elector {
 public:
  // `after_turn`: called after each step of it.
  Elector(
      const std::string& identity, Transport* transport, Scheduler* scheduler,
      std::function<void()> after_turn = [] {});
  void Start();
  const LeaderElection& election() const { return election_; }

 private:
  Scheduler* const scheduler_;
  const std::function<void()> after_turn_;
  NullLogSink sink_;
  Logger log_;
  SeededRandom random_{7};
  Client client_;
  LeaderElection election_;
};

class SourceRig {
 public:
  explicit SourceRig(uint64_t seed = 1);

  // Starts the source and gives it a second.
  void Start();
  void RunFor(absl::Duration time);
  // False: it did not within `limit`.
  bool RunUntil(const std::function<bool()>& done, absl::Duration limit);

  void PutService(const std::string& name, const std::string& type = "LoadBalancer");
  void SetLabel(const std::string& service, const std::string& value);  // "v"
  void Inject(fake::Fault fault) { transport.Inject(std::move(fault)); }
  // Of the resource, such as "services".
  ResourceCounters Counters(const std::string& resource) const;
  // Completed lists of all resources.
  uint64_t Lists() const;
  // Requests that reached the server.
  size_t Requests(const std::string& verb, const std::string& resource) const;

  Scheduler scheduler;
  fake::Server server{&scheduler};
  FakeTransport transport{&server, &scheduler};
  SeededRandom random;
  NullLogSink log;
  Told told;
  Elector elector{"c_1", &transport, &scheduler, [this] { source.Turn(); }};  // its witness
  KubeSource source;
};

}  // namespace openelb::kube
