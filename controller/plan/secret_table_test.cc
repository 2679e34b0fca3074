#include "controller/plan/secret_table.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/plan/v1/plan.pb.h"
#include "controller/plan/test_world.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace openelb::plan {
namespace {

using testing::HasSubstr;
using testing::Not;

kube::Secret Secret(const std::string& name, std::map<std::string, std::string> data,
                    const std::string& ns = "openelb-system") {
  kube::Secret secret;
  secret.meta.name = name;
  secret.meta.namespace_ = ns;
  secret.data = std::move(data);
  return secret;
}

// The password of the router that master1 speaks to is in the Secret "bgp".
class SecretTableTest : public testing::Test {
 protected:
  SecretTableTest() {
    FillDocumentedTopology(&planner_);
    Ask({.name = "bgp"});
  }

  void Ask(network::SecretKeyRef ref) {
    network::BgpPeer peer =
        MakePeer("leaf1", "192.168.0.2", 50001, {{"openelb.kubesphere.io/rack", "leaf1"}});
    peer.auth_password_secret = std::move(ref);
    planner_.Upsert(peer);
  }

  // What the speaker on master1 is told: the password, or why the session is held down.
  std::string Told() {
    planner_.Step();
    v1::ResourceBody body;
    body.ParseFromString(*planner_.Find("node/master1")->resources().at("peer/192.168.0.2").body);
    const v1::BgpPeer& peer = body.peer();
    const std::string told =
        peer.held_down().empty() ? "password " + peer.md5_password() : peer.held_down();
    EXPECT_EQ(peer.held_down().empty(), !peer.md5_password().empty());
    EXPECT_EQ(Problem(), peer.held_down());
    return told;
  }
  std::string Problem() {
    for (const plan::Problem& problem : planner_.Problems()) {
      if (problem.reason == "HeldDown" && problem.about.name == "leaf1") return problem.message;
    }
    return "";
  }

  Planner planner_;
};

TEST_F(SecretTableTest, GivesThePasswordAndEachOfItsChanges) {
  planner_.Upsert(Secret("bgp", {{"password", "s3cret"}}));
  EXPECT_EQ(Told(), "password s3cret");
  planner_.Upsert(Secret("bgp", {{"password", "another"}, {"old", "s3cret"}}));
  EXPECT_EQ(Told(), "password another");
  Ask({.name = "bgp", .key = "old"});
  EXPECT_EQ(Told(), "password s3cret");
}

TEST_F(SecretTableTest, NoSessionIsWithoutThePasswordThatIsAskedFor) {
  constexpr const char* kMissing =
      "spec.conf.authPasswordSecretRef: there is no Secret \"bgp\" in the namespace "
      "\"openelb-system\", and no session comes up without the password";
  EXPECT_EQ(Told(), kMissing);
  planner_.Upsert(Secret("bgp", {{"password", "s3cret"}}, "elsewhere"));
  EXPECT_EQ(Told(), kMissing);
  planner_.Upsert(Secret("bgp", {{"password", "s3cret"}}));
  EXPECT_EQ(Told(), "password s3cret");
  planner_.Remove({kube::Secret::kKind, "openelb-system", "bgp"});
  EXPECT_EQ(Told(), kMissing);
}

TEST_F(SecretTableTest, ATextThatIsNoPasswordIsNamedAndNotShown) {
  const std::string where = "Secret \"openelb-system/bgp\"";
  const struct {
    const char* what;
    std::map<std::string, std::string> data;
    std::string told;
  } cases[] = {
      {"another key",
       {{"pass", "s3cret"}, {"user", "x"}},
       where + " has no key \"password\"; it has \"pass\", \"user\","},
      {"no key", {}, where + " has no key \"password\"; it has none,"},
      {"empty", {{"password", ""}}, where + ", key \"password\", is empty,"},
      {"a line break alone", {{"password", "\n"}}, where + ", key \"password\", is empty,"},
      {"two lines",
       {{"password", "s3cret\nx"}},
       where + ", key \"password\", holds more than printable ASCII, on one line,"},
      {"octets",
       {{"password", "s3cret\xff"}},
       where + ", key \"password\", holds more than printable ASCII, on one line,"},
      {"too long",
       {{"password", std::string(81, 'x')}},
       "spec.conf.authPasswordSecretRef has 81 octets; TCP MD5 takes at most 80"},
      {"a line break at the end", {{"password", "s3cret\r\n"}}, "password s3cret"},
      {"as long as may be",
       {{"password", std::string(80, 'x')}},
       "password " + std::string(80, 'x')},
  };
  for (const auto& c : cases) {
    planner_.Upsert(Secret("bgp", c.data));
    const std::string told = Told();
    EXPECT_THAT(told, HasSubstr(c.told)) << c.what;
    if (!told.starts_with("password ")) {
      EXPECT_THAT(told, Not(HasSubstr("s3cret"))) << c.what;
    }
  }
}

// Keys of the TCP Authentication Option, on a node whose kernel has it.
class AuthKeysTest : public SecretTableTest {
 protected:
  AuthKeysTest() {
    Kernel(kTcpAoMode);
    peer_.auth_keys = {{.key = {.send_id = 1, .receive_id = 2}, .secret = {"bgp", "new"}},
                       {.key = {.send_id = 3,
                                .receive_id = 4,
                                .algorithm = TcpAoAlgorithm::kAes128Cmac96,
                                .include_tcp_options = false},
                        .secret = {"bgp", "old"}}};
    planner_.Upsert(peer_);
  }
  void Kernel(const char* mode) {
    std::vector<std::string> modes;
    if (*mode != '\0') modes.emplace_back(mode);
    planner_.SetFact({"master1", kModesFact, modes, absl::FromUnixSeconds(++now_)});
  }
  // The keys, or why the session is held down.
  std::string Keys() {
    planner_.Step();
    v1::ResourceBody body;
    body.ParseFromString(*planner_.Find("node/master1")->resources().at("peer/192.168.0.2").body);
    const v1::BgpPeer& peer = body.peer();
    EXPECT_EQ(Problem(), peer.held_down());
    EXPECT_EQ(peer.held_down().empty(), peer.tcp_ao_keys_size() > 0);
    EXPECT_EQ(peer.md5_password(), "");
    std::string keys = peer.held_down();
    for (const v1::TcpAoKey& key : peer.tcp_ao_keys())
      absl::StrAppend(&keys, "{", key.ShortDebugString(), "}");
    return keys;
  }

