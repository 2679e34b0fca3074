#pragma once
// Brings each attached speaker's plan up to date and keeps it so: who is attached, what each
// speaker holds, and what it must be sent next. Pure: calls and time in, messages to the link out.
//
// The life of a plan on a stream: the Hello says what the speaker holds. If that is the current
// plan nothing is sent; if only its generation differs, an empty delta moves it; else a snapshot in
// chunks goes out. From then on changes mark keys, and one delta at a time carries the latest state
// of the marked keys; the next one waits for its acknowledgement. So a slow speaker costs memory
// for its state, never for the events it missed.

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

namespace openelb::push {

struct DistributorOptions {
  size_t chunk_resources = 2000;
  size_t chunk_bytes = 1 << 20;
  size_t delta_bytes = 2 << 20;  // a larger delta becomes a snapshot; the transport takes 4 MiB
  absl::Duration heartbeat = absl::Milliseconds(300);  // sent when idle for so long
  absl::Duration dead_after = absl::Seconds(3);        // a silent stream is closed
  absl::Duration replace_after = absl::Seconds(1);     // another instance takes over a silent node
  absl::Duration ack_timeout = absl::Seconds(10);   // a stream that does not acknowledge is closed
  absl::Duration refused_retry = absl::Seconds(1);  // before a refused snapshot is sent again
};

// What is known of the speaker on one node.
struct SpeakerStatus {
  bool attached = false;
  std::string instance;                         // of the process that attached last
  std::string version;                          // likewise
  plan::Generation planned;                     // the newest plan of this node
  plan::Generation acked;                       // the newest one that the speaker applied
  absl::Duration last_heard;                    // monotonic
  std::optional<absl::Duration> pending_since;  // when the oldest change not yet acked was planned
  std::map<std::string, std::string> nacks;     // resource key -> why the speaker cannot apply it
};

// Since the start.
struct DistributorCounters {
  uint64_t attached = 0;         // Hellos accepted
  uint64_t resumed = 0;          // of these, how many needed no resource sent
  uint64_t refused = 0;          // Hellos refused
  uint64_t snapshots = 0;        // begun
  uint64_t deltas = 0;           // sent
  uint64_t heartbeats = 0;       // sent
  uint64_t resource_nacks = 0;   // (resource, reason) pairs a speaker newly named
  uint64_t plan_errors = 0;      // snapshots and deltas refused as a whole
  uint64_t epoch_refusals = 0;   // of these, for a larger epoch
  uint64_t dead_peers = 0;       // streams closed for silence
  uint64_t unacknowledged = 0;   // streams closed for a plan not acknowledged in time
  uint64_t invalid_reports = 0;  // streams closed for a report out of place
};

class Distributor {
 public:
  // Told from within the calls below, as their last act: it may call back.
  class Owner {
   public:
    virtual ~Owner() = default;
    // The Hello was accepted; plans flow.
    virtual void OnSpeakerUp(const std::string& node, const plan::v1::Hello& hello) = 0;
    virtual void OnSpeakerDown(const std::string& node, const absl::Status& why) = 0;
    // Facts, Observed or Goodbye of an accepted speaker.
    virtual void OnSpeakerReport(const std::string& node, const plan::v1::Report& report) = 0;
    // The speaker has applied everything up to `generation`, of which the oldest change was planned
    // `since_change` ago.
    virtual void OnAcked(const std::string& node, plan::Generation generation,
                         absl::Duration since_change) = 0;
    // A speaker has seen `epoch`, larger than ours: it takes nothing until SetEpoch exceeds it.
    virtual void OnLargerEpoch(const std::string& node, uint64_t epoch) = 0;
  };

  // All pointers outlive the distributor.
  Distributor(const plan::PlanView* view, PlanLink* link, Owner* owner, Logger* log,
              DistributorOptions options = {});

  // Opens the gate: plans are sent under `epoch`, which only grows. 0, the state at start: nothing
  // but heartbeats is sent, since this controller does not lead or has no complete plan yet.
  void SetEpoch(uint64_t epoch, absl::Duration now);
  // HOST:PORT of every controller, told to each speaker. Default: none, speakers keep what they
  // have.
  void SetEndpoints(std::vector<std::string> endpoints, absl::Duration now);
  // The view has changed by `change`. A node whose SetsOf is empty is sent nothing (it keeps what
  // it has); to take its plan away, name a set that has nothing in it.
  void OnPlanChange(const plan::PlanChange& change, absl::Duration now);

