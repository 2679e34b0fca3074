#include "controller/push/stream_identity.h"

#include <gtest/gtest.h>

namespace openelb::push {
namespace {

class StreamIdentityTest : public ::testing::Test {
 protected:
  // Asks about what is due, which must be `token`; how the stream fares with `answer`.
  absl::Status Ask(const std::string& token, const absl::StatusOr<Identity>& answer) {
    EXPECT_EQ(identity_.Next(now_).value_or("none"), token);
    EXPECT_FALSE(identity_.Next(now_).has_value());  // one at a time
    return identity_.OnAnswer(answer, now_);
  }
  void Open() {
    ASSERT_TRUE(Ask("t1", Identity{.node = "n1", .recheck = absl::Hours(1)}).ok());
    ASSERT_EQ(identity_.node(), "n1");
  }
  absl::Duration now_ = absl::Seconds(100);
  StreamIdentity identity_{"t1"};
};

const absl::Status kBad = absl::UnauthenticatedError("token: unknown");
const absl::Status kAway = absl::UnavailableError("away");

TEST_F(StreamIdentityTest, AStreamOpensOnlyWithAnAnswer) {
  for (const absl::Status& status : {kBad, kAway}) {
    StreamIdentity identity("t");
    EXPECT_EQ(identity.Next(now_), "t");
    EXPECT_EQ(identity.OnAnswer(status, now_), status);
    EXPECT_EQ(identity.node(), "");
  }
  Open();
  now_ += absl::Minutes(59);
  EXPECT_FALSE(identity_.Next(now_).has_value());
}

TEST_F(StreamIdentityTest, AnExpiredTokenEndsItOnlyForCertain) {
  Open();
  now_ += absl::Hours(1);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(Ask("t1", kAway).ok());
    EXPECT_FALSE(identity_.Next(now_).has_value());
    now_ += StreamIdentity::kRetry;
  }
  EXPECT_EQ(Ask("t1", kBad), kBad);
}

TEST_F(StreamIdentityTest, ARenewedTokenTakesOver) {
  Open();
  identity_.OnRenewed("t2");
  EXPECT_TRUE(Ask("t2", Identity{.node = "n1", .recheck = absl::Hours(2)}).ok());
  now_ += absl::Hours(1) + absl::Minutes(1);
  EXPECT_FALSE(identity_.Next(now_).has_value());
  now_ += absl::Hours(1);
  EXPECT_EQ(identity_.Next(now_), "t2");
}

TEST_F(StreamIdentityTest, ARenewedTokenIsAskedAboutUntilThereIsAnAnswer) {
  Open();
  identity_.OnRenewed("t2");
  EXPECT_TRUE(Ask("t2", kAway).ok());
  now_ += StreamIdentity::kRetry;
  EXPECT_TRUE(Ask("t2", Identity{.node = "n1"}).ok());
}

TEST_F(StreamIdentityTest, ABadRenewedTokenLeavesTheGoodOne) {
  Open();
  identity_.OnRenewed("rubbish");
  EXPECT_TRUE(Ask("rubbish", kBad).ok());
  now_ += StreamIdentity::kRetry;
  EXPECT_TRUE(Ask("t1", Identity{.node = "n1"}).ok());
  identity_.OnRenewed("t-of-n2");
  const absl::Status status = Ask("t-of-n2", Identity{.node = "n2"});
  EXPECT_EQ(status, absl::PermissionDeniedError(
                        "token: the renewed one is bound to node \"n2\", the stream is of node "
                        "\"n1\""));
}

}  // namespace
}  // namespace openelb::push
