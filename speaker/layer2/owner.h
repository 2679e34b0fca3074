#pragma once
// What the plan says of Layer 2 addresses, done on this node together with the other nodes that it
// ranks: one of them answers for an address, and another takes over when that one is gone, whatever
// becomes of controllers.
//
//   an address is  because of                                    and leaves that when
//   standing by    a better ranked node is there, or another     none is any more: owned; nobody
//                  one answers for it                            knows: asked for
//   asked for      somebody may answer for it (standing.h)       nobody does: owned; somebody:
//   standing
//                                                                by, and asked for again some
//                                                                seconds later
//   owned          the plan, or nobody better is there           the plan moves it to another node,
//   or a
//                                                                node with a better right claims
//                                                                it: standing by
//   failed         its interface is not there                    that changes, or some seconds pass
//
// Life of a take-over: the BFD session with the owner goes down, every address that the owner had
// and we are next for is announced, and the others that are ranked get our claims. Whoever comes
// back hears an answer to its question and stands by, and the controller is told, which makes us
// the owner in the plan as well. Two who answered on both sides of a cut hear each other's claims
// once their session is up, or as soon as one hears the other's announcement; the one with the
// lesser right stops.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "speaker/bfd/watch.h"
#include "speaker/io/packet_io.h"
#include "speaker/io/udp.h"
#include "speaker/layer2/address_problem.h"
#include "speaker/layer2/claims.h"
#include "speaker/layer2/layer2.h"
#include "speaker/layer2/neighbors.h"
#include "speaker/layer2/standing.h"
#include "speaker/link/plan_state.h"

namespace openelb::layer2 {

struct OwnerOptions {
  std::string node;  // ours, as plans name it
  // Asks on the wire before each take-over, which then takes most of a second longer.
  bool probe_before_claim = false;
  Timing timing{};  // of announcements and probes
};

class Owner final : private Layer2Observer, private bfd::Observer, private ClaimsObserver {
 public:
  // All outlive it.
  struct Seams {
    io::PacketIo* packets;
    io::Udp* claims;
    io::Udp* bfd;
    const Clock* clock;
    Random* random;
    Logger* log;
  };
  // How long an address is answered for as a standby before the controller is told.
  static constexpr absl::Duration kSettled = absl::Seconds(1);
  // So many addresses are looked at in one Tick, so that thousands that move at once keep nobody
  // waiting.
  static constexpr int kSlice = 256;
  // So many claims go to a neighbour at once, in a dozen datagrams, and more after a pause: what it
  // cannot read in time is lost.
  static constexpr size_t kClaimsAtOnce = 512;
  static constexpr absl::Duration kClaimsPause = absl::Milliseconds(5);
  // A goodbye that got lost is said again after this, then after twice as long each time.
  static constexpr absl::Duration kGoodbyePause = absl::Milliseconds(20);

  Owner(OwnerOptions options, Seams seams);
  ~Owner() override;

  // `changes` are those of `plan`, which need hold no other addresses. `confirmed`: a controller
  // says so now; else the plan is one that was saved. Addresses change within the next Ticks.
  void Apply(const link::PlanState& plan, const link::PlanChanges& changes, bool confirmed);
  // A controller vouches for the plan in force.
  void Confirm();
  // Hands every address over. Those whose standby has not taken it yet are answered for as long as
  // Tick is called.
  void Stop();

  // To be called at NextWakeup, and after any call above or round of the event loop.
  void Tick();
  absl::Duration NextWakeup() const;

  // What is answered for, and since when.
  const std::map<IpAddress, absl::Time>& owned() const { return owned_; }
  // What is answered for although the plan ranks another node first, for a while now.
  const std::set<IpAddress>& taken_over() const { return taken_over_; }
  // What keeps addresses of ours from being answered, or who else answers.
  const AddressProblems& problems() const { return problems_; }
  // Interfaces with addresses over which no frames pass.
  std::set<std::string> no_carrier() const;
  // Whether any of these has changed since this was last asked.
  bool TakeChanged() { return std::exchange(changed_, false); }
  const Layer2& wire() const { return layer2_; }
  const bfd::Watch& watch() const { return watch_; }
  const Claims& claims() const { return claims_; }

