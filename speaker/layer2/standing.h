#pragma once
// Whether a node answers for an address that the plan ranks it for. Pure: what it knows of the
// others comes in, a verdict comes out.
//
// The best ranked node that is there answers, unless another one that is there already does: a node
// that returns takes nothing back. A node knows that another one is there by its BFD session, and
// that it answers by its claim. Of two that answer, the one with the later plan (the larger turn)
// keeps the address, then the better ranked one.
//
// Who cannot know asks on the wire first: a node that has just started or whose link was gone
// (others may have taken over), and one whose better ranked neighbours were never heard of.

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "api/base/ip.h"
#include "api/base/mac.h"
#include "speaker/layer2/claim.h"
#include "speaker/layer2/neighbors.h"
#include "speaker/link/plan_state.h"

namespace openelb::layer2 {

// How long a neighbour that was never heard of keeps the next rank from asking; two ranks further
// down, twice as long. A session takes one to two seconds to come up.
constexpr absl::Duration kPatience = absl::Seconds(3);
// How soon after a session is up its neighbour has told what it answers for.
constexpr absl::Duration kTold = absl::Seconds(1);

// What this node knows of one address.
struct Standing {
  link::Layer2Address planned;
  size_t rank = 0;  // ours: 0 is the owner
  // Somebody may answer for it whom we do not know of.
  bool unsure = false;
  // The station that answered when we asked last.
  std::optional<MacAddress> station;
  // What neighbours said last, by the address of their session. Rank 0: gave it up.
  std::map<IpAddress, Claim> said;
};

struct Verdict {
  enum class Action : uint8_t { kAnswer, kStandBy, kAsk };
  Action action = Action::kStandBy;
  absl::Duration not_before = -absl::InfiniteDuration();  // of kAsk
};

struct Surroundings {
  const Neighbors& neighbors;
  bool confirmed = false;    // a controller vouches for the plan
  bool frames_pass = false;  // on the address's interface
  absl::Duration now;
};

// For an address that we do not answer for.
Verdict Judge(const Standing& standing, const Surroundings& around);

// Whether a better ranked node is there, or one that answers for the address: its end will be seen,
// so that nobody need be asked then.
bool IsWatched(const Standing& standing, const Neighbors& neighbors);

// Takes in what the neighbour `peer` says. Of several that claim the address only the one with the
// best right is believed: the others hear of it and stop, without a word to third ones.
void Note(const IpAddress& peer, const Claim& claim, Standing* standing);

// The neighbour that answers for the address as far as is known; nullopt: none.
std::optional<IpAddress> Claimant(const Standing& standing, const Neighbors& neighbors);

// Whether `theirs` is the better right to the address than `ours`; on a tie `they_first` decides.
bool Outranks(const Claim& theirs, const Claim& ours, bool they_first);

}  // namespace openelb::layer2