  // What PlanLink::Handler says, with the time.
  void OnAttached(StreamId stream, const std::string& node, absl::Duration now);
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
  // A snapshot on its way: bodies are shared with the sets, so that it stays what it was.
  struct Snapshot {
    std::vector<std::pair<std::string, std::shared_ptr<const std::string>>> resources;
    size_t next = 0;
    uint64_t hash = 0;
    bool begun = false;
  };
  struct Stream {
    std::string node;       // by its credentials until the Hello is accepted
    bool accepted = false;  // the Hello was
    bool writable = true;
    absl::Duration last_heard;
    absl::Duration last_sent = -absl::InfiniteDuration();
    bool endpoints_due = true;
    uint64_t largest_epoch = 0;            // that the speaker has seen
    std::optional<plan::Generation> held;  // by the speaker; unset: a snapshot is needed
    absl::Duration snapshot_after = -absl::InfiniteDuration();
    std::set<std::string> dirty;                    // keys changed since the last snapshot or delta
    std::optional<absl::Duration> dirty_since;      // the oldest change not sent
    std::unique_ptr<Snapshot> snapshot;             // being sent
    std::optional<plan::Generation> awaiting;       // sent or being sent, not yet acknowledged
    absl::Duration awaiting_since;                  // when its last part was sent
    std::optional<absl::Duration> awaiting_change;  // the oldest change it carries
    bool awaiting_snapshot = false;
  };
  struct Node {
    std::optional<StreamId> stream;
    std::string instance;
    std::string version;
    uint64_t changed = 0;  // counter of the last change of its plan
    plan::Generation acked;
    absl::Duration last_heard;
    std::vector<std::string> sets;
    std::map<std::string, std::string> nacks;
  };

  void OnHello(StreamId id, Stream& stream, const plan::v1::Hello& hello, absl::Duration now);
  void OnAck(StreamId id, Stream& stream, const plan::v1::Ack& ack, absl::Duration now);
  // Why the Hello must be refused; OK when it may replace or become the node's stream.
  absl::Status CheckHello(const Stream& stream, const plan::v1::Hello& hello,
                          absl::Duration now) const;
  // Closes and forgets a stream; the owner hears of it if it was a node's.
  void Drop(StreamId id, const absl::Status& why);
  void Forget(StreamId id, const absl::Status& why);
  void ReadSets(const std::string& name, Node& node);
  void DropUnused(const std::string& name);
  void Touch(Node& node, const std::set<std::string>& keys, absl::Duration now);
  void NeedSnapshot(Stream& stream, absl::Duration now);
  // Sends what is due next on the stream, if it takes anything.
  void Pump(StreamId id, absl::Duration now);
  bool MaySend(const Stream& stream, const Node& node, absl::Duration now) const;
  void SendSnapshotPart(StreamId id, Stream& stream, absl::Duration now);
  void SendDelta(StreamId id, Stream& stream, const Node& node, absl::Duration now);
  void Send(StreamId id, Stream& stream, std::shared_ptr<plan::v1::Plan> plan, absl::Duration now);
  plan::Generation Planned(const Node& node) const { return {epoch_, node.changed}; }
  uint64_t HashOf(const Node& node) const;
  size_t SizeOf(const Node& node) const;
  const plan::Resource* FindResource(const Node& node, absl::string_view key) const;

  const plan::PlanView* const view_;
  PlanLink* const link_;
  Owner* const owner_;
  Logger* const log_;
  const DistributorOptions options_;

  uint64_t epoch_ = 0;
  uint64_t counter_ = 1;
  std::vector<std::string> endpoints_;
  std::map<StreamId, Stream> streams_;
  std::map<std::string, Node> nodes_;
  std::map<std::string, std::set<std::string>>
      readers_;  // set name -> nodes in nodes_ that read it
  DistributorCounters counters_;
};

}  // namespace openelb::push
