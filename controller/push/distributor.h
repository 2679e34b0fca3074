#pragma once
// Keeps each attached speaker's plan up to date: who is attached, whose plan a change touches, who
// is told what (Transfer, one for each stream). Pure: calls and time in, messages to the link out.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/base/log.h"
#include "api/plan/resource.h"
#include "api/plan/v1/plan.pb.h"
#include "controller/plan/resource_set.h"
#include "controller/push/plan_link.h"
#include "controller/push/transfer.h"

namespace openelb::push {

struct DistributorOptions : TransferOptions {
  absl::Duration heartbeat = absl::Milliseconds(300);  // sent when idle for so long
  absl::Duration dead_after = absl::Seconds(3);        // a silent stream is closed
};

// What is known of the speaker on one node.
struct SpeakerStatus {
  bool attached = false;
  std::string instance;       // of the process that attached last
  std::string version;        // likewise
  plan::Generation planned;   // the newest plan of this node
  plan::Generation acked;     // the newest one that the speaker applied
  absl::Duration last_heard;  // monotonic
  // When the oldest change not yet acked was planned; only while attached.
  std::optional<absl::Duration> pending_since;
  std::map<std::string, std::string> nacks;  // resource key -> why the speaker cannot apply it
};

// Since the start.
struct DistributorCounters : TransferCounters {
  uint64_t attached = 0;         // Hellos accepted
  uint64_t refused = 0;          // Hellos refused, and speakers turned away
  uint64_t second = 0;           // of these, of a node that has a speaker already
  uint64_t heartbeats = 0;       // sent
  uint64_t resource_nacks = 0;   // (resource, reason) pairs a speaker newly named
  uint64_t dead_peers = 0;       // streams closed for silence
  uint64_t unacknowledged = 0;   // streams closed for a plan not acknowledged in time
  uint64_t invalid_reports = 0;  // streams closed for a report out of place
  uint64_t ended = 0;            // streams ended by the speaker or the network
};

class Distributor {
 public:
  // Told from within the calls below, as their last act: it may call back.
  class Owner {
   public:
    virtual ~Owner() = default;
    // The Hello was accepted; plans flow. Again without OnSpeakerDown: the stream was replaced.
    virtual void OnSpeakerUp(const std::string& node, const plan::v1::Hello& hello) = 0;
    virtual void OnSpeakerDown(const std::string& node, const absl::Status& why) = 0;
    // Another process, at `host`, has shown a token of a node whose speaker is attached: refused.
    virtual void OnSecondSpeaker(const std::string& node, const std::string& host) = 0;
    // Facts, Observed, Announced or Goodbye of an accepted speaker.
    virtual void OnSpeakerReport(const std::string& node, const plan::v1::Report& report) = 0;
    // The speaker of `stream` asks whether a scraper may read its metrics: SendVerdict, once.
    virtual void OnScraperToken(StreamId stream, const std::string& token, uint64_t id) = 0;
    // The speaker has applied the plan up to `generation`. `since_change`: how long ago the oldest
    // change in it was planned; unset when it brought only a new speaker up to date.
    virtual void OnAcked(const std::string& node, plan::Generation generation,
                         std::optional<absl::Duration> since_change) = 0;
    // A speaker has seen `epoch`, which is larger than ours, or as large but another leader's: it
    // takes nothing until SetEpoch exceeds it, or can't tell whose plans it is sent.
    virtual void OnLargerEpoch(const std::string& node, uint64_t epoch) = 0;
  };

  // All pointers outlive the distributor.
  Distributor(const plan::PlanView* view, PlanLink* link, Owner* owner, Logger* log,
              DistributorOptions options = {});

  // Opens the gate: plans are sent under `epoch`, which never goes back to an earlier one. 0, the
  // state at start: nothing but heartbeats is sent, since this controller does not lead or has no
  // complete plan yet.
  void SetEpoch(uint64_t epoch, absl::Duration now);
  // Not OK: this controller does not lead. Speakers that are attached, or attach, are turned away
  // with `refusal`. OK, the state at start: they are served.
  void SetRefusal(absl::Status refusal);
  // Ends every stream with `why`; the speakers may come back.
  void SendAway(const absl::Status& why);
  // HOST:PORT of every controller, told to each speaker. Default: none, speakers keep what they
  // have.
  void SetEndpoints(std::vector<std::string> endpoints, absl::Duration now);
  // The nodes whose speakers may reset sessions now (ResetTurns); told at once where it is news.
  void SetResetTurns(std::set<std::string> nodes);
  // From now on asks each speaker that holds a plan what it announces, once per stream; the owner
  // hears the answers as reports.
  void AskAnnounced(absl::Duration now);
  // What has become of an OnScraperToken with that `id`. Nobody hears of it once the stream has
  // ended.
  void SendVerdict(StreamId stream, uint64_t id, const absl::Status& verdict, absl::Duration now);
  // The view has changed by `change`. A node whose SetsOf is empty is sent nothing (it keeps what
  // it has); to take its plan away, name a set that has nothing in it.
  void OnPlanChange(const plan::PlanChange& change, absl::Duration now);

