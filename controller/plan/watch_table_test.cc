// Which sessions nodes watch each other with, and how long they are there.

#include "controller/plan/watch_table.h"

#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::string_view kSecret = "a cluster's secret";

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

// Interfaces as "eth0 10.0.0.1/24".
NodeView Node(const std::vector<std::string>& links) {
  NodeView node;
  for (const std::string& link : links) {
    const size_t space = link.find(' ');
    node.prefixes.push_back(InterfaceAddress::Parse(link.substr(space + 1)).value());
    node.prefixes.back().interface = link.substr(0, space);
  }
  return node;
}

TEST(FindWatchTest, BothEndsComeToTheSamePair) {
  const struct {
    const char* name;
    std::vector<std::string> a;
    std::vector<std::string> b;
    const char* watch;  // "A B"; empty: none
  } kCases[] = {
      {"IPv4", {"eth0 10.0.0.2/24"}, {"eth0 10.0.0.1/24"}, "10.0.0.2 10.0.0.1"},
      {"IPv4 before IPv6",
       {"eth0 10.0.0.2/24", "eth0 2001:db8::1/64"},
       {"eth0 10.0.0.1/24", "eth0 2001:db8::2/64"},
       "10.0.0.2 10.0.0.1"},
      {"IPv6 where the IPv4 networks differ",
       {"eth0 10.0.0.2/24", "eth0 2001:db8::1/64"},
       {"eth0 10.0.1.1/24", "eth0 2001:db8::2/64"},
       "2001:db8::1 2001:db8::2"},
      {"never link-local", {"eth0 fe80::1/64"}, {"eth0 fe80::2/64"}, ""},
      {"unique local", {"eth0 fd00::1/64"}, {"eth0 fd00::2/64"}, "fd00::1 fd00::2"},
      {"the smallest of several",
       {"eth0 10.0.0.9/24", "eth0 10.0.0.2/24", "eth0 9.0.0.1/24"},
       {"eth0 10.0.0.7/24", "eth0 10.0.0.3/24"},
       "10.0.0.2 10.0.0.3"},
      {"other interfaces do not count",
       {"eth1 10.0.0.2/24", "eth0 10.1.0.2/24"},
       {"eth0 10.0.0.1/24"},
       ""},
      {"lengths differ", {"eth0 10.0.0.2/16"}, {"eth0 10.0.0.1/24"}, "10.0.0.2 10.0.0.1"},
      {"one does not see the other on its link", {"eth0 10.0.9.2/16"}, {"eth0 10.0.0.1/24"}, ""},
      {"one address for two nodes", {"eth0 10.0.0.1/24"}, {"eth0 10.0.0.1/24"}, ""},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.name);
    const NodeView a = Node(test.a);
    const NodeView b = Node(test.b);
    const auto watch = FindWatch({"a", a, "eth0"}, {"b", b, "eth0"});
    EXPECT_EQ(FindWatch({"b", b, "eth0"}, {"a", a, "eth0"}), watch);
    EXPECT_EQ(watch
                  ? absl::StrCat(watch->low.address.ToString(), " ", watch->high.address.ToString())
                  : "",
              test.watch);
  }
  const NodeView node = Node({"eth0 10.0.0.1/24"});
  NodeView unnamed = Node({"eth0 10.0.0.2/24"});
  unnamed.prefixes[0].interface.clear();
  EXPECT_EQ(FindWatch({"a", node, "eth0"}, {"b", unnamed, ""}), std::nullopt);
}

class WatchTableTest : public testing::Test {
 protected:
  WatchTableTest() { table_.SetSecret(std::string(kSecret)); }

  static Watch Between(const std::string& a, const std::string& a_ip, const std::string& b,
                       const std::string& b_ip) {
    return {{a, "eth0", Ip(a_ip)}, {b, "eth1", Ip(b_ip)}};
  }
  // By key.
  std::map<std::string, v1::BfdSession> Of(const std::string& node) const {
    std::map<std::string, v1::BfdSession> sessions;
    const ResourceSet* set = sets_.Find(absl::StrCat("node/", node));
    if (set == nullptr) return sessions;
    for (const auto& [key, resource] : set->resources()) {
      v1::ResourceBody body;
      body.ParseFromString(*resource.body);
      sessions[key] = body.bfd_session();
    }
    return sessions;
  }
  std::vector<std::string> Keys(const std::string& node) const {
    std::vector<std::string> keys;
    for (const auto& [key, session] : Of(node)) keys.push_back(key);
    return keys;
  }

