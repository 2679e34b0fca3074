#include "api/base/host_port.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace openelb {
namespace {

using ::testing::HasSubstr;

TEST(HostPortTest, ReadsAndWritesEachForm) {
  const struct {
    const char* text;
    const char* host;
    uint16_t port;
  } cases[] = {
      {":50052", "", 50052},
      {"10.0.0.1:50052", "10.0.0.1", 50052},
      {"[::1]:50052", "::1", 50052},
      {"[fd00::1]:0", "fd00::1", 0},
      {"localhost:1", "localhost", 1},
      {"openelb-controller.openelb-system.svc:65535", "openelb-controller.openelb-system.svc",
       65535},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.text);
    const absl::StatusOr<HostPort> read = ParseHostPort(c.text);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->host, c.host);
    EXPECT_EQ(read->port, c.port);
    EXPECT_EQ(read->ToString(), c.text);
  }
}

TEST(HostPortTest, RefusesTheRestAndSaysWhy) {
  const struct {
    const char* text;
    const char* why;
  } cases[] = {
      {"", "no port"},
      {"50052", "no port"},
      {"10.0.0.1:", "0..65535"},
      {"10.0.0.1:65536", "0..65535"},
      {"10.0.0.1:-1", "0..65535"},
      {"10.0.0.1:+1", "0..65535"},
      {"10.0.0.1: 1", "0..65535"},
      {"10.0.0.1:http", "0..65535"},
      {"10.0.0.1:000001", "0..65535"},
      {"::1:50052", "brackets"},
      {"[10.0.0.1]:50052", "in brackets"},
      {"[]:50052", "in brackets"},
      {"a b:50052", "DNS name"},
      {"http://x:1", "brackets"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.text);
    const absl::StatusOr<HostPort> read = ParseHostPort(c.text);
    ASSERT_FALSE(read.ok());
    EXPECT_THAT(std::string(read.status().message()), HasSubstr(c.why));
    EXPECT_THAT(std::string(read.status().message()), HasSubstr(c.text));
  }
}

}  // namespace
}  // namespace openelb
