#pragma once
// Turns what the controller knows into the statuses, conditions and events that users read.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/object.h"
#include "controller/event_source.h"
#include "controller/ipam/ipam.h"
#include "controller/observe/conditions.h"
#include "controller/observe/owner_board.h"
#include "controller/observe/owner_events.h"
#include "controller/observe/owner_table.h"
#include "controller/observe/pacer.h"
#include "controller/observe/redundancy.h"
#include "controller/observe/session_board.h"
#include "controller/plan/planner.h"
#include "controller/status_sink.h"

namespace openelb::observe {

class Statuses {
 public:
  // All outlive it.
  Statuses(const ipam::Ipam* ipam, const plan::Planner* planner, SessionBoard* board,
           OwnerBoard* owners, StatusSink* sink, const Clock* clock, Logger* log)
      : ipam_(ipam),
        planner_(planner),
        board_(board),
        owners_(owners),
        sink_(sink),
        clock_(clock),
        log_(log) {}

  // An object came or changed, or went: its status goes with it.
  void OnObject(const Object& object);
  void OnDeleted(const ObjectKey& key);
  // The object as it stands cannot be used, until it comes again or goes: a condition and an Event
  // `Refused` say so.
  void OnRefused(const ObjectKey& key, const Refusal& refusal);
  // A session came up or went down.
  void OnSession(const SessionChange& change);
  // A process at `host`, empty where that is not known, has shown the token of a live speaker.
  void OnSecondSpeaker(const std::string& node, const std::string& host);
  // Planner::Problems may have changed. What lasts of it and of what speakers report becomes
  // conditions, events and log lines.
  void OnProblems(absl::Duration now);

  // Which speakers racks have, or which are ready, may have changed. What lacks a second one
  // for a while becomes conditions and events, and so does its return.
  void OnRacks(absl::Duration now);

  // Which speakers should have which sessions or addresses may have changed.
  void OnSpeakersPlanned() {
    speakers_planned_ = true;
    owners_planned_ = true;
  }

  // As ipam has it now. An Eip within a second of its last one; where nothing but its addresses in
  // use differs, a second later for each thousand of them.
  void WriteService(const ObjectKey& key);
  void WriteEip(const std::string& name);
  void Record(const ClusterEvent& event);
  // Reads the problems and writes the statuses of our kinds that are due at `now` (monotonic).
  void WriteDue(absl::Duration now);
  // When WriteDue next has something to do; InfiniteDuration: nothing.
  absl::Duration NextDue() const;

  uint64_t events_recorded() const { return events_recorded_; }
  size_t problem_count() const { return problems_.size() + lacking_.size(); }
  std::vector<std::string> Eips() const;
  OwnerCounts CountOwners() const { return owner_table_.Count(); }
  // By Eip of protocol layer2 or vip that has had addresses in use: how often they went from one
  // owner to another, and how many another station answers for now.
  const std::map<std::string, uint64_t>& OwnerChanges() const { return owner_table_.changes(); }
  std::map<std::string, int64_t> CountDuplicates() const;

 private:
  struct Known {
    int64_t generation = 0;
    std::string uid;
    std::vector<std::string> fields_ignored;
  };
  // FieldsIgnored and the problems about the object; for the BgpConf that counts also those of
  // nodes, by name.
  void AddConditions(const ObjectKey& key, std::vector<kube::Condition>* out) const;
  void MarkDue(const ObjectKey& key);
  std::string PoolOf(const std::string& text) const;
  std::vector<plan::Problem> FindProblems() const;
  // What is added to a list of problems, or gone from it, becomes events and conditions.
  void Tell(std::vector<plan::Problem> now, std::vector<plan::Problem>* told);
  void ReadRacks(absl::Duration now);
  void CountExpected();
  void ReadOwners(absl::Duration now);
  // Whether every speaker has reported, or has been waited for long enough: until then a status
  // would show sessions as gone that are only unheard of.
  bool SpeakersHeard(absl::Duration now);
  void WriteOwn(const ObjectKey& key, absl::Duration now);
  void WriteEipNow(const std::string& name, absl::Duration now);
  // Truncates it and stamps its conditions.
  template <typename Status>
  void Complete(const ObjectKey& key, Status* status);

  const ipam::Ipam* ipam_;
  const plan::Planner* planner_;
  SessionBoard* board_;
  OwnerBoard* owners_;
  StatusSink* sink_;
  const Clock* clock_;
  Logger* log_;
  ConditionStamps stamps_;
  std::map<ObjectKey, Known> known_;  // Services and our own kinds
  std::map<ObjectKey, Refusal> refused_;
  std::vector<plan::Problem> problems_;
  std::vector<plan::Problem> lacking_;  // those of redundancy_
  Redundancy redundancy_;
  absl::Duration racks_due_ = absl::InfiniteDuration();
  absl::Duration racks_read_ = -absl::InfiniteDuration();
  absl::Duration problems_due_ = absl::InfiniteDuration();
  Pacer pacer_{absl::Seconds(1)};
  // Of each Eip what was written last, without its use, and until when its use rests.
  struct Resting {
    network::EipStatus frame;
    absl::Duration until;
  };
  std::map<std::string, Resting> resting_;
  std::set<ObjectKey> unheard_;  // due, and waiting for speakers
  absl::Duration hear_until_ = absl::InfiniteDuration();
  bool all_heard_ = false;
  bool speakers_planned_ = true;
  std::map<std::string, int> expected_;  // sessions by BgpPeer
  OwnerTable owner_table_;
  OwnerEvents owner_events_;
  bool owners_planned_ = false;  // the plan of owners may have changed
  absl::Duration owners_due_ = absl::InfiniteDuration();
  absl::Duration owners_read_ = -absl::InfiniteDuration();
  std::map<std::string, absl::Duration> second_told_;  // by node
  uint64_t events_recorded_ = 0;
};

}  // namespace openelb::observe
