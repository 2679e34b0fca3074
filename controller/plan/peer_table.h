#pragma once
// From BgpPeers and the peer groups of the BgpConf to the BgpPeers that sessions are planned of.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "api/codec/value.h"
#include "api/network/v1alpha2/bgp.h"
#include "controller/plan/planner.h"

namespace openelb::plan {

// A slip of the pen ends no session: a group that is wrong, or gone while BgpPeers name it, stays
// as it was, also for the next run of the controller; a BgpPeer that contradicts its group, or
// names one that never was, stays as this run had it. Where nothing was before, it has no session.
class PeerTable {
 public:
  using Groups = std::map<std::string, codec::Value>;

  void Upsert(const network::BgpPeer& peer);
  bool Remove(const std::string& name);  // whether there was one
  // Those of the BgpConf.
  void SetGroups(Groups groups);
  // Lets go of groups that nobody names any more. For when the source has told all.
  void ForgetUnused();

  const std::map<std::string, network::BgpPeer>& peers() const { return peers_; }
  // Those that name a group, as they are written.
  const std::map<std::string, network::BgpPeer>& grouped() const { return written_; }
  // With what its group gives. Error: there is no such group, or the two contradict each other.
  absl::StatusOr<network::BgpPeer> Complete(const network::BgpPeer& peer) const;
  void AddProblems(std::set<Problem>* out) const;

  // The groups in force, for the next run of the controller.
  void AddAssignments(std::vector<Assignment>* out) const;
  static bool IsOurs(const Assignment& assignment);
  void Load(const Assignment& assignment);

 private:
  void Resolve(const network::BgpPeer& peer);

  std::map<std::string, network::BgpPeer> written_;  // those that name a group
  std::map<std::string, network::BgpPeer> peers_;
  Groups groups_;                                     // as the BgpConf has them
  Groups in_force_;                                   // nothing is wrong with these
  std::map<std::string, std::string> wrong_;          // groups of the BgpConf: why
  std::map<std::string, std::string> peer_problems_;  // BgpPeers: why they are not as written
};

}  // namespace openelb::plan
