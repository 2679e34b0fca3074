#pragma once
// Deals the members of a group out to the speakers that announce it, so that a router to which each
// of them announces one next hop (no ADD-PATH) still gets as many different ones as it can.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "controller/plan/fact.h"
#include "controller/plan/group_table.h"
#include "controller/plan/model.h"
#include "controller/plan/set_store.h"
#include "controller/plan/speaker_table.h"

namespace openelb::plan {

// The members (node names) that speakers without a member of their own announce first.
using Choices = std::map<std::string, std::string>;

// A speaker whose own node is a member takes that; it needs no choice. If that covers every member,
// the others need none either. Else each of the others gets a member that nobody else has while
// there are such, then one of the least used; who has a member in `current` keeps it where that
// allows. Deals to `staying` only; the choices of other speakers stand while their member does.
// Dealing again with the result as `current` changes nothing.
Choices Deal(const std::vector<MemberView>& members, const std::set<std::string>& staying,
             const Choices& current);

class PlaceTable {
 public:
  // Choices of an earlier run, for the next Derive.
  void Load(const Assignment& assignment);
  void AddAssignments(std::vector<Assignment>* out) const;

  // Writes the place resources into the speakers' sets "node/NAME".
  void Derive(const GroupChanges& groups, const AudienceChanges& audiences, const Model& model,
              SetStore* sets, Visits* visits);

 private:
  struct Dealt {
    Choices choices;
    std::set<std::string> placed;  // speakers that have a place resource
  };
  void Update(const std::string& audience, const std::string& group, const Model& model,
              SetStore* sets);

  std::map<std::string, std::map<std::string, Dealt>> dealt_;  // by audience and group
  // Choices by group and speaker that were made elsewhere: in an earlier run or another audience.
  std::map<std::string, Choices> carried_;
};

}  // namespace openelb::plan
