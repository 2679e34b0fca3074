#pragma once
// The speaker: a plan in, announcements out.
//
// Life of a plan: the link receives it, the store checks it and makes it the plan in force, the
// protocol speakers announce it, the acknowledgement goes back, and the file keeps it for the next
// start. What the sessions look like and which networks the node is on goes up.
//
// Fail-static: the loss of every controller changes nothing here. Only a newer plan does.
//
// One owner thread calls everything; time, network, disk and link come through seams, so that a
// simulation can run many of them in one process.

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/disk.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "speaker/bgp/instance.h"
#include "speaker/bgp/router_discovery.h"
#include "speaker/io/io.h"
#include "speaker/io/router_io.h"
#include "speaker/lan/lan.h"
#include "speaker/link/link.h"
#include "speaker/link/plan_file.h"
#include "speaker/link/plan_link.h"
#include "speaker/link/plan_store.h"

namespace openelb {

// What the shell measures with; called on the owner thread.
class SpeakerObserver {
 public:
  virtual ~SpeakerObserver() = default;
  // A plan was put in force, which took so long.
  virtual void OnPlanApplied(absl::Duration took) = 0;
};

struct SpeakerOptions {
  link::LinkOptions link;  // who this speaker is and where controllers are
  // A saved plan that no controller has confirmed for so long does not start BGP.
  absl::Duration plan_max_age = absl::Hours(24);
  // Sessions are reported at once when one changes, and so often for their counters.
  absl::Duration report_every = absl::Seconds(5);
  // How often at most what is on the wire is reported.
  absl::Duration wire_report_every = absl::Milliseconds(100);
  // How long routers get to move to other paths before a speaker that leaves for good withdraws
  // its own.
  absl::Duration drain_time = absl::Seconds(10);
};

class Speaker final : public io::IoHandler,
                      public link::PlanLink::Handler,
                      private bgp::Observer,
                      private lan::Observer {
 public:
  // All outlive the speaker. `observer` may be null.
  struct Seams {
    const Clock* clock;
    Random* random;
    Disk* disk;                // the state folder
    link::SaveFile save = {};  // writes to it without keeping the owner waiting; empty: `disk` does
    io::Io* io;
    // Makes the speaker's end of the stream to controllers.
    std::function<std::unique_ptr<link::PlanLink>(link::PlanLink::Handler*)> open_link;
    Logger* log;
    SpeakerObserver* observer = nullptr;
    lan::Lan* lan = nullptr;          // null: that is left to other speakers
    io::RouterIo* routers = nullptr;  // null: unnumbered peers have to connect
  };
  Speaker(SpeakerOptions options, Seams seams);
  ~Speaker() override;

  // Puts the saved plan in force, then looks for a controller.
  void Start();
  // Does what is due. Call after each batch of calls to the handlers below, and at NextWakeup
  // (monotonic; InfiniteDuration: only after calls).
  void Turn();
  absl::Duration NextWakeup() const;
  // Says goodbye to the controller and hands over what the LANs know of; then to peers, as the plan
  // says a stop is meant, and saves the plan: at once, or, if the speaker leaves for good and some
  // router has paths of it, when routers had their time to move. Meanwhile go on with Turn.
  void Stop();
  // What there was to say is said. It is on its way once Io has closed its connections; destroy
  // the speaker then.
  bool stopped() const { return stop_ == Stopping::kDone; }
  // To be called after each round of the event loop in between: lets go of what others take over.
  void Linger();

  const link::PlanStore& store() const { return store_; }
  const link::Link& link() const { return link_; }
  const link::PlanFile& plan_file() const { return plan_file_; }
  const bgp::Instance& bgp() const { return bgp_; }
  const lan::Lan* lan() const { return seams_.lan; }
  // The saved plan is too old to be announced and no controller has confirmed it yet.
  bool waiting() const { return waiting_; }

  // Whether the scraper that has shown `token` may read metrics: link::Link.
  void ReviewScraper(const std::string& token, link::ScraperReviews::Done done) {
    link_.ReviewScraper(token, std::move(done), Now());
  }

  // link::PlanLink::Handler
  void OnUp(const std::string& endpoint) override;
  void OnPlan(const plan::v1::Plan& plan) override;
  void OnDown(const absl::Status& why) override;

  // io::IoHandler
  void OnConnected(io::ConnId conn, const IpAddress& local) override;
  void OnAccepted(io::ConnId conn, const IpAddress& local, const IpAddress& remote) override;
  void OnData(io::ConnId conn, std::span<const uint8_t> data) override;
  void OnWritable(io::ConnId conn) override;
  void OnClosed(io::ConnId conn, const absl::Status& why) override;
  void OnInterfacesChanged() override;

 private:
  // bgp::Observer
  void OnSessionChanged(const Neighbor& peer) override;
  void OnWireAdvanced(const Neighbor& peer) override;
  // lan::Observer
  void OnLanChanged(const lan::LanState& before, const lan::LanState& now) override;

  absl::Duration Now() const { return seams_.clock->Monotonic(); }
  bool layer2() const { return seams_.lan != nullptr && seams_.lan->layer2(); }
  bool vip() const { return seams_.lan != nullptr && seams_.lan->vip(); }
  void Announce(const link::PlanChanges& changes);
  bool Leaves() const;  // the next stop is for good
  void EndSessions();
  void SeekRouters();
  void LogApplied(const link::PlanChanges& changes);
  void ReportFacts();
  void ReportOwned();
  // Tells the controller of sessions and problems, and the log of problems that came or went.
  void Report();
  void ReportBy(absl::Duration when);
  void ReportSoon();  // as often as what is on the wire may be reported

  const SpeakerOptions options_;
  const Seams seams_;
  link::PlanStore store_;
  link::PlanFile plan_file_;
  std::unique_ptr<link::PlanLink> transport_;
  link::Link link_;
  bgp::Instance bgp_;
  std::optional<bgp::RouterDiscovery> routers_;
  bool waiting_ = false;
  enum class Stopping { kNo, kDraining, kDone };
  Stopping stop_ = Stopping::kNo;
  absl::Duration drained_at_ = absl::InfiniteDuration();
  std::optional<plan::Generation> announced_;  // of the plan last given to the protocol speakers
  absl::Duration report_at_ = absl::InfiniteDuration();
  std::set<std::string> problems_;  // of the last report
  absl::Duration reported_at_ = -absl::InfiniteDuration();
};

}  // namespace openelb
