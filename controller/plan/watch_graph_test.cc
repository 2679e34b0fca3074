#include "controller/plan/watch_graph.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "api/base/random.h"

namespace openelb::plan {
namespace {

using testing::ElementsAre;
using Names = std::vector<std::string>;

#ifdef OPENELB_SANITIZED
constexpr int kSteps = 2'000;
#else
constexpr int kSteps = 20'000;
#endif

Names Nodes(size_t count) {
  Names names;
  for (size_t i = 0; i < count; ++i) names.push_back("node" + std::to_string(1000 + i));
  return names;
}

// Ranks `address` as a planner does that looks at one address at a time.
Names AssignIn(WatchGraph* graph, const std::string& address, const std::string& owner,
               Names standing, const Names& eligible) {
  std::erase_if(standing, [&](const std::string& name) {
    return !std::binary_search(eligible.begin(), eligible.end(), name);
  });
  graph->Seat(address, owner, standing);
  return graph->Fill(address, eligible);
}

// Owners of addresses as a planner keeps them, and what must hold of the graph at every step.
class Segment {
 public:
  explicit Segment(size_t nodes) : all(Nodes(nodes)) {}

  const Names& Assign(const std::string& address, const std::string& owner, const Names& eligible) {
    Names standing = ranks[address];
    if (!standing.empty()) standing.erase(standing.begin());
    ranks[address] = AssignIn(&graph, address, owner, standing, eligible);
    EXPECT_EQ(ranks[address].front(), owner);
    return ranks[address];
  }
  void Remove(const std::string& address) {
    graph.Remove(address);
    ranks.erase(address);
  }
  // The sessions are those that the ranks need, no more, within the bound.
  void Check() const {
    std::map<std::string, std::set<std::string>> needed;
    for (const auto& [address, members] : ranks) {
      ASSERT_EQ(std::set(members.begin(), members.end()).size(), members.size());
      for (const std::string& a : members) {
        for (const std::string& b : members) {
          if (a != b) needed[a].insert(b);
        }
      }
    }
    size_t ends = 0;
    for (const std::string& node : all) {
      const Names peers = graph.PeersOf(node);
      ASSERT_EQ(std::set(peers.begin(), peers.end()), needed[node]);
      ASSERT_LE(peers.size(), WatchGraph::kMaxSessions);
      ends += peers.size();
    }
    ASSERT_EQ(graph.sessions(), ends / 2);
  }

