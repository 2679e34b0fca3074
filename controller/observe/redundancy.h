#pragma once
// What lacks a second speaker that would go on when one is lost: racks, and Eips whose addresses
// nodes answer for themselves. Pure: time comes in.
//
// Speakers that start one after the other, restart or are replaced are not news: something is told
// to lack a second speaker once it has for kLoss, and to have one again once it has for kReturn.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "api/object.h"
#include "controller/observe/rack_table.h"
#include "controller/problem.h"
#include "controller/status_sink.h"

namespace openelb::observe {

inline constexpr const char* kRackWithoutRedundancy = "RackWithoutRedundancy";
inline constexpr const char* kRackRedundant = "RackRedundant";

class Redundancy {
 public:
  static constexpr absl::Duration kLoss = absl::Seconds(30);
  static constexpr absl::Duration kReturn = absl::Seconds(5);

  // What is so now. What is in `table` no more is forgotten without a word.
  void Update(const RackTable& table, absl::Duration now);

  // About the BgpConf (of racks) and Eips, sorted. Of one that lacks more by now, the newer state
  // once it has lasted as long.
  std::vector<Problem> Problems() const;
  // What has a second speaker again, once.
  std::vector<ClusterEvent> TakeReturns() { return std::exchange(returns_, {}); }
  // When Update would tell something by time alone; InfiniteDuration: never.
  absl::Duration NextDue() const;

 private:
  using Subject = std::pair<ObjectKey, std::string>;  // whose it is to mend; the rack, empty: none
  struct Held {
    std::string told;                               // what it lacks, one sentence; empty: nothing
    std::string found;                              // the same as of the last Update
    absl::Duration due = absl::InfiniteDuration();  // when `found` is told
  };
  void Find(const Subject& subject, std::string lacks, std::string has, absl::Duration now);

  std::map<Subject, Held> held_;
  std::vector<ClusterEvent> returns_;
};

}  // namespace openelb::observe
