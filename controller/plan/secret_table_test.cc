#include "controller/plan/secret_table.h"

#include <string>
#include <utility>

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