  SetStore sets_;
  WatchTable table_{absl::Milliseconds(50), 4};
  const Watch ab_ = Between("a", "10.0.0.1", "b", "10.0.0.2");
  const Watch ac_ = Between("a", "10.0.0.1", "c", "10.0.0.3");
};

TEST_F(WatchTableTest, BothNodesAreToldTheSame) {
  table_.Need(Ip("10.0.0.100"), {ab_}, &sets_);
  ASSERT_THAT(Keys("a"), ElementsAre("bfd/eth0/10.0.0.2"));
  ASSERT_THAT(Keys("b"), ElementsAre("bfd/eth1/10.0.0.1"));
  const v1::BfdSession a = Of("a").begin()->second;
  const v1::BfdSession b = Of("b").begin()->second;
  EXPECT_EQ(a.interface(), "eth0");
  EXPECT_EQ(b.interface(), "eth1");
  EXPECT_EQ(a.local(), "10.0.0.1");
  EXPECT_EQ(a.peer(), "10.0.0.2");
  EXPECT_EQ(b.local(), a.peer());
  EXPECT_EQ(b.peer(), a.local());
  EXPECT_EQ(a.node(), "b");
  EXPECT_EQ(b.node(), "a");
  for (const v1::BfdSession& session : {a, b}) {
    EXPECT_EQ(session.desired_min_tx_us(), 50000u);
    EXPECT_EQ(session.required_min_rx_us(), 50000u);
    EXPECT_EQ(session.detect_mult(), 4u);
    EXPECT_EQ(session.secret().size(), 20u);
    EXPECT_EQ(session.secret(), a.secret());
  }
}

TEST_F(WatchTableTest, SecretsDifferBySessionAndByCluster) {
  table_.Need(Ip("10.0.0.100"), {ab_, ac_}, &sets_);
  std::set<std::string> secrets;
  for (const auto& [key, session] : Of("a")) secrets.insert(session.secret());
  EXPECT_EQ(secrets.size(), 2u);
  table_.SetSecret("another");
  table_.Rewrite(&sets_);
  for (const auto& [key, session] : Of("a")) secrets.insert(session.secret());
  EXPECT_EQ(secrets.size(), 4u);
  EXPECT_EQ(Of("b").begin()->second.secret(), Of("a").begin()->second.secret());
  for (const std::string& secret : secrets) EXPECT_EQ(secret.size(), 20u);
}

TEST_F(WatchTableTest, ASessionIsThereAsLongAsAnAddressNeedsIt) {
  table_.Need(Ip("10.0.0.100"), {ab_, ac_}, &sets_);
  table_.Need(Ip("2001:db8::1"), {ab_}, &sets_);
  sets_.TakeChanges();
  table_.Need(Ip("10.0.0.100"), {ac_}, &sets_);
  EXPECT_THAT(sets_.TakeChanges(), IsEmpty());
  EXPECT_THAT(Keys("a"), ElementsAre("bfd/eth0/10.0.0.2", "bfd/eth0/10.0.0.3"));
  table_.Need(Ip("2001:db8::1"), {}, &sets_);
  EXPECT_THAT(Keys("a"), ElementsAre("bfd/eth0/10.0.0.3"));
  EXPECT_THAT(Keys("b"), IsEmpty());
  table_.Need(Ip("10.0.0.100"), {}, &sets_);
  EXPECT_THAT(Keys("a"), IsEmpty());
  EXPECT_THAT(Keys("c"), IsEmpty());
}

// Their users have to mend that; until then what is planned does not depend on who came first.
TEST_F(WatchTableTest, TwoNodesWithOneAddress) {
  const Watch ad = Between("a", "10.0.0.1", "d", "10.0.0.2");
  const auto node = [this] { return Of("a").at("bfd/eth0/10.0.0.2").node(); };
  table_.Need(Ip("10.0.0.100"), {ad}, &sets_);
  EXPECT_EQ(node(), "d");
  table_.Need(Ip("10.0.0.101"), {ab_}, &sets_);
  EXPECT_EQ(node(), "b");
  table_.Need(Ip("10.0.0.101"), {}, &sets_);
  EXPECT_EQ(node(), "d");
  table_.Need(Ip("10.0.0.100"), {}, &sets_);
  EXPECT_THAT(Keys("a"), IsEmpty());
}

}  // namespace
}  // namespace openelb::plan
