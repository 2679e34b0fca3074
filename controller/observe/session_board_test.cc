#include "controller/observe/session_board.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace openelb::observe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Pair;

bool Every(const std::string&) { return true; }

plan::v1::Observed Report(const std::string& state, uint64_t updates) {
  plan::v1::Observed observed;
  observed.set_router_id("192.168.0.3");
  observed.set_local_as(65000);
  auto* peer = observed.add_peers();
  peer->set_name("leaf1");
  peer->set_address("192.168.0.2");
  peer->set_session_state(state);
  peer->mutable_sent()->set_update(updates);
  if (state != "ESTABLISHED") peer->set_last_error("connection refused");
  return observed;
}

TEST(SessionBoardTest, StateIsDueAtOnceAndCountersLater) {
  SessionBoard board;
  const absl::Duration start = absl::Seconds(100);
  EXPECT_THAT(board.Update("master1", Report("ACTIVE", 0), start), IsEmpty());
  EXPECT_TRUE(board.TakeConfDue());
  EXPECT_FALSE(board.TakeConfDue());
  EXPECT_THAT(board.TakeDuePeers(start), ElementsAre("leaf1"));

  const auto changes = board.Update("master1", Report("ESTABLISHED", 1), start);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_TRUE(changes[0].established);
  EXPECT_EQ(changes[0].address, "192.168.0.2");
  EXPECT_THAT(board.TakeDuePeers(start), ElementsAre("leaf1"));

  board.Update("master1", Report("ESTABLISHED", 2), start);
  board.Update("master1", Report("ESTABLISHED", 3), start + absl::Seconds(20));
  EXPECT_THAT(board.TakeDuePeers(start + absl::Seconds(29)), IsEmpty());
  EXPECT_EQ(board.NextDue(), start + kCounterInterval);
  EXPECT_THAT(board.TakeDuePeers(start + kCounterInterval), ElementsAre("leaf1"));
  EXPECT_EQ(board.NextDue(), std::nullopt);
  EXPECT_EQ(board.PeerStatus("leaf1", Every).nodes.at("master1").sent.update, 3U);
}

TEST(SessionBoardTest, ADownSessionSaysWhy) {
  SessionBoard board;
  EXPECT_THAT(board.Update("master1", Report("ESTABLISHED", 1), absl::ZeroDuration()), IsEmpty())
      << "it was up before this controller led";
  const auto changes = board.Update("master1", Report("IDLE", 1), absl::ZeroDuration());
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_FALSE(changes[0].established);
  EXPECT_EQ(changes[0].error, "connection refused");
}

TEST(SessionBoardTest, ChangesOfProblemsAreToldOnce) {
  SessionBoard board;
  plan::v1::Observed observed = Report("ESTABLISHED", 1);
  board.Update("master1", observed, absl::ZeroDuration());
  EXPECT_FALSE(board.TakeProblemsChanged());
  observed.add_problems("port taken");
  board.Update("master1", observed, absl::ZeroDuration());
  EXPECT_TRUE(board.TakeProblemsChanged());
  EXPECT_THAT(board.Problems(), ElementsAre(Pair("master1", ElementsAre("port taken"))));
  board.Update("master1", observed, absl::ZeroDuration());
  EXPECT_FALSE(board.TakeProblemsChanged());
  board.Forget("master1");
  EXPECT_TRUE(board.TakeProblemsChanged());
  EXPECT_THAT(board.Problems(), IsEmpty());
}

