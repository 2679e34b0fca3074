#pragma once
// Keeps a speaker attached to a controller: which one to dial and when, what to say first, whether
// the other side is alive. Pure: calls and time in, dials and reports to the transport out.
//
// A round tries the saved endpoints, then those of the controllers file, then those of the flags,
// one right after the other; between rounds it waits for a full-jitter back-off. A controller that
// does not lead names the one that does: that one is tried next, the former not again in this
// round. The plan in force is untouched by all of this.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "api/plan/v1/plan.pb.h"
#include "speaker/link/plan_link.h"
#include "speaker/link/plan_state.h"
#include "speaker/link/plan_store.h"
#include "speaker/link/scraper_reviews.h"

namespace openelb::link {

struct LinkOptions {
  std::string node;
  std::string kernel_boot_id;
  std::string instance;  // new at each process start
  std::string version;
  std::vector<std::string> controllers;  // --controller, in order
  // Reads --controllers-file; called at the start of each round. Null: there is none. An error
  // leaves what was read last.
  std::function<absl::StatusOr<std::vector<std::string>>()> read_controllers;

  // Reads the token that this speaker shows; a renewed one is sent on the stream. Null: none is
  // shown.
  std::function<absl::StatusOr<std::string>()> read_token;

  absl::Duration heartbeat = absl::Milliseconds(300);  // sent when idle for so long
  absl::Duration dead_after = absl::Seconds(1);        // a silent controller is hung up on
  absl::Duration dial_timeout = absl::Seconds(1);
  absl::Duration min_backoff = absl::Milliseconds(100);
  absl::Duration max_backoff = absl::Seconds(5);
  absl::Duration token_interval = absl::Seconds(10);  // between two looks at the token
  // How long a controller with a refused epoch may take to raise it before another is tried.
  absl::Duration epoch_patience = absl::Seconds(3);
};

struct LinkCounters {
  uint64_t dials = 0;
  uint64_t dial_failures = 0;     // streams that ended before anything was heard
  uint64_t streams = 0;           // controllers heard from
  uint64_t dead_controllers = 0;  // hung up for silence
  uint64_t deposed = 0;           // hung up for an epoch that was not raised
  uint64_t referrals = 0;         // controllers that sent it on
};

class Link {
 public:
  // All pointers outlive the link.
  Link(PlanLink* transport, PlanStore* store, Random* random, Logger* log, LinkOptions options);

  // Dials; call once the saved plan is restored.
  void Start(absl::Duration now);
  // Says goodbye and dials no more. `leaving`: the speaker will not come back to this node. Call
  // Hangup a moment later, so that the goodbye gets through.
  void Stop(bool leaving, absl::Duration now);
  void Hangup();

  // What the node and its sessions look like now; the newest of each is kept and sent again on
  // every new stream.
  void SendFacts(plan::v1::Facts facts, absl::Duration now);
  void SendObserved(plan::v1::Observed observed, absl::Duration now);
  void SendLayer2Owned(plan::v1::Layer2Owned owned, absl::Duration now);

  // Asks the controller whether the scraper that has shown `token` may read metrics. `done` as of
  // ScraperReviews, maybe before this returns.
  void ReviewScraper(const std::string& token, ScraperReviews::Done done, absl::Duration now);

  // What PlanLink::Handler says, with the time. OnPlan applies it and answers; the caller acts on
  // the changes.
  void OnUp(const std::string& endpoint, absl::Duration now);
  PlanStore::Outcome OnPlan(const plan::v1::Plan& plan, absl::Duration now);
  void OnDown(const absl::Status& why, absl::Duration now);

  // Dials, heartbeats, dead controllers. Call at NextWakeup or later; InfiniteDuration: nothing to
  // do.
  void Tick(absl::Duration now);
  absl::Duration NextWakeup() const;

  // A controller was heard on the present stream; its endpoint, else empty.
  bool connected() const { return phase_ == Phase::kUp && heard_; }
  const std::string& endpoint() const { return endpoint_; }
  // The controller vouches that the plan in force is the current one.
  bool confirmed() const { return confirmed_; }
  const LinkCounters& counters() const { return counters_; }

 private:
  enum class Phase { kStopped, kWaiting, kDialing, kUp };

  void StartRound(absl::Duration now);
  // Lists whom to try, `first` before all others.
  void PlanRound(const std::vector<std::string>& first);
  void DialNext(absl::Duration now);
  void Failed(const absl::Status& why, absl::Duration now);
  void Send(const plan::v1::Report& report, absl::Duration now);
  void NoteErrors();
  void SendTokenIfRenewed(absl::Duration now);
  void SendAnnounced(absl::Duration now);

  PlanLink* const transport_;
  PlanStore* const store_;
  Random* const random_;
  Logger* const log_;
  const LinkOptions options_;

  Phase phase_ = Phase::kStopped;
  bool heard_ = false;  // anything on the present stream
  bool confirmed_ = false;
  bool stopping_ = false;
  bool told_announced_ = false;  // on the present stream
  std::string endpoint_;
  std::vector<std::string> file_endpoints_;
  std::vector<std::string> round_;  // endpoints of this round
  size_t next_in_round_ = 0;
  std::set<std::string> passed_over_;  // in this round: they sent us on
  int failed_rounds_ = 0;
  absl::Duration dial_at_;   // kWaiting
  std::string token_;        // shown or sent last
  absl::Duration token_at_;  // kUp: when to look at it
  absl::Duration last_sent_;
  absl::Duration last_heard_;                    // kDialing: since the dial
  std::optional<absl::Duration> refused_since_;  // for its epoch
  ByKey noted_errors_;                           // of resources, as last logged
  std::optional<plan::v1::Facts> facts_;
  std::optional<plan::v1::Observed> observed_;
  std::optional<plan::v1::Layer2Owned> layer2_owned_;
  ScraperReviews scrapers_;
  LinkCounters counters_;
};

}  // namespace openelb::link
