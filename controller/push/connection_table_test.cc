#include "controller/push/connection_table.h"

#include <gtest/gtest.h>

#include <set>

#include "absl/strings/str_cat.h"

namespace openelb::push {
namespace {

class ConnectionTableTest : public ::testing::Test {
 protected:
  bool Take(const std::string& peer, const std::string& host = "h") {
    open_.insert(++last_);
    return table_.Take(peer, host, last_);
  }

  std::set<uint64_t> open_;
  uint64_t last_ = 0;
  ConnectionTable table_{{.strangers = 4, .strangers_of_host = 2},
                         [this](uint64_t handle) { return open_.contains(handle); }};
};

TEST_F(ConnectionTableTest, AHostHasSoManyStrangers) {
  EXPECT_TRUE(Take("h:1"));
  EXPECT_TRUE(Take("h:2"));
  EXPECT_FALSE(Take("h:3"));
  EXPECT_TRUE(Take("i:1", "i"));
  EXPECT_EQ(table_.counters().taken, 3u);
  EXPECT_EQ(table_.counters().refused, 1u);
  EXPECT_EQ(table_.counters().strangers, 3u);
}

TEST_F(ConnectionTableTest, AllHostsHaveSoMany) {
  for (const char* host : {"a", "b", "c", "d"}) EXPECT_TRUE(Take(absl::StrCat(host, ":1"), host));
  EXPECT_FALSE(Take("e:1", "e"));
  open_.erase(2);  // b's
  EXPECT_TRUE(Take("e:1", "e"));
}

TEST_F(ConnectionTableTest, WhatHasEndedMakesRoom) {
  EXPECT_TRUE(Take("h:1"));
  EXPECT_TRUE(Take("h:2"));
  open_.erase(1);
  EXPECT_TRUE(Take("h:3"));
  EXPECT_FALSE(Take("h:4"));
  EXPECT_TRUE(Take("h:2"));  // its port is used again: the one before is gone
  EXPECT_EQ(table_.counters().strangers, 2u);
}

TEST_F(ConnectionTableTest, WhoIsKnownIsNoStranger) {
  EXPECT_TRUE(Take("h:1"));
  EXPECT_TRUE(Take("h:2"));
  table_.OnKnown("h:1");
  table_.OnKnown("h:1");  // a second stream
  EXPECT_EQ(table_.counters().strangers, 1u);
  EXPECT_TRUE(Take("h:3"));
  EXPECT_FALSE(Take("h:4"));
  table_.OnEnded("h:1");
  EXPECT_EQ(table_.counters().strangers, 2u);
  table_.OnEnded("h:1");
  table_.OnEnded("h:1");  // one that was never known
  EXPECT_EQ(table_.counters().strangers, 3u);
  EXPECT_FALSE(Take("h:4"));
  open_.clear();
  EXPECT_TRUE(Take("h:4"));
  EXPECT_EQ(table_.counters().strangers, 1u);
}

TEST_F(ConnectionTableTest, PeersThatItDoesNotKnowAreNothing) {
  table_.OnKnown("h:1");
  table_.OnEnded("h:1");
  EXPECT_EQ(table_.counters().strangers, 0u);
}

}  // namespace
}  // namespace openelb::push
