#include "api/tls/pem_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "api/base/temp_folder.h"
#include "api/tls/certificate.h"

namespace openelb::tls {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class PemFilesTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& content) {
    const std::string path = folder_.path() + "/" + name;
    std::ofstream(path) << content;
    return path;
  }
  static std::string ErrorOf(const PemFiles& files) {
    return std::string(CheckPemFiles(files, "x-tls").message());
  }

  TempFolder folder_;
  const absl::Time start_ = absl::FromUnixSeconds(1767225600);
  const KeyPair authority_ = *MakeAuthority(start_, start_ + absl::Hours(1));
  const KeyPair pair_ = *Issue(authority_, "a", start_, start_ + absl::Hours(1));
  const std::string cert_ = Write("tls.crt", pair_.certificate);
  const std::string key_ = Write("tls.key", pair_.key);
  const std::string ca_ = Write("ca.crt", authority_.certificate);
};

TEST_F(PemFilesTest, ErrorsNameFlagAndFile) {
  EXPECT_EQ(ErrorOf({.cert = cert_, .key = key_, .ca = ca_}), "");
  EXPECT_EQ(ErrorOf({.cert = "", .key = "", .ca = ca_}), "");
  EXPECT_EQ(ErrorOf({.cert = "/none/tls.crt", .key = key_, .ca = ""}),
            "--x-tls-cert: /none/tls.crt: No such file or directory");
  EXPECT_THAT(ErrorOf({.cert = key_, .key = key_, .ca = ""}), StartsWith("--x-tls-cert: " + key_));
  EXPECT_THAT(ErrorOf({.cert = cert_, .key = Write("other.key", authority_.key), .ca = ""}),
              HasSubstr("key values mismatch"));
  EXPECT_THAT(ErrorOf({.cert = "", .key = "", .ca = key_}), StartsWith("--x-tls-ca: " + key_));
}

TEST_F(PemFilesTest, TellsOfEachChangeOnce) {
  PemFileWatch watch({.cert = cert_, .key = key_, .ca = ca_});
  EXPECT_TRUE(watch.Changed());
  EXPECT_FALSE(watch.Changed());
  Write("tls.key", "another one");
  EXPECT_TRUE(watch.Changed());
  EXPECT_FALSE(watch.Changed());
  std::filesystem::remove(ca_);
  EXPECT_TRUE(watch.Changed());
  EXPECT_EQ(ReadPem(ca_), "");
  Write("ca.crt", authority_.certificate);
  EXPECT_TRUE(watch.Changed());
  EXPECT_FALSE(watch.Changed());
  EXPECT_EQ(ReadPem(ca_), authority_.certificate);
}

}  // namespace
}  // namespace openelb::tls
