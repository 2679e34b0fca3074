#pragma once
// Keeps the speakers' DaemonSet as an OpenELB object says, rolls its Pods rack by rack, and tells
// the object what has become of it. What it decides by is controller/install; here is who is asked
// and told.
//
// Life of a change: a watch shows the object; it is decoded and judged; what it sets is applied;
// the DaemonSet controller notes a newer template; the leader deletes Pods of the older one, one
// after the other, as the controller's thread says which speakers are ready.
//
// Nothing but OpenELB objects is read before there is one, and cluster state is complete without
// them.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "api/codec/value.h"
#include "api/kube/node.h"
#include "controller/event_source.h"
#include "controller/install/installation.h"
#include "controller/install/roll.h"
#include "controller/install/speaker_template.h"
#include "controller/kube/client.h"
#include "controller/kube/daemon_set_applier.h"
#include "controller/kube/kube_sink.h"
#include "controller/kube/kube_source.h"
#include "controller/kube/transport.h"

namespace openelb::kube {

class SpeakerOperator final : public ObjectViewer, private EventSource::Handler {
 public:
  struct Seams {
    Transport* transport;
    Client* client;
    const Clock* clock;
    Random* random;
    LogSink* log;
    KubeSink* sink;
    const StoreWitness* witness;  // may be null
    // Asks the controller what it knows of the speakers; SetSpeakers brings the answer.
    std::function<void()> ask_speakers;
  };
  // All outlive it.
  SpeakerOperator(std::string namespace_name, Seams seams);
  ~SpeakerOperator() override;

  // Whether this controller may write, and cluster state is complete. No, at first.
  void SetActive(bool active);
  void SetSpeakers(install::Speakers speakers);

  // ObjectViewer: nodes and the DaemonSet come from the source of cluster state, the rest from our
  // own ones.
  void Seen(const ObjectKey& key, const codec::Value& object) override;
  void Gone(const ObjectKey& key) override;

  // See KubeSource::Doubt.
  void Doubt(absl::Duration since);
  void Turn();
  absl::Duration NextWakeup() const;

  uint64_t replaced() const { return replaced_; }  // Pods

 private:
  // EventSource::Handler, of our own sources: what they show comes by Seen.
  void OnEvents(std::vector<ObjectEvent>) override {}
  void OnSynced() override { dirty_ = true; }
  void OnAway(std::string) override {}
  void OnBack() override {}

  void Decide();
  // What the object that counts says; nullopt: it cannot be used.
  std::optional<network::OpenElb> Read(const std::string& name);
  void Apply(const network::OpenElb& object);
  bool AnyNodeFor(const codec::Value& body) const;
  void RollOut(const network::OpenElb& object);
  bool MayReplace(const network::OpenElb& object) const;
  void Replace(const install::Pod& pod);
  void Report(const std::string& name, const network::OpenElbStatus& status);
  void ReportBeside(const std::string& chosen);
  void AskSpeakers();
  std::string Revision() const;
  std::unique_ptr<KubeSource> Open(std::vector<Resource> resources);

  const std::string namespace_name_;
  const Seams seams_;
  const install::SpeakerTemplate template_;
  Logger log_;
  DaemonSetApplier applier_;

  // As they are shown.
  std::map<std::string, codec::Value> objects_;
  std::map<std::string, kube::Node> nodes_;
  codec::Value daemon_set_;  // null: there is none
  std::map<std::string, install::Pod> pods_;
  std::map<std::string, codec::Value> revisions_;

  bool active_ = false;
  bool dirty_ = false;
  std::unique_ptr<KubeSource> object_source_;    // while active
  std::unique_ptr<KubeSource> workload_source_;  // while an object counts, too

  std::string chosen_;
  std::string invalid_;   // why the object that counts cannot be used; empty: it can
  bool no_node_ = false;  // its placement matches none
  std::optional<install::Roll> roll_;
  std::map<std::string, std::vector<kube::Condition>> told_;  // by object

  std::optional<install::Speakers> speakers_;
  bool fresh_ = false;  // asked for since the last Pod was taken
  bool asking_ = false;
  absl::Duration ask_at_ = absl::InfiniteDuration();
  std::set<std::string> taken_;                // see RollInput
  std::map<std::string, std::string> before_;  // likewise
  uint64_t replaced_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace openelb::kube