  network::BgpPeer peer_ =
      MakePeer("leaf1", "192.168.0.2", 50001, {{"openelb.kubesphere.io/rack", "leaf1"}});
  int64_t now_ = 1;
};

TEST_F(AuthKeysTest, AreGivenInTheirOrderWithEachChange) {
  planner_.Upsert(Secret("bgp", {{"new", "a\n"}, {"old", "b"}}));
  const std::string first = R"({send_id: 1 receive_id: 2 algorithm: "hmac-sha-1-96" secret: "a"})";
  EXPECT_EQ(Keys(), first + R"({send_id: 3 receive_id: 4 algorithm: "aes-128-cmac-96" )"
                            R"(exclude_tcp_options: true secret: "b"})");
  planner_.Upsert(Secret("bgp", {{"new", "a"}, {"old", "c"}}));
  EXPECT_THAT(Keys(), HasSubstr(R"(secret: "c"})"));
  peer_.auth_keys.pop_back();
  planner_.Upsert(peer_);
  EXPECT_EQ(Keys(), first);
}

TEST_F(AuthKeysTest, NoSessionIsWithoutAllOfThem) {
  planner_.Upsert(Secret("bgp", {{"new", "a"}}));
  EXPECT_EQ(Keys(),
            "spec.conf.authKeys[1].secretRef: Secret \"openelb-system/bgp\" has no key \"old\"; it "
            "has \"new\", and no session comes up without the keys");
  planner_.Upsert(Secret("bgp", {{"new", std::string(81, 'x')}, {"old", "b"}}));
  EXPECT_EQ(Keys(),
            "spec.conf.authKeys[0].secretRef has 81 octets; Linux takes at most 80 for TCP-AO");
  planner_.Remove({kube::Secret::kKind, "openelb-system", "bgp"});
  EXPECT_THAT(Keys(), HasSubstr("spec.conf.authKeys[0].secretRef: there is no Secret \"bgp\""));
}

TEST_F(AuthKeysTest, AreOnlyForKernelsThatHaveThem) {
  planner_.Upsert(Secret("bgp", {{"new", "a"}, {"old", "b"}}));
  Kernel(kNoTcpAoMode);
  EXPECT_THAT(Keys(), HasSubstr("the kernel of node \"master1\" has no TCP-AO (CONFIG_TCP_AO"));
  // An older version of the speaker, which would leave the keys out.
  Kernel("");
  EXPECT_THAT(Keys(), HasSubstr("has not said that its kernel has TCP-AO"));
  Kernel(kTcpAoMode);
  EXPECT_THAT(Keys(), HasSubstr("send_id: 1"));
}

TEST_F(SecretTableTest, SecretsThatNoBgpPeerNamesChangeNothing) {
  planner_.Upsert(Secret("bgp", {{"password", "s3cret"}}));
  planner_.Step();
  const auto before = planner_.visits().speakers;
  planner_.Upsert(Secret("other", {{"password", "s3cret"}}));
  planner_.Upsert(Secret("bgp", {{"password", "s3cret"}}));
  planner_.Step();
  EXPECT_EQ(planner_.visits().speakers, before);
}

}  // namespace
}  // namespace openelb::plan
