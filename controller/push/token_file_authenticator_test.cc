#include "controller/push/token_file_authenticator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace openelb::push {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(TokenFileTest, Parses) {
  const auto tokens =
      ParseTokenFile("# speakers\nn1 secret-1\n\n  n2\tsecret-2 # new\nn1 more\r\n");
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  EXPECT_EQ(*tokens, (std::map<std::string, std::string>{
                         {"secret-1", "n1"}, {"secret-2", "n2"}, {"more", "n1"}}));
}

TEST(TokenFileTest, ErrorsNameTheLineAndNoToken) {
  const std::pair<const char*, const char*> cases[] = {
      {"n1 a\nn2\n", "line 2: 1 words"},
      {"n1 secret extra", "line 1: 3 words"},
      {"n1 secret\nn2 secret", "line 2: the token of node \"n2\" is also that of node \"n1\""},
  };
  for (const auto& [content, error] : cases) {
    const std::string message(ParseTokenFile(content).status().message());
    EXPECT_THAT(message, HasSubstr(error));
    EXPECT_THAT(message, Not(HasSubstr("secret")));
  }
}

class TokenFileAuthenticatorTest : public ::testing::Test {
 protected:
  static std::filesystem::path MakeFolder() {
    std::string name = std::filesystem::temp_directory_path() / "openelb-tokens-XXXXXX";
    return mkdtemp(name.data());
  }
  ~TokenFileAuthenticatorTest() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& content) {
    std::ofstream(folder_ / "new") << content;
    std::filesystem::rename(folder_ / "new", folder_ / "tokens");
  }
  std::filesystem::path folder_ = MakeFolder();
  SystemClock clock_;
  NullLogSink sink_;
  Logger log_{&sink_, &clock_};
  TokenFileAuthenticator authenticator_{folder_ / "tokens", &log_};
};

TEST_F(TokenFileAuthenticatorTest, FollowsItsFileAndSurvivesABadOne) {
  EXPECT_TRUE(absl::IsUnavailable(authenticator_.Load()));
  Write("n1 one\n");
  ASSERT_TRUE(authenticator_.Load().ok());
  EXPECT_EQ(authenticator_.NodeOf("one").value(), "n1");
  for (const char* wrong : {"", "on", "one ", "two"}) {
    EXPECT_TRUE(absl::IsUnauthenticated(authenticator_.NodeOf(wrong).status())) << wrong;
  }
  Write("n2 two\n");
  EXPECT_EQ(authenticator_.NodeOf("two").value(), "n2");
  EXPECT_TRUE(absl::IsUnauthenticated(authenticator_.NodeOf("one").status()));
  EXPECT_EQ(authenticator_.file_errors(), 0u);

  Write("n3\n");
  EXPECT_EQ(authenticator_.NodeOf("two").value(), "n2");
  EXPECT_EQ(authenticator_.file_errors(), 1u);
  std::filesystem::remove(folder_ / "tokens");
  EXPECT_EQ(authenticator_.NodeOf("two").value(), "n2");
  Write("n3 three\n");
  EXPECT_EQ(authenticator_.NodeOf("three").value(), "n3");
  EXPECT_EQ(authenticator_.file_errors(), 2u);
}

}  // namespace
}  // namespace openelb::push
