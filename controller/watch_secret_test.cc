#include "controller/watch_secret.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/base/scheduler.h"

namespace openelb {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class RecordingSink final : public LogSink {
 public:
  void Write(const LogRecord& record) override { text += FormatText(record); }
  std::string text;
};

class WatchSecretTest : public ::testing::Test {
 protected:
  std::string Keep() { return KeepWatchSecret(&disk_, &log_).value(); }
  std::string& File() { return disk_.files[kWatchSecretFile]; }

  Scheduler clock_;
  RecordingSink sink_;
  Logger log_{&sink_, &clock_};
  MemoryDisk disk_;
};

TEST_F(WatchSecretTest, StaysAcrossRestarts) {
  const std::string secret = Keep();
  EXPECT_EQ(secret.size(), 32u);
  EXPECT_EQ(Keep(), secret);
  EXPECT_THAT(sink_.text, IsEmpty());
  disk_.files.clear();
  EXPECT_NE(Keep(), secret);
}

TEST_F(WatchSecretTest, ADamagedFileIsReplacedAndNotShown) {
  const std::string secret = Keep();
  const std::string good = File();
  for (const std::string& damaged :
       {std::string(), good.substr(0, 40), good.substr(1), "x" + good.substr(1), good + "\n"}) {
    SCOPED_TRACE(damaged);
    File() = damaged;
    const std::string other = Keep();
    EXPECT_EQ(other.size(), 32u);
    EXPECT_NE(other, secret);
    EXPECT_EQ(Keep(), other);
    EXPECT_THAT(sink_.text, HasSubstr(kWatchSecretFile));
    EXPECT_THAT(sink_.text, Not(HasSubstr(good.substr(4, 20))));
  }
}

TEST_F(WatchSecretTest, ADiskThatTakesNothingIsSaid) {
  disk_.fault = [](absl::string_view) { return absl::ResourceExhaustedError("disk full"); };
  EXPECT_EQ(Keep().size(), 32u);
  EXPECT_THAT(sink_.text, HasSubstr("disk full"));
}

}  // namespace
}  // namespace openelb
