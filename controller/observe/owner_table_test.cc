#include "controller/observe/owner_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace openelb::observe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }
const IpAddress kVip = Ip("192.168.0.91");

class OwnerTableTest : public testing::Test {
 protected:
  OwnerTableTest() {
    Plan(kVip, "n1");
    for (const char* node : {"n1", "n2", "n3"}) Owned(node, {});
  }

  void Plan(const IpAddress& address, const std::string& owner) {
    plan::Layer2View& view = model_.layer2[address];
    view.pool = "pool";
    view.services = {"default/web"};
    view.ranks.clear();
    if (!owner.empty()) view.ranks = {owner, "standby"};
  }
  void Owned(const std::string& node, const std::vector<IpAddress>& addresses) {
    plan::v1::Layer2Owned owned;
    ++now_;
    for (const IpAddress& address : addresses) {
      plan::v1::OwnedAddress* entry = owned.add_addresses();
      entry->set_address(address.ToString());
      entry->mutable_since()->set_seconds(now_);
    }
    board_.Update(node, owned);
  }
  // Of every move that is told: the new owner and who is planned.
  std::vector<std::string> Moves() {
    std::vector<std::string> moves;
    for (const OwnerMove& move : table_.Refresh(model_, board_).moves)
      moves.push_back(absl::StrCat(move.owner, " for ", move.planned));
    return moves;
  }
  network::AddressOwner Shown() const {
    network::EipStatus status;
    table_.Show("pool", &status);
    return status.owners.empty() ? network::AddressOwner{} : status.owners.front();
  }

  plan::Model model_;
  OwnerBoard board_;
  OwnerTable table_;
  int64_t now_ = 0;
};

TEST_F(OwnerTableTest, ShowsThePlanAndWhoAnswers) {
  table_.Refresh(model_, board_);
  EXPECT_EQ(Shown(), (network::AddressOwner{"192.168.0.91", "n1", {}, {}}));
  EXPECT_EQ(table_.Count(), (OwnerCounts{.nobody = 1}));

  Owned("n1", {kVip});
  table_.Refresh(model_, board_);
  EXPECT_EQ(Shown(),
            (network::AddressOwner{"192.168.0.91", "n1", {"n1"}, absl::FromUnixSeconds(now_)}));
  EXPECT_EQ(table_.Count(), (OwnerCounts{.as_planned = 1}));

  Owned("n2", {kVip});
  table_.Refresh(model_, board_);
  EXPECT_THAT(Shown().actual, ElementsAre("n2", "n1"));
  EXPECT_EQ(Shown().since, absl::FromUnixSeconds(now_));
  EXPECT_EQ(table_.Count(), (OwnerCounts{.several = 1}));

  Owned("n1", {});
  table_.Refresh(model_, board_);
  EXPECT_THAT(Shown().actual, ElementsAre("n2"));
  EXPECT_EQ(table_.Count(), (OwnerCounts{.elsewhere = 1}));
}

TEST_F(OwnerTableTest, NamesThePoolsThatChanged) {
  EXPECT_THAT(table_.Refresh(model_, board_).pools, ElementsAre("pool"));
  EXPECT_THAT(table_.Refresh(model_, board_).pools, IsEmpty());
  Plan(kVip, "n2");
  EXPECT_THAT(table_.Refresh(model_, board_).pools, ElementsAre("pool"));
  EXPECT_TRUE(table_.Has("pool"));
  model_.layer2.clear();
  EXPECT_THAT(table_.Refresh(model_, board_).pools, ElementsAre("pool"));
  EXPECT_FALSE(table_.Has("pool"));
}

TEST_F(OwnerTableTest, ATakeOverThatThePlanFollowsIsOneMove) {
  Owned("n1", {kVip});
  EXPECT_THAT(Moves(), ElementsAre("n1 for n1"));
  Owned("n2", {kVip});
  EXPECT_THAT(Moves(), ElementsAre("n2 for n1"));
  board_.OnSilent("n1");
  EXPECT_THAT(Moves(), IsEmpty());
  Plan(kVip, "n2");
  EXPECT_THAT(Moves(), IsEmpty());
}

TEST_F(OwnerTableTest, NobodyInBetweenIsNoMove) {
  Owned("n1", {kVip});
  EXPECT_THAT(Moves(), SizeIs(1));
  Owned("n1", {});
  EXPECT_THAT(Moves(), IsEmpty());
  Owned("n1", {kVip});
  EXPECT_THAT(Moves(), IsEmpty());
  Owned("n1", {});
  EXPECT_THAT(Moves(), IsEmpty());
  Owned("n2", {kVip});
  EXPECT_THAT(Moves(), ElementsAre("n2 for n1"));
}