  Names all;
  WatchGraph graph;
  std::map<std::string, Names> ranks;
};

TEST(WatchGraphTest, SessionsGrowWithNodesWhereAllAreEligible) {
  for (size_t nodes : {1, 2, 3, 5, 9, 10, 50, 400}) {
    Segment segment(nodes);
    for (size_t i = 0; i < 20 * nodes; ++i) {
      const Names& ranks =
          segment.Assign("a" + std::to_string(i), segment.all[i % nodes], segment.all);
      EXPECT_EQ(ranks.size(), std::min(nodes, WatchGraph::kRanks));
    }
    ASSERT_NO_FATAL_FAILURE(segment.Check());
    EXPECT_LE(segment.graph.sessions(), WatchGraph::kReach * nodes);
    for (const std::string& node : segment.all) {
      EXPECT_LE(segment.graph.PeersOf(node).size(), 2 * WatchGraph::kReach);
    }
  }
}

TEST(WatchGraphTest, WhatALostNodeOwnedSpreadsOverItsNeighbours) {
  Segment segment(20);
  for (int i = 0; i < 400; ++i) {
    segment.Assign("a" + std::to_string(i), segment.all[static_cast<size_t>(i) % 20], segment.all);
  }
  std::map<std::string, int> heirs;
  for (const auto& [address, ranks] : segment.ranks) {
    if (ranks[0] == segment.all[18]) ++heirs[ranks[1]];
  }
  ASSERT_EQ(heirs.size(), WatchGraph::kReach);
  for (const auto& [heir, addresses] : heirs) EXPECT_EQ(addresses, 5) << heir;
}

TEST(WatchGraphTest, WhatStandsStays) {
  Segment segment(10);
  const Names before = segment.Assign("a", "node1001", segment.all);
  EXPECT_EQ(segment.Assign("a", "node1001", segment.all), before);
  // Rank 1 is lost, then comes back: it takes nothing.
  const Names rest = {segment.all.begin() + 2, segment.all.end()};
  const Names after = AssignIn(&segment.graph, "a", before[1], {before[2]}, rest);
  EXPECT_EQ(after[0], before[1]);
  EXPECT_EQ(after[1], before[2]);
  EXPECT_EQ(AssignIn(&segment.graph, "a", after[0], {after[1], after[2]}, segment.all), after);
}

TEST(WatchGraphTest, OnlyEligibleNodesStandBy) {
  WatchGraph graph;
  const Names two = {"b", "f"};
  EXPECT_THAT(AssignIn(&graph, "x", "f", {}, two), ElementsAre("f", "b"));
  EXPECT_THAT(AssignIn(&graph, "x", "f", {"z", "f", "b"}, two), ElementsAre("f", "b"));
  EXPECT_THAT(AssignIn(&graph, "x", "a", {}, two), ElementsAre("a", "b", "f"))
      << "the owner is the planner's word";
  EXPECT_THAT(graph.PeersOf("b"), ElementsAre("a", "f"));
  EXPECT_EQ(graph.sessions(), 3u);
  EXPECT_THAT(AssignIn(&graph, "x", "a", {}, {}), ElementsAre("a"));
  EXPECT_EQ(graph.sessions(), 0u);
  graph.Remove("x");
  graph.Remove("x");
  EXPECT_THAT(graph.PeersOf("a"), ElementsAre());
}

// Every address has eligible nodes of its own, far apart: far more sessions are asked for than
// there may be. Second ranks come first.
TEST(WatchGraphTest, TheBoundHoldsWhateverIsAsked) {
  Segment segment(60);
  SeededRandom random(1);
  size_t second = 0;
  for (int i = 0; i < 4000; ++i) {
    std::set<std::string> some;
    while (some.size() < 3) some.insert(segment.all[random.Next64() % segment.all.size()]);
    const Names eligible(some.begin(), some.end());
    const Names& ranks =
        segment.Assign("a" + std::to_string(i), eligible[random.Next64() % 3], eligible);
    if (ranks.size() > 1) ++second;
  }
  ASSERT_NO_FATAL_FAILURE(segment.Check());
  EXPECT_GT(second, 2500u);
  EXPECT_LE(segment.graph.sessions(), WatchGraph::kMaxSessions / 2 * segment.all.size());
}

// Addresses come, go, change owners and eligible nodes at random.
TEST(WatchGraphTest, SessionsAreAlwaysThoseThatRanksNeed) {
  Segment segment(24);
  SeededRandom random(2);
  const auto pick = [&](size_t most) { return random.Next64() % most; };
  for (int step = 0; step < kSteps; ++step) {
    const std::string address = "a" + std::to_string(pick(200));
    if (pick(4) == 0) {
      segment.Remove(address);
    } else {
      Names eligible;
      const size_t share = 1 + pick(10);
      for (const std::string& node : segment.all) {
        if (pick(10) < share) eligible.push_back(node);
      }
      const Names& old = segment.ranks[address];
      const std::string owner =
          old.empty() || pick(3) == 0 ? segment.all[pick(24)] : old[pick(old.size())];
      const Names& ranks = segment.Assign(address, owner, eligible);
      for (size_t i = 1; i < ranks.size(); ++i) {
        ASSERT_TRUE(std::binary_search(eligible.begin(), eligible.end(), ranks[i]));
      }
    }
    if (step % 50 == 0) {
      ASSERT_NO_FATAL_FAILURE(segment.Check());
    }
  }
  while (!segment.ranks.empty()) segment.Remove(std::string(segment.ranks.begin()->first));
  ASSERT_NO_FATAL_FAILURE(segment.Check());
  EXPECT_EQ(segment.graph.sessions(), 0u);
}

// Nodes are lost and come back; whoever is first of those left owns.
TEST(WatchGraphTest, YearsOfFailuresLeaveItSparse) {
  constexpr size_t kNodes = 60;
  Segment segment(kNodes);
  SeededRandom random(3);
  std::set<std::string> alive(segment.all.begin(), segment.all.end());
  for (size_t i = 0; i < 10 * kNodes; ++i) {
    segment.Assign("a" + std::to_string(i), segment.all[i % kNodes], segment.all);
  }
  for (int step = 0; step < kSteps / 200; ++step) {
    const std::string& node = segment.all[random.Next64() % kNodes];
    if (!alive.erase(node)) alive.insert(node);
    if (alive.size() < kNodes / 2) alive.insert(segment.all.begin(), segment.all.end());
    const Names eligible(alive.begin(), alive.end());
    for (const auto& [address, ranks] : std::map(segment.ranks)) {
      const auto first = std::find_if(ranks.begin(), ranks.end(),
                                      [&](const auto& name) { return alive.contains(name); });
      const std::string owner = first == ranks.end() ? eligible.front() : *first;
      const Names& now = segment.Assign(address, owner, eligible);
      ASSERT_EQ(now.size(), WatchGraph::kRanks);
    }
  }
  ASSERT_NO_FATAL_FAILURE(segment.Check());
  EXPECT_LE(segment.graph.sessions(), WatchGraph::kReach * kNodes);
}

TEST(WatchGraphTest, ANewNodeChangesItsNeighbourhoodAlone) {
  Segment segment(40);
  for (int i = 0; i < 800; ++i) {
    segment.Assign("a" + std::to_string(i), segment.all[static_cast<size_t>(i) % 40], segment.all);
  }
  const auto before = segment.ranks;
  Names more = segment.all;
  more.insert(more.begin() + 20, "node1019b");
  for (const auto& [address, ranks] : before) segment.Assign(address, ranks[0], more);
  EXPECT_EQ(segment.ranks, before) << "nobody moves for it";
  // It is lost: only what it stood by for or owned is ranked anew.
  const std::string lost = segment.all[7];
  Names fewer = more;
  std::erase(fewer, lost);
  int changed = 0;
  for (const auto& [address, ranks] : before) {
    const bool touched = std::find(ranks.begin(), ranks.end(), lost) != ranks.end();
    const Names now = segment.Assign(address, ranks[0] == lost ? ranks[1] : ranks[0], fewer);
    changed += touched ? 1 : 0;
    if (!touched) {
      EXPECT_EQ(now, ranks);
    }
    EXPECT_EQ(now.size(), WatchGraph::kRanks);
  }
  EXPECT_GT(changed, 0);
}

}  // namespace
}  // namespace openelb::plan
