#include "controller/kube/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace openelb::kube {
namespace {

using ::testing::HasSubstr;

std::string Jwt(absl::string_view claims) {
  return absl::StrCat("eyJhbGciOiJSUzI1NiJ9.", absl::WebSafeBase64Escape(claims), ".c2ln");
}

// A folder as the kubelet mounts it: `token` is a link to ..data/token, ..data one to a folder.
class CredentialsTest : public ::testing::Test {
 protected:
  CredentialsTest()
      : folder_(std::filesystem::path(::testing::TempDir()) /
                ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    std::filesystem::create_symlink("..data/token", folder_ / "token");
  }
  ~CredentialsTest() override { std::filesystem::remove_all(folder_); }

  void Swap(absl::string_view token) {
    const std::string version = absl::StrCat("..", ++version_);
    std::filesystem::create_directory(folder_ / version);
    std::ofstream(folder_ / version / "token") << token;
    std::filesystem::remove(folder_ / "..tmp");
    std::filesystem::create_symlink(version, folder_ / "..tmp");
    std::filesystem::rename(folder_ / "..tmp", folder_ / "..data");
  }
  ServerConfig TokenFile() const {
    ServerConfig config;
    config.token_file = folder_ / "token";
    return config;
  }

  const std::filesystem::path folder_;
  int version_ = 0;
};

TEST_F(CredentialsTest, WithoutAnyNothingIsShown) {
  Credentials credentials{ServerConfig()};
  EXPECT_EQ(credentials.Authorization(), "");
  EXPECT_FALSE(credentials.Renewed(""));
  EXPECT_EQ(credentials.Problem(absl::Now()), "");
}

TEST_F(CredentialsTest, ASwappedTokenIsReadAgain) {
  Swap("first\n");
  Credentials credentials(TokenFile());
  EXPECT_EQ(credentials.Authorization(), "Bearer first");
  EXPECT_FALSE(credentials.Renewed("Bearer first"));
  Swap("second");  // of the same size
  EXPECT_TRUE(credentials.Renewed("Bearer first"));
  EXPECT_EQ(credentials.Authorization(), "Bearer second");
  EXPECT_FALSE(credentials.Renewed("Bearer second"));
}

TEST_F(CredentialsTest, TheLastGoodTokenStaysUntilABetterOneIsThere) {
  Swap("first");
  Credentials credentials(TokenFile());
  std::filesystem::remove(folder_ / "..data");
  EXPECT_EQ(credentials.Authorization(), "Bearer first");
  EXPECT_THAT(credentials.Problem(absl::Now()), HasSubstr((folder_ / "token").string()));
  for (const char* bad : {"", "\n", "a b", "a\r\nX-Evil: 1", "\xff"}) {
    Swap(bad);
    EXPECT_EQ(credentials.Authorization(), "Bearer first");
    EXPECT_THAT(credentials.Problem(absl::Now()), HasSubstr("holds no token"));
  }
  Swap("second");
  EXPECT_EQ(credentials.Authorization(), "Bearer second");
  EXPECT_EQ(credentials.Problem(absl::Now()), "");
}

TEST_F(CredentialsTest, AGivenTokenServesUntilTheFileCanBeRead) {
  ServerConfig config = TokenFile();
  config.token = "given";
  Credentials credentials(config);
  EXPECT_EQ(credentials.Authorization(), "Bearer given");
  Swap("first");
  EXPECT_EQ(credentials.Authorization(), "Bearer first");
}

TEST_F(CredentialsTest, AnotherCertificateIsAnotherIdentity) {
  ServerConfig config;
  config.client_certificate.file = folder_ / "tls.crt";
  config.client_key.file = folder_ / "tls.key";
  std::ofstream(folder_ / "tls.crt") << "a";
  std::ofstream(folder_ / "tls.key") << "a";
  Credentials credentials(config);
  const uint64_t number = credentials.certificate_number();
  EXPECT_FALSE(credentials.Renewed(""));
  std::ofstream(folder_ / "tls.key") << "ab";
  EXPECT_TRUE(credentials.Renewed(""));
  EXPECT_GT(credentials.certificate_number(), number);
  EXPECT_FALSE(credentials.Renewed(""));
}

TEST_F(CredentialsTest, SaysThatATokenHasExpired) {
  Swap(Jwt(R"({"aud":["https://kubernetes.default.svc"],"exp":1767225600})"));
  const Credentials credentials(TokenFile());
  EXPECT_EQ(credentials.Problem(absl::FromUnixSeconds(1767225599)), "");
  EXPECT_EQ(credentials.Problem(absl::FromUnixSeconds(1767225600)),
            absl::StrCat("the token in ", (folder_ / "token").string(),
                         " has expired at 2026-01-01T00:00:00Z"));
}

TEST_F(CredentialsTest, ReadsTheExpiryOfAnyText) {
  EXPECT_EQ(TokenExpiry(Jwt(R"({"exp":1767225600})")), absl::FromUnixSeconds(1767225600));
  EXPECT_EQ(TokenExpiry(Jwt(R"({"exp":-1})")), absl::FromUnixSeconds(0));
  EXPECT_EQ(TokenExpiry(Jwt(R"({"exp":18446744073709551615})")),
            absl::FromUnixSeconds(253402300799));
  for (const std::string& token :
       {std::string(""), std::string("opaque"), std::string("a.b.c"), Jwt("{}"), Jwt("[]"),
        Jwt(R"({"exp":"1"})"), Jwt(R"({"exp":1.5})"), Jwt("x")}) {
    EXPECT_EQ(TokenExpiry(token), absl::InfiniteFuture()) << token;
  }
}

}  // namespace
}  // namespace openelb::kube
