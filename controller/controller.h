#pragma once
// The controller: cluster state in, addresses, plans and statuses out.
//
// Life of a change: a source posts objects; Ipam decides addresses and Planner what each rack and
// speaker must announce; the Distributor brings the speakers up to date; statuses and events are
// written. Everything is recomputed from what is, level-triggered, once a batch: the cost grows
// with what the batch touches.
//
// One owner thread calls everything; time, disk and links come through seams, so that a simulation
// can run it.

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/disk.h"
#include "api/base/log.h"
#include "controller/drain_timer.h"
#include "controller/endpoint_grace.h"
#include "controller/epoch.h"
#include "controller/event_source.h"
#include "controller/ipam/ipam.h"
#include "controller/observe/owner_board.h"
#include "controller/observe/session_board.h"
#include "controller/observe/statuses.h"
#include "controller/plan/planner.h"
#include "controller/push/distributor.h"
#include "controller/push/plan_link.h"
#include "controller/push/reset_turns.h"
#include "controller/recovery.h"
#include "controller/status_first.h"
#include "controller/status_sink.h"

namespace openelb {

struct ControllerOptions {
  // After the source was away and is back, how long removals for node health or endpoint readiness
  // wait: its own view lags at first. Also how long a controller that begins waits for speakers
  // (see Recovery).
  absl::Duration settle = absl::Seconds(10);
  // How long the address of a Service that a complete list no longer has is given to nobody else.
  absl::Duration rest = absl::Minutes(10);
  // How long an endpoint that turns ready does not count while the Service has others.
  absl::Duration endpoint_grace = absl::ZeroDuration();
  // How long a node that is to be drained stays a next hop that routers are asked to move off.
  absl::Duration drain_time = absl::Seconds(10);
  plan::Options plan = {};
};

// Totals since the start.
struct ControllerCounters {
  uint64_t events = 0;         // object events taken
  uint64_t steps = 0;          // rounds of recomputation
  uint64_t save_failures = 0;  // of facts and assignments
};

// What the shell measures with; called on the owner thread.
class ControllerObserver {
 public:
  virtual ~ControllerObserver() = default;
  // From the arrival of the oldest change to the new plan.
  virtual void OnPlanned(absl::Duration since_change) = 0;
  // From the new plan to a speaker's acknowledgement.
  virtual void OnAcked(absl::Duration since_plan) = 0;
};

class Controller final : public EventSource::Handler,
                         public push::PlanLink::Handler,
                         public StatusHandler,
                         private push::Distributor::Owner {
 public:
  // All outlive the controller. `observer` may be null.
  struct Seams {
    const Clock* clock;
    Disk* disk;  // the status folder: facts, assignments
    Epoch* epoch;
    // Makes the controller's end of the streams to speakers.
    std::function<std::unique_ptr<push::PlanLink>(push::PlanLink::Handler*)> open_link;
    StatusSink* status;
    Logger* log;
    ControllerObserver* observer = nullptr;
    // Tells whether the scraper that has shown a token to a speaker may read metrics, as
    // http::ScraperGuard does; `done` is called on the owner thread. Null: nobody can tell.
    std::function<void(const std::string& token, std::function<void(absl::Status)> done)>
        review_scraper = nullptr;
  };
  Controller(ControllerOptions options, Seams seams);
  ~Controller() override;

  // EventSource::Handler, on the owner thread. They take note; Turn acts.
  void OnEvents(std::vector<ObjectEvent> events) override;
  void OnSynced() override;
  void OnAway(std::string reason) override;
  void OnBack() override;

  // push::PlanLink::Handler, on the owner thread.
  void OnAttached(push::StreamId stream, const push::Origin& origin) override;
  void OnReport(push::StreamId stream, const plan::v1::Report& report) override;
  void OnWritable(push::StreamId stream) override;
  void OnDetached(push::StreamId stream, const absl::Status& why) override;

  // StatusHandler, on the owner thread.
  void OnServiceAnswered(const ObjectKey& key, const std::vector<std::string>& ips) override;

  // Recomputes what changed since the last turn and does what is due. Call after each batch of the
  // calls above and at NextWakeup (monotonic; InfiniteDuration: only after calls).
  void Turn();
  absl::Duration NextWakeup() const;
  // See Planner::SetWatchSecret.
  void SetWatchSecret(std::string secret) { planner_.SetWatchSecret(std::move(secret)); }
  // HOST:PORT of every controller, for speakers to keep.
  void SetEndpoints(std::vector<std::string> endpoints);
  // Ends the streams to speakers with `why`; they try the other controllers first and may come
  // back.
  void SendSpeakersAway(const absl::Status& why);
  // Saves what a later start needs. Nothing is withdrawn.
  void Stop();

  // Cluster state is complete.
  bool synced() const { return synced_; }
  // Speakers are served.
  bool serving() const { return gate_open_; }
  bool away() const { return away_; }
  const ipam::Ipam& ipam() const { return ipam_; }
  const plan::Planner& planner() const { return planner_; }
  const push::Distributor& distributor() const { return distributor_; }
  const observe::SessionBoard& sessions() const { return board_; }
  const observe::Statuses& statuses() const { return statuses_; }
  const ControllerCounters& counters() const { return counters_; }

 private:
  // push::Distributor::Owner
  void OnSpeakerUp(const std::string& node, const plan::v1::Hello& hello) override;
  void OnSpeakerDown(const std::string& node, const absl::Status& why) override;
  void OnSecondSpeaker(const std::string& node, const std::string& host) override;
  void OnSpeakerReport(const std::string& node, const plan::v1::Report& report) override;
  void OnScraperToken(push::StreamId stream, const std::string& token, uint64_t id) override;
  void OnAcked(const std::string& node, plan::Generation generation,
               std::optional<absl::Duration> since_change) override;
  void OnLargerEpoch(const std::string& node, uint64_t epoch) override;

  void TakeLead();
  void LoadSaved();
  void Apply(const ObjectEvent& event);
  void See(const kube::EndpointSlice& slice);
  void NoteReturn(const kube::Node& node);
  void EndReturns(absl::Duration now);
  void SetFact(plan::Fact fact);
  void GatherVipNodes(const plan::Fact& fact);
  std::string RackOf(const std::string& node) const;
  void Allocate();
  void Plan();
  // Whether the plan has to follow.
  bool Drain(absl::Duration now);
  void BeginRecovery();
  // Allocation and plans begin, once it is safe. Whether they have.
  bool OpenGateWhenSafe();
  void EndRests(absl::Duration now);
  void Save();

  const ControllerOptions options_;
  const Seams seams_;
  ipam::Ipam ipam_;
  plan::Planner planner_;
  std::unique_ptr<push::PlanLink> link_;
  push::Distributor distributor_;
  push::ResetTurns reset_turns_;
  observe::SessionBoard board_;
  observe::OwnerBoard owners_;
  observe::Statuses statuses_;
  StatusFirst status_first_;
  EndpointGrace endpoint_grace_;
  DrainTimer drain_timer_;
  ControllerCounters counters_;

  bool leads_ = false;  // or has led: what was decided since stays decided
  bool synced_ = false;
  bool started_ = false;      // leads_ and synced_
  uint64_t first_epoch_ = 0;  // of this leadership
  bool away_ = false;
  std::optional<absl::Duration> settle_until_;
  std::optional<absl::Duration> change_since_;  // arrival of the oldest event not planned yet

  Recovery recovery_;
  bool gate_open_ = false;
  bool facts_missing_ = false;
  std::deque<std::pair<absl::Duration, IpAddress>> rests_;     // until when, oldest first
  std::deque<std::pair<absl::Duration, uint64_t>> exchanges_;  // of routes: until when, which
  std::map<std::string, absl::Duration> returning_;            // nodes, until when
  std::optional<absl::Duration> gather_until_;                 // speakers in VIP mode

  absl::Time last_stamp_ = absl::InfinitePast();  // of facts
  bool save_due_ = false;
  absl::Duration next_save_;
  std::string saved_text_;
};

}  // namespace openelb
