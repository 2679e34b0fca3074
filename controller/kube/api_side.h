#pragma once
// Everything of a controller that talks to the API server, on one thread: what is read, what is
// written, who leads. The controller's own thread is on the other side of `Post`s, both ways.
//
// Life of a leadership: the election is won; all that is read is listed anew, and what an earlier
// leader saved is loaded; then the other side hears of it and decides; once it serves, statuses are
// written. A standby reads along all the time, so that it needs no more than that.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/base/clock.h"
#include "api/base/event_loop.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "controller/event_source.h"
#include "controller/kube/client.h"
#include "controller/kube/kube_sink.h"
#include "controller/kube/kube_source.h"
#include "controller/kube/leader_election.h"
#include "controller/kube/leadership.h"
#include "controller/kube/saved_files.h"
#include "controller/kube/speaker_access.h"
#include "controller/kube/speaker_operator.h"
#include "controller/kube/transport.h"
#include "controller/kube/webhook_bundle.h"
#include "controller/status_sink.h"

namespace openelb::kube {

struct ApiSideOptions {
  LeaseOptions lease;
  std::string namespace_name = "openelb-system";
  bool mutating_webhook = false;  // is served
};

class ApiSide final : public EventLoopWork {
 public:
  // Called on this side's thread, within Turn or a response: they hand over.
  struct Handlers {
    EventSource::Handler* source;
    StatusHandler* status;
    // Leadership has changed. `saved` is set once, with the first news that this process leads.
    std::function<void(Leadership, std::optional<SavedFiles::Files> saved)> on_leadership;
    // Speakers should look for another leader.
    std::function<void()> on_search;
    // What to serve speakers with, from now on.
    std::function<void(const tls::Material&)> on_certificate;
    // All controllers, this one first; told while it leads.
    std::function<void(const std::vector<std::string>&)> on_endpoints;
    // What is known of the speakers, by SetSpeakers.
    std::function<void()> ask_speakers;
  };
  struct Seams {
    Transport* transport;
    const Clock* clock;
    Random* random;
    LogSink* log;
  };
  // All outlive it. `client` has the same transport.
  ApiSide(const ApiSideOptions& options, Client* client, Seams seams, Handlers handlers);
  ~ApiSide() override;

  // The other side serves speakers: it has said, or says now, what it wants of every object.
  void SetServing();
  void RaiseAbove(uint64_t epoch) { election_.RaiseAbove(epoch); }
  void Save(const std::string& name, std::string content) {
    saved_files_.Save(name, std::move(content));
  }
  StatusSink* sink() { return &sink_; }
  void SetSpeakers(install::Speakers speakers) { operator_.SetSpeakers(std::move(speakers)); }
  // Gives the leadership up, in order. released() tells when that is done.
  void Release() { election_.Release(); }
  bool released() const { return election_.released(); }

  void Turn() override;
  absl::Duration NextWakeup() override;

  const KubeSource& source() const { return source_; }
  const KubeSink& kube_sink() const { return sink_; }
  const SavedFiles& saved_files() const { return saved_files_; }
  const LeaderElection& election() const { return election_; }

 private:
  // Whoever writes onto objects sees them.
  class Viewers final : public ObjectViewer {
   public:
    Viewers(ObjectViewer* a, ObjectViewer* b) : a_(a), b_(b) {}
    void Seen(const ObjectKey& key, const codec::Value& object) override {
      a_->Seen(key, object);
      b_->Seen(key, object);
    }
    void Gone(const ObjectKey& key) override {
      a_->Gone(key);
      b_->Gone(key);
    }

   private:
    ObjectViewer* const a_;
    ObjectViewer* const b_;
  };

  void OnLeadership(const Leadership& leadership);
  void OnCertificate(const tls::Material& material);
  void TellWhenReady();
  void SetWriting();
  void Doubt(std::optional<absl::Duration> since, absl::string_view why);

  Client* const client_;
  const Handlers handlers_;
  Logger log_;
  KubeSink sink_;
  LeaderElection election_;
  SpeakerOperator operator_;
  Viewers viewers_{&sink_, &operator_};
  KubeSource source_;
  SavedFiles saved_files_;
  SpeakerAccess access_;
  WebhookBundle validating_;
  std::optional<WebhookBundle> mutating_;

  bool preparing_ = false;  // to lead
  bool fresh_ = false;      // everything was listed since the election was won
  std::optional<SavedFiles::Files> saved_;
  bool led_ = false;  // the other side has heard of it
  bool serving_ = false;
};

}  // namespace openelb::kube
