// Any racks, any readiness, any order of events: a roll never takes a rack's last ready speaker
// while another one of that rack is there or expected back, and in the end everything is replaced.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "controller/install/roll.h"

namespace openelb::install {
namespace {

constexpr int kSeeds = 500;
constexpr int kSteps = 400;

class World {
 public:
  explicit World(uint64_t seed) : dice_(seed) {
    input_.revision = "r1";
    input_.max_racks = 1 + Below(4);
    const int racks = 1 + Below(5);
    for (int rack = 0; rack < racks; ++rack) {
      const int nodes = 1 + Below(4);
      for (int i = 0; i < nodes; ++i) {
        const std::string node = absl::StrCat("n", rack, "-", i);
        input_.speakers[node] = {.rack = absl::StrCat("leaf", rack),
                                 .expected = true,
                                 .reachable = Below(12) > 0,
                                 .ready = Below(6) > 0,
                                 .instance = NewName()};
        input_.pods.push_back({.name = NewName(),
                               .uid = NewName(),
                               .node = node,
                               .revision = "r0",
                               .ready = input_.speakers[node].ready});
      }
    }
  }

  void Run() {
    for (int step = 0; step < kSteps; ++step) {
      Decide();
      Happen();
    }
    // From here on nothing goes wrong any more.
    for (auto& [node, fact] : input_.speakers) fact.reachable = true;
    for (int step = 0; step < 4 * kSteps && !Finished(); ++step) {
      Decide();
      Progress();
      for (auto& [node, fact] : input_.speakers) {
        if (PodOn(node) != nullptr && PodOn(node)->ready) fact.ready = true;
      }
    }
    EXPECT_TRUE(Finished());
  }

 private:
  int Below(int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(dice_); }
  std::string NewName() { return absl::StrCat("x", ++names_); }
  Pod* PodOn(const std::string& node) {
    for (Pod& pod : input_.pods) {
      if (pod.node == node) return &pod;
    }
    return nullptr;
  }
  // As the world is, not as it is known.
  bool IsReady(const Pod& pod) const {
    return pod.ready && !pod.deleting && !input_.taken.contains(pod.uid) &&
           input_.speakers.at(pod.node).ready;
  }
  bool Finished() const {
    return input_.pods.size() == input_.speakers.size() &&
           std::all_of(input_.pods.begin(), input_.pods.end(), [&](const Pod& pod) {
             return pod.revision == input_.revision && IsReady(pod);
           });
  }

  void Decide() {
    const Roll roll = PlanRoll(input_);
    std::set<std::string> racks;
    for (const Pod& taken : roll.replace) {
      const SpeakerFact& fact = input_.speakers.at(taken.node);
      EXPECT_NE(taken.revision, input_.revision);
      EXPECT_TRUE(racks.insert(fact.rack).second) << "two of " << fact.rack;
      EXPECT_TRUE(fact.reachable);
      int others = 0;  // alive, there or to come back
      int ready = 0;
      for (const auto& [node, other] : input_.speakers) {
        if (other.rack != fact.rack || node == taken.node || !other.reachable) continue;
        ++others;
        const Pod* pod = PodOn(node);
        if (pod != nullptr && IsReady(*pod)) ++ready;
      }
      EXPECT_TRUE(!IsReady(taken) || others == 0 || ready > 0)
          << taken.node << " was the last one that is ready, with " << others << " others";
    }
    for (const Pod& taken : roll.replace) {
      input_.taken.insert(taken.uid);
      input_.before[taken.node] = input_.speakers.at(taken.node).instance;
    }
  }

  // What the cluster does of itself.
  void Progress() {
    for (size_t i = 0; i < input_.pods.size(); ++i) {
      Pod& pod = input_.pods[i];
      if (input_.taken.contains(pod.uid) && Below(3) == 0) {
        const std::string node = pod.node;
        input_.taken.erase(pod.uid);
        input_.pods.erase(input_.pods.begin() + static_cast<ptrdiff_t>(i));
        gone_.push_back(node);
        return;
      }
      if (!pod.ready && Below(3) == 0) {
        pod.ready = true;
        input_.speakers[pod.node].instance = NewName();
        input_.speakers[pod.node].ready = true;
      }
    }
    if (!gone_.empty() && Below(2) == 0) {
      input_.pods.push_back(
          {.name = NewName(), .uid = NewName(), .node = gone_.back(), .revision = input_.revision});
      gone_.pop_back();
    }
  }

  void Happen() {
    Progress();
    auto at = input_.speakers.begin();
    std::advance(at, Below(static_cast<int>(input_.speakers.size())));
    SpeakerFact& fact = at->second;
    switch (Below(8)) {
      case 0:
        fact.ready = Below(3) > 0;
        break;
      case 1:
        fact.reachable = Below(4) > 0;
        break;
      case 2:
        if (Below(30) == 0) input_.revision = NewName();
        break;
      case 3:
        if (Pod* pod = PodOn(at->first)) pod->ready &= Below(4) > 0;
        break;
      default:
        break;
    }
  }

  std::mt19937_64 dice_;
  RollInput input_;
  std::vector<std::string> gone_;
  int names_ = 0;
};

TEST(RollRandom, NeverTheLastReadyOneOfARack) {
  for (uint64_t seed = 1; seed <= kSeeds && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    World(seed).Run();
  }
}

}  // namespace
}  // namespace openelb::install
