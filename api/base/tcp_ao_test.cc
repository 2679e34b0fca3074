#include "api/base/tcp_ao.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace openelb {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TcpAoKey Key(uint8_t send, uint8_t receive, const std::string& secret = "s3cret") {
  return {.send_id = send, .receive_id = receive, .secret = secret};
}

TEST(TcpAo, AlgorithmsHaveNames) {
  for (const char* name :
       {"hmac-sha-1-96", "aes-128-cmac-96", "hmac-sha-256-96", "hmac-sha-256-128"}) {
    const auto algorithm = ParseTcpAoAlgorithm(name);
    ASSERT_TRUE(algorithm.has_value()) << name;
    EXPECT_EQ(TcpAoAlgorithmName(*algorithm), name);
  }
  EXPECT_EQ(ParseTcpAoAlgorithm("md5"), std::nullopt);
  EXPECT_EQ(ParseTcpAoAlgorithm(""), std::nullopt);
  EXPECT_EQ(TcpAoAlgorithmNames(),
            "hmac-sha-1-96, aes-128-cmac-96, hmac-sha-256-96, hmac-sha-256-128");
}

TEST(TcpAo, IdsTellKeysApart) {
  EXPECT_EQ(SharedTcpAoId(TcpAoKeys{}), "");
  EXPECT_EQ(SharedTcpAoId(TcpAoKeys{Key(1, 2), Key(2, 1)}), "") << "each direction by itself";
  EXPECT_EQ(SharedTcpAoId(TcpAoKeys{Key(1, 2), Key(2, 3), Key(1, 4)}), "sendId 1");
  EXPECT_EQ(SharedTcpAoId(TcpAoKeys{Key(0, 255), Key(2, 255)}), "receiveId 255");
}

TEST(TcpAo, KeysBesidesOthers) {
  const TcpAoKeys keys = {Key(1, 1), Key(2, 2), Key(3, 3)};
  EXPECT_THAT(TcpAoKeysBesides(keys, {Key(3, 3), Key(1, 1)}), ElementsAre(Key(2, 2)));
  EXPECT_THAT(TcpAoKeysBesides(keys, keys), IsEmpty());
  EXPECT_THAT(TcpAoKeysBesides({Key(1, 1)}, {Key(1, 1, "another")}), ElementsAre(Key(1, 1)));
}

TEST(TcpAo, WhatAConnectionGoesOnWith) {
  const TcpAoKey a = Key(1, 1), b = Key(2, 2), c = Key(3, 3);
  const TcpAoKey a2 = Key(1, 1, "another"), b2 = Key(2, 2, "another");
  const struct {
    const char* what;
    TcpAoKeys before;
    TcpAoKeys after;
    bool rolls;
  } cases[] = {
      {"nothing of either", {}, {}, true},
      {"from none", {}, {a}, false},
      {"to none", {a}, {}, false},
      {"the same", {a, b}, {a, b}, true},
      {"one more", {a}, {a, b}, true},
      {"the other first", {a, b}, {b, a}, true},
      {"the former one gone", {b, a}, {b}, true},
      {"all at once", {a}, {b}, true},
      {"the key in use gone", {a, b}, {b}, true},
      {"another master key of the one in use", {a}, {a2}, false},
      {"another master key of the one in use, which is not to be used", {a, b}, {b, a2}, false},
      {"another master key of one not in use", {a, b}, {a, b2}, true},
      {"another master key of the one that is to be used", {a, b}, {b2, a}, false},
      {"an id of the one in use", {a}, {c, Key(1, 9)}, false},
      {"an id of one not in use", {a, b}, {a, Key(9, 2)}, true},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(TcpAoRollsOver(test.before, test.after), test.rolls) << test.what;
  }
}

}  // namespace
}  // namespace openelb