  // What PlanLink::Handler says, with the time.
  void OnAttached(StreamId stream, const Origin& origin, absl::Duration now);
  void OnReport(StreamId stream, const plan::v1::Report& report, absl::Duration now);
  void OnWritable(StreamId stream, absl::Duration now);
  void OnDetached(StreamId stream, const absl::Status& why, absl::Duration now);

  // Heartbeats, dead peers, retries. Call at NextWakeup or later; InfiniteDuration: nothing to do.
  void Tick(absl::Duration now);
  absl::Duration NextWakeup() const;

  // Nodes whose speaker has attached since the start and that still have a plan or a speaker.
  std::map<std::string, SpeakerStatus> Speakers() const;
  // The generation of the whole plan: the newest `planned` of any speaker.
  plan::Generation generation() const { return {epoch_, counter_}; }
  const DistributorCounters& counters() const { return counters_; }

 private:
  struct Stream {
    std::string node;  // by its credentials until the Hello is accepted
    std::string host;
    bool accepted = false;  // the Hello was
    bool writable = true;
    bool endpoints_due = false;
    int scrapers = 0;                                     // that the owner was asked about
    std::vector<plan::v1::ScraperVerdict> verdicts = {};  // to be sent
    absl::Duration last_heard;
    absl::Duration last_sent;
    Transfer transfer;
  };
  struct Node {
    std::optional<StreamId> stream;
    std::string instance;
    std::string version;
    uint64_t changed = 0;  // counter of the last change of its plan
    plan::Generation acked;
    uint64_t sent_epoch = 0;  // of the newest plan sent to it
    absl::Duration last_heard;
    std::vector<std::string> sets;
    std::map<std::string, std::string> nacks;
  };

  void OnHello(StreamId id, Stream& stream, const plan::v1::Hello& hello, absl::Duration now);
  void OnAck(StreamId id, Stream& stream, const plan::v1::Ack& ack, absl::Duration now);
  // Why the Hello must be refused; OK when its stream may become the node's.
  absl::Status CheckHello(const Stream& stream, const plan::v1::Hello& hello,
                          absl::Duration now) const;
  // Closes and forgets a stream; the owner hears of it if it was a node's.
  void Drop(StreamId id, const absl::Status& why);
  void Forget(StreamId id, const absl::Status& why);
  // Looks up which sets the node reads. Whether they are others than before.
  bool ReadSets(const std::string& name, Node& node);
  void SetReads(const std::string& name, Node& node, std::vector<std::string> sets);
  // Forgets a node that has neither a plan nor a speaker.
  void ForgetIfUnused(const std::string& name);
  void SetNacks(const std::string& name, Node& node, const plan::v1::Ack& ack);
  void OnScraperToken(StreamId id, Stream& stream, const plan::v1::ScraperToken& asked,
                      absl::Duration now);
  // What need not wait for a plan or the next heartbeat.
  bool HasNews(const Stream& stream) const;
  // Sends what is due next on the stream, if it takes anything. Whether it sent.
  bool Pump(StreamId id, Stream& stream, absl::Duration now);
  void Send(StreamId id, Stream& stream, std::shared_ptr<plan::v1::Plan> plan, absl::Duration now);
  void Heartbeat(StreamId id, Stream& stream, absl::Duration now);

  const plan::PlanView* const view_;
  PlanLink* const link_;
  Owner* const owner_;
  Logger* const log_;
  const DistributorOptions options_;

  uint64_t epoch_ = 0;
  uint64_t counter_ = 1;
  absl::Status refusal_;
  std::vector<std::string> endpoints_;
  bool ask_announced_ = false;
  std::set<std::string> reset_turns_;
  std::map<StreamId, Stream> streams_;
  std::map<std::string, Node> nodes_;
  std::map<std::string, std::set<std::string>>
      readers_;  // set name -> nodes in nodes_ that read it
  DistributorCounters counters_;
};

}  // namespace openelb::push
