#pragma once
// Who stands by for whom on one L2 segment, and so who watches whom with BFD.
//
// An address has an owner (rank 1) and up to two standbys (ranks 2 and 3). Rank 2 watches rank 1,
// and rank 3 both: an address needs at most three sessions, which it shares with all others of the
// same nodes. Were standbys chosen freely, n nodes would come to n(n-1)/2 sessions. Here
//
// - an owner's standbys are taken from the kReach eligible nodes that follow it in the order of
//   names, around the end. Where every node may stand by for every address, nodes ranked afresh
//   have at most 2 kReach sessions each (8), and the segment kReach n; what stands from before
//   nodes came and went may keep a few more.
// - Eligible sets that differ per address (policy Local) can ask for far more, so no node gets more
//   than kMaxSessions (32): never more than 16 n on the segment, whatever is asked. A third rank
//   opens no session beyond kThirdRankSessions, so that second ranks find room.
//
// An address that finds no room gets fewer standbys, and the ranks say so: it then moves only when
// the planner moves it. Within its reach an owner takes the second rank that inherits least of it,
// so that what a lost node owned spreads over kReach others. What stands, stays, as long as it is
// eligible and there is room; rank 1 is never touched.
//
// Two nodes that watch each other have one session for each pair of interfaces that the addresses
// which they are ranked on use (see WatchTable), so with pools on several NICs the bound is 32
// sessions a NIC. At 3 x 100 ms a session is about 11 packets a second each way, and the bound some
// 370 a NIC.

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace openelb::plan {

class WatchGraph {
 public:
  static constexpr size_t kRanks = 3;
  static constexpr size_t kReach = 4;
  static constexpr size_t kMaxSessions = 32;
  static constexpr size_t kThirdRankSessions = 24;

  // Ranks the address anew and returns its ranks: the owner, then those of `standing` (the standbys
  // that it has, in order) for which there is room, which is all of them where they stood before.
  // Touches nothing but this address and its sessions, as does Fill.
  const std::vector<std::string>& Seat(const std::string& address, const std::string& owner,
                                       std::span<const std::string> standing);
  // Gives an address that has an owner the standbys that it lacks and returns its ranks. `eligible`
  // are the nodes that may answer for it, sorted. Costs O(eligible) where the neighbourhood is
  // full, else O(log eligible). A session that it opens may be what another address needs to find
  // room.
  const std::vector<std::string>& Fill(const std::string& address,
                                       std::span<const std::string> eligible);
  // The address is gone, or nobody owns it.
  void Remove(const std::string& address);

  // The nodes with which `node` has a session, sorted.
  std::vector<std::string> PeersOf(const std::string& node) const;
  // Of the whole segment.
  size_t sessions() const { return sessions_; }

 private:
  // One end of a session.
  struct Peer {
    uint32_t addresses = 0;  // that need the session
    uint32_t inherits = 0;   // of what this node owns: where the peer is rank 2
  };
  using Node = std::map<std::string, Peer>;

  // Whether `candidate` can be the next of these ranks if no node has more than `most` sessions.
  bool Fits(const std::vector<std::string>& ranks, const std::string& candidate, size_t most) const;
  void Join(std::vector<std::string>* ranks, const std::string& candidate);
  void Disconnect(const std::string& a, const std::string& b);
  // One address less needs it. Whether none is left.
  bool DropEnd(const std::string& from, const std::string& to);
  // What `node` has with `peer`; zeros where they have no session.
  Peer Between(const std::string& node, const std::string& peer) const;
  const Node* Find(const std::string& name) const;

  std::map<std::string, Node> nodes_;
  std::map<std::string, std::vector<std::string>> ranks_;  // by address
  size_t sessions_ = 0;
};

}  // namespace openelb::plan
