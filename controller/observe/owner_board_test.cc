#include "controller/observe/owner_board.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace openelb::observe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }
const IpAddress kVip = Ip("192.168.0.91");

class OwnerBoardTest : public testing::Test {
 protected:
  // `node` answers for kVip since that second, and for nothing else; 0: not for that either.
  void Owned(const std::string& node, int64_t since) {
    plan::v1::Layer2Owned owned;
    if (since > 0) {
      owned.add_addresses()->set_address(kVip.ToString());
      owned.mutable_addresses(0)->mutable_since()->set_seconds(since);
    }
    board_.Update(node, owned);
  }
  void Router(const std::string& node, const std::string& state, int64_t since) {
    plan::v1::Observed observed;
    plan::v1::VrrpObserved* router = observed.add_vrrp();
    router->set_family(6);
    router->set_vrid(7);
    router->set_state(state);
    router->mutable_since()->set_seconds(since);
    board_.Update(node, observed);
  }
  std::vector<std::string> Nodes(const Answered& what = kVip) const {
    std::vector<std::string> nodes;
    for (const Claim& claim : board_.ClaimsOf(what)) nodes.push_back(claim.node);
    return nodes;
  }

  OwnerBoard board_;
};

TEST_F(OwnerBoardTest, OfTwoThatClaimTheLatestComesFirst) {
  Owned("n1", 20);
  Owned("n2", 10);
  Owned("n3", 10);
  EXPECT_THAT(Nodes(), ElementsAre("n1", "n2", "n3"));
  Owned("n2", 30);
  EXPECT_THAT(Nodes(), ElementsAre("n2", "n1", "n3"));
  Owned("n1", 0);
  EXPECT_THAT(Nodes(), ElementsAre("n2", "n3"));
}

TEST_F(OwnerBoardTest, OnlyChangesAreTold) {
  Owned("n1", 0);
  EXPECT_FALSE(board_.TakeChanged());
  Owned("n1", 20);
  EXPECT_TRUE(board_.TakeChanged());
  Owned("n1", 20);
  EXPECT_FALSE(board_.TakeChanged());
  Owned("n1", 0);
  EXPECT_TRUE(board_.TakeChanged());
}

TEST_F(OwnerBoardTest, AClaimOfAFirstReportIsMarked) {
  Owned("n1", 20);
  EXPECT_TRUE(board_.ClaimsOf(kVip).front().first);
  Owned("n1", 0);
  Owned("n1", 30);
  EXPECT_FALSE(board_.ClaimsOf(kVip).front().first);
}

TEST_F(OwnerBoardTest, TheLossOfAStreamEndsNoClaim) {
  Owned("n1", 20);
  board_.OnSilent("n1");
  EXPECT_THAT(Nodes(), ElementsAre("n1"));
}

TEST_F(OwnerBoardTest, WhatASilentNodeSaidIsOutdatedOnceAnotherClaims) {
  for (const bool silent_first : {true, false}) {
    SCOPED_TRACE(silent_first);
    board_ = {};
    Owned("n1", 50);  // its clock is ahead
    if (silent_first) board_.OnSilent("n1");
    Owned("n2", 20);
    if (!silent_first) board_.OnSilent("n1");
    EXPECT_THAT(Nodes(), ElementsAre("n2"));
    Owned("n2", 0);
    EXPECT_THAT(Nodes(), IsEmpty()) << "it does not come back";
    Owned("n1", 50);
    EXPECT_THAT(Nodes(), ElementsAre("n1")) << "it is heard again";
  }
}

TEST_F(OwnerBoardTest, ASilentNodesClaimOutlivesAnEarlierOne) {
  Owned("n2", 20);
  Owned("n1", 30);
  board_.OnSilent("n1");
  EXPECT_THAT(Nodes(), ElementsAre("n1", "n2"));
}

TEST_F(OwnerBoardTest, OneThatStoppedOrIsGoneAnswersForNothing) {
  Owned("n1", 20);
  Router("n1", "ACTIVE", 20);
  board_.OnStopped("n1");
  EXPECT_THAT(Nodes(), IsEmpty());
  EXPECT_THAT(Nodes(VirtualRouter{Family::kV6, 7}), IsEmpty());
  Owned("n1", 30);
  EXPECT_FALSE(board_.ClaimsOf(kVip).front().first);
  board_.Forget("n1");
  EXPECT_THAT(Nodes(), IsEmpty());
  Owned("n1", 40);
  EXPECT_TRUE(board_.ClaimsOf(kVip).front().first);
}

TEST_F(OwnerBoardTest, OfAVirtualRouterTheActiveClaims) {
  Router("n1", "ACTIVE", 10);
  Router("n2", "BACKUP", 20);
  EXPECT_THAT(Nodes(VirtualRouter{Family::kV6, 7}), ElementsAre("n1"));
  EXPECT_THAT(Nodes(VirtualRouter{Family::kV4, 7}), IsEmpty());
  Owned("n1", 0);
  EXPECT_THAT(Nodes(VirtualRouter{Family::kV6, 7}), ElementsAre("n1"))
      << "each report replaces its own kind";
  Router("n1", "BACKUP", 30);
  Router("n2", "ACTIVE", 30);
  EXPECT_THAT(Nodes(VirtualRouter{Family::kV6, 7}), ElementsAre("n2"));
}

TEST_F(OwnerBoardTest, AnAddressThatIsNoneIsIgnored) {
  plan::v1::Layer2Owned owned;
  owned.add_addresses()->set_address("192.168.0");
  board_.Update("n1", owned);
  EXPECT_FALSE(board_.TakeChanged());
}

}  // namespace
}  // namespace openelb::observe