 private:
  enum class State : uint8_t { kStandingBy, kAsked, kOwned, kFailed };
  struct Held {
    Standing standing;
    State state = State::kStandingBy;
    absl::Duration due = absl::InfiniteDuration();            // of the next look at it
    absl::Duration ask_again_at = -absl::InfiniteDuration();  // not before
    absl::Duration owned_at;                                  // when it was taken
  };
  // What a plan says of an address that has not been looked at since; nullopt: nothing any more.
  struct Pending {
    std::optional<link::Layer2Address> planned;
    bool start = false;      // the plan was the first one
    bool confirmed = false;  // as for Apply
  };
  // Another station that answers for an address that we own or are to own.
  struct Rival {
    MacAddress mac;
    absl::Duration name_at;  // unless another node has said by then that it is its own
  };
  using Entry = std::map<IpAddress, Held>::iterator;

  // Layer2Observer
  void OnProbed(const std::string& interface, const ProbeResult& result) override;
  void OnConflict(const std::string& interface, const Conflict& conflict) override;
  void OnInterfacesChanged() override;
  // bfd::Observer
  void OnSessionChanged(const bfd::SessionKey& key, const bfd::Transition& transition) override;
  // ClaimsObserver
  void OnClaims(const link::BfdName& from, std::span<const Claim> claims) override;
  void OnAsked(const link::BfdName& from) override;

  void ApplySessions(const link::PlanState& plan);
  void ApplyPending();
  void ApplyAddress(const IpAddress& address, const Pending& pending);
  void OnNeighbor(const link::BfdName& name);
  void OnClaim(const link::BfdName& from, const Claim& claim);
  // Does what Judge says about an address that we do not answer for.
  void Review(Entry entry);
  void ReviewSoon(Entry entry);  // within the next Ticks
  void Take(Entry entry);
  void Ask(Entry entry);
  // Ends owning or asking; what it is then is the caller's to say.
  void LetGo(Entry entry);
  void Fail(Entry entry, const absl::Status& status);
  void Schedule(Entry entry, absl::Duration due);
  void SetIndexed(Entry entry, bool indexed);
  // Whether a node that is ranked for it was not heard for a while, and has perhaps not yet told
  // what it owns.
  bool MeetsAgain(const Standing& standing) const;
  // To every neighbour that is ranked, or only to `to`, within the next Ticks.
  void SayClaim(Entry entry, const link::BfdName* to = nullptr);
  Claim OurClaim(Entry entry) const;
  // So many of each neighbour's at most.
  void SendClaims(size_t at_once = kClaimsAtOnce);
  // Of all that is still answered for.
  void SayGoodbye();
  void OnTaken(Entry entry, const MacAddress& mac);
  void NameRivals();
  void UpdateTakenOver();
  void SetProblem(const IpAddress& address, AddressProblem problem);
  void EndProblem(const IpAddress& address);
  bool FramesPass(const std::string& interface) const;
  absl::Duration Now() const { return seams_.clock->Monotonic(); }

  const OwnerOptions options_;
  const Seams seams_;
  Layer2 layer2_;
  Claims claims_;
  bfd::Watch watch_;
  Neighbors neighbors_;
  std::map<link::BfdName, IpAddress> locals_;  // our address in each session
  std::map<IpAddress, Pending> pending_;
  std::map<IpAddress, Held> held_;                            // those that rank us
  std::map<link::BfdName, std::set<IpAddress>> of_neighbor_;  // of held_, that name the session
  std::set<std::pair<absl::Duration, IpAddress>> due_;        // of held_
  // What neighbours are yet to be told of. A claim is made when it is sent, so that it holds then.
  std::map<link::BfdName, std::set<IpAddress>> outbox_;
  absl::Duration send_at_ = -absl::InfiniteDuration();    // not before
  std::map<IpAddress, Rival> rivals_;                     // of held_
  std::map<std::string, bool> frames_pass_;               // by interface, of those with addresses
  absl::Duration refresh_at_ = absl::InfiniteDuration();  // while a neighbour is unknown
  bool started_ = false;
  bool confirmed_ = false;
  bool leaving_ = false;
  absl::Duration goodbye_at_ = absl::InfiniteDuration();
  absl::Duration goodbye_pause_ = kGoodbyePause;

  std::map<IpAddress, absl::Time> owned_;
  std::set<IpAddress> taken_over_;
  absl::Duration settled_at_ = absl::InfiniteDuration();  // when taken_over_ is to be looked at
  AddressProblems problems_;
  bool changed_ = false;
};

}  // namespace openelb::layer2
