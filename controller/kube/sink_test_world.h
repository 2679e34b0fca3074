#pragma once
// A KubeSink between the API server in memory and a source that shows it what changes, a little
// late.

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/base/log.h"
#include "api/base/scheduler.h"
#include "controller/kube/client.h"
#include "controller/kube/kube_sink.h"
#include "controller/kube/testing/fake_transport.h"
#include "controller/kube/testing/server.h"

namespace openelb::kube {

inline ObjectKey ServiceKey(const std::string& name) { return {Service::kKind, "default", name}; }

class SinkTestWorld : public StatusHandler {
 public:
  SinkTestWorld();
  ~SinkTestWorld() override;

  // A user creates a LoadBalancer Service.
  void CreateService(const std::string& name, const std::string& ns = "default");
  // What the controller says of Service default/`name`. No address: pending.
  void Assign(const std::string& name, const std::string& ip, const std::string& pool = "pool");
  void Pend(const std::string& name, const std::string& why);
  void Release(const std::string& name) { sink().WriteService(ServiceKey(name), {}); }

  // "10.0.0.1 10.0.0.2" as status.loadBalancer shows it; an entry with more than an address and
  // mode VIP as JSON. "gone": there is no such Service.
  std::string Ingress(const std::string& name) const;
  std::string Label(const std::string& name) const;
  // In order, with spaces between.
  std::string Finalizers(absl::string_view resource, const std::string& name) const;
  codec::Value Status(absl::string_view resource, const std::string& name) const;

  // Moves time; everything that is due happens.
  void RunFor(absl::Duration time);
  // "patch services a", in order, since the last call of it; of everything that writes.
  std::vector<std::string> TakeWrites();
  // The same as counts by verb and resource: "patch services/status" -> 3.
  std::map<std::string, int> CountWrites();

  // A new process: the sink is made anew and shown everything that exists.
  void Restart();
  // Whether the source shows what changes; from false to true it shows what is there then.
  void ShowChanges(bool show);
  void set_show_delay(absl::Duration delay) { show_delay_ = delay; }

  KubeSink& sink() { return *sink_; }
  fake::Server& server() { return server_; }
  FakeTransport& transport() { return transport_; }
  Scheduler& scheduler() { return scheduler_; }

  // "Service/default/a: 10.0.0.1", in order.
  std::vector<std::string> answers;

  void OnServiceAnswered(const ObjectKey& key, const std::vector<std::string>& ips) override;

 private:
  void ShowAll();
  void Show(const ObjectKey& key, const std::string& version, codec::Value object);

  Scheduler scheduler_;
  fake::Server server_{&scheduler_};
  FakeTransport transport_{&server_, &scheduler_};
  Client client_{&transport_, &scheduler_};
  NullLogSink log_sink_;
  Logger log_{&log_sink_, &scheduler_};
  std::unique_ptr<KubeSink> sink_;
  int listener_ = 0;
  int incarnation_ = 0;
  bool show_ = true;
  absl::Duration show_delay_ = absl::Milliseconds(2);
  std::map<ObjectKey, std::string> shown_;  // versions
  size_t log_read_ = 0;
};

}  // namespace openelb::kube