// A new controller, or a new leader.
TEST_F(OwnerTableTest, WhatFirstReportsTellIsNoMove) {
  board_ = {};
  EXPECT_THAT(Moves(), IsEmpty());
  Owned("n1", {kVip});
  EXPECT_THAT(Moves(), IsEmpty());
  EXPECT_THAT(Shown().actual, ElementsAre("n1"));
  Owned("n2", {kVip});
  EXPECT_THAT(Moves(), ElementsAre("n2 for n1")) << "whose first report it is: n1 had it before";
}

TEST_F(OwnerTableTest, ChangesFromOneOwnerToAnotherAreCounted) {
  table_.Refresh(model_, board_);
  EXPECT_THAT(table_.changes(), ElementsAre(Pair("pool", 0)));
  Owned("n1", {kVip});
  table_.Refresh(model_, board_);
  EXPECT_THAT(table_.changes(), ElementsAre(Pair("pool", 0))) << "its first owner";
  const IpAddress other = Ip("192.168.0.92");
  Plan(other, "n1");
  Owned("n1", {kVip, other});
  table_.Refresh(model_, board_);
  Owned("n1", {});
  Owned("n2", {kVip, other});
  const std::vector<OwnerMove> moves = table_.Refresh(model_, board_).moves;
  ASSERT_THAT(moves, SizeIs(2));
  EXPECT_EQ(moves[0].before, "n1");
  EXPECT_THAT(table_.changes(), ElementsAre(Pair("pool", 2)));
  model_.layer2.clear();
  table_.Refresh(model_, board_);
  EXPECT_THAT(table_.changes(), ElementsAre(Pair("pool", 2))) << "no address is in use just now";
  table_.Forget("pool");
  EXPECT_THAT(table_.changes(), IsEmpty());
}

TEST_F(OwnerTableTest, WithoutAPlannedOwner) {
  Plan(kVip, "");
  Owned("n2", {kVip});
  EXPECT_THAT(Moves(), ElementsAre("n2 for "));
  EXPECT_EQ(table_.Count(), (OwnerCounts{.elsewhere = 1}));
}

// The node with the highest priority is planned; of the router's addresses, the one that nobody can
// hold has no owner.
TEST_F(OwnerTableTest, AddressesOfAVirtualRouter) {
  model_.layer2.clear();
  const IpAddress two = Ip("192.168.0.92");
  const IpAddress lost = Ip("192.168.0.93");
  const auto links =
      std::make_shared<const plan::Links>(plan::Links{{"n1", "eth0"}, {"n2", "eth0"}});
  model_.routers[{Family::kV4, 7}] = {.links = links,
                                      .addresses = {kVip, two, lost},
                                      .priorities = {{"gone", 254}, {"n1", 100}, {"n2", 200}}};
  for (const IpAddress& address : {kVip, two})
    model_.vips[address] = {.pool = "pool", .links = links, .vrid = 7, .services = {"default/web"}};
  model_.vips[lost] = {.pool = "pool", .links = std::make_shared<const plan::Links>(), .vrid = 7};
  EXPECT_THAT(Moves(), IsEmpty());
  EXPECT_EQ(Shown().planned, "n2");

  plan::v1::Observed observed;
  board_.Update("n1", observed);
  plan::v1::VrrpObserved* router = observed.add_vrrp();
  router->set_family(4);
  router->set_vrid(7);
  router->set_state("ACTIVE");
  board_.Update("n1", observed);
  EXPECT_THAT(Moves(), ElementsAre("n1 for n2", "n1 for n2"));
  EXPECT_THAT(Shown().actual, ElementsAre("n1"));
  EXPECT_EQ(table_.Count(), (OwnerCounts{.elsewhere = 2, .nobody = 1}));
}

TEST_F(OwnerTableTest, ShowsTheFirstOfManyAndCountsAll) {
  std::vector<IpAddress> addresses;
  for (int i = 1; i <= 250; ++i) {
    addresses.push_back(Ip(absl::StrCat("10.0.0.", i)));
    Plan(addresses.back(), "n1");
  }
  Owned("n1", addresses);
  EXPECT_THAT(table_.Refresh(model_, board_).moves, SizeIs(250));
  network::EipStatus status;
  table_.Show("pool", &status);
  EXPECT_THAT(status.owners, SizeIs(network::kMaxOwnersShown));
  EXPECT_EQ(status.owners[1].address, "10.0.0.2") << "by number";
  EXPECT_EQ(status.owners_total, 251);
  EXPECT_EQ(table_.Count(), (OwnerCounts{.as_planned = 250, .nobody = 1}));
}

}  // namespace
}  // namespace openelb::observe