TEST(SessionBoardTest, WhoIsReadyIsToldWhenItChanges) {
  SessionBoard board;
  board.OnSilent("master1");
  EXPECT_FALSE(board.TakeReadyChanged()) << "nothing was known of it";
  board.Update("master1", Report("ACTIVE", 0), absl::ZeroDuration());
  EXPECT_TRUE(board.TakeReadyChanged());
  EXPECT_TRUE(board.Hears("master1"));
  EXPECT_FALSE(board.HasSession("master1"));
  board.Update("master1", Report("OPENSENT", 0), absl::ZeroDuration());
  EXPECT_FALSE(board.TakeReadyChanged());
  board.Update("master1", Report("ESTABLISHED", 1), absl::ZeroDuration());
  EXPECT_TRUE(board.TakeReadyChanged());
  EXPECT_TRUE(board.HasSession("master1"));

  board.OnSilent("master1");
  EXPECT_TRUE(board.TakeReadyChanged());
  EXPECT_FALSE(board.Hears("master1"));
  EXPECT_TRUE(board.HasSession("master1")) << "as it said last";
  board.OnSilent("master1");
  EXPECT_FALSE(board.TakeReadyChanged());
  board.Update("master1", Report("ESTABLISHED", 1), absl::ZeroDuration());
  EXPECT_TRUE(board.TakeReadyChanged());
  EXPECT_TRUE(board.Hears("master1"));
  board.Forget("master1");
  EXPECT_TRUE(board.TakeReadyChanged());
  EXPECT_FALSE(board.Hears("master1"));
  EXPECT_FALSE(board.HasSession("master1"));
}

TEST(SessionBoardTest, OnWireIsWhatTheSlowestEstablishedSessionHas) {
  SessionBoard board;
  plan::v1::Observed observed;
  for (const auto& [name, state, counter] :
       {std::tuple{"a", "ESTABLISHED", 7}, std::tuple{"b", "ESTABLISHED", 5},
        std::tuple{"c", "IDLE", 1}}) {
    auto* peer = observed.add_peers();
    peer->set_name(name);
    peer->set_session_state(state);
    peer->mutable_on_wire()->set_epoch(2);
    peer->mutable_on_wire()->set_counter(counter);
  }
  board.Update("master1", observed, absl::ZeroDuration());
  EXPECT_EQ(board.OnWire("master1", 2), 5U);
  EXPECT_EQ(board.OnWire("master1", 3), 0U);
  EXPECT_EQ(board.OnWire("unknown", 2), 0U);
}

TEST(SessionBoardTest, APeerThatTheSpeakerNoLongerHasLeavesTheStatus) {
  SessionBoard board;
  board.Update("master1", Report("ESTABLISHED", 1), absl::ZeroDuration());
  board.Update("worker1", Report("ESTABLISHED", 1), absl::ZeroDuration());
  board.TakeDuePeers(absl::ZeroDuration());
  board.Update("worker1", {}, absl::Seconds(1));
  EXPECT_THAT(board.TakeDuePeers(absl::Seconds(1)), ElementsAre("leaf1"));
  EXPECT_EQ(board.PeerStatus("leaf1", Every).nodes.size(), 1U);
  board.Forget("master1");
  EXPECT_THAT(board.TakeDuePeers(absl::Seconds(1)), ElementsAre("leaf1"));
  EXPECT_THAT(board.PeerStatus("leaf1", Every).nodes, IsEmpty());
}

TEST(SessionBoardTest, WhatASpeakerSaidThatWasTakenAwayIsNotShown) {
  SessionBoard board;
  board.Update("master1", Report("ESTABLISHED", 1), absl::ZeroDuration());
  board.Update("worker1", Report("ESTABLISHED", 1), absl::ZeroDuration());
  const auto not_worker1 = [](const std::string& node) { return node != "worker1"; };
  EXPECT_EQ(board.PeerStatus("leaf1", Every).established, 2);
  EXPECT_EQ(board.PeerStatus("leaf1", not_worker1).established, 1);
  EXPECT_THAT(board.PeerStatus("leaf1", not_worker1).nodes, ElementsAre(Key("master1")));
  EXPECT_THAT(board.ConfStatus(not_worker1).nodes, ElementsAre(Key("master1")));
}

}  // namespace
}  // namespace openelb::observe
