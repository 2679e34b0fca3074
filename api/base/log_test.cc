#include "api/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace openelb {
namespace {

using ::testing::ElementsAre;

class ManualClock final : public Clock {
 public:
  absl::Duration Monotonic() const override { return now; }
  absl::Time Wall() const override { return absl::UnixEpoch() + now; }
  absl::Duration now = absl::Seconds(1);
};

class Lines final : public LogSink {
 public:
  void Write(const LogRecord& record) override { text.push_back(FormatText(record).substr(25)); }
  std::vector<std::string> text;
};

TEST(LogTest, TextAndJsonQuoteWhatNeedsIt) {
  const LogRecord record{absl::UnixEpoch(),
                         LogLevel::kInfo,
                         "peer up",
                         {{"peer", "10.0.0.1"}, {"why", "a \"b\"\n"}, {"n", 3}, {"none", ""}}};
  EXPECT_EQ(FormatText(record),
            R"(1970-01-01T00:00:00.000Z INFO peer up peer=10.0.0.1 why="a \"b\"\n" n=3 none="")");
  EXPECT_EQ(
      FormatJson(record),
      R"({"time":"1970-01-01T00:00:00.000Z","level":"info","message":"peer up","peer":"10.0.0.1","why":"a \"b\"\n","n":"3","none":""})");
}

TEST(LogTest, RepeatedFailuresAreDamped) {
  ManualClock clock;
  Lines lines;
  Logger log(&lines, &clock);
  for (int second = 0; second < 200; ++second, clock.now += absl::Seconds(1))
    log.Damped("dial", "dial failed", "refused", {{"peer", "p"}});
  EXPECT_THAT(lines.text, ElementsAre("WARNING dial failed peer=p error=refused",
                                      "WARNING dial failed peer=p error=refused repeated=59",
                                      "WARNING dial failed peer=p error=refused repeated=119"));
  lines.text.clear();
  log.Damped("dial", "dial failed", "timed out", {{"peer", "p"}});
  log.Recovered("dial", "dialled", {{"peer", "p"}});
  log.Recovered("dial", "dialled", {{"peer", "p"}});
  log.Damped("dial", "dial failed", "timed out", {{"peer", "p"}});
  EXPECT_THAT(lines.text,
              ElementsAre("WARNING dial failed peer=p error=\"timed out\" repeated=19",
                          "INFO dialled peer=p", "WARNING dial failed peer=p error=\"timed out\""));
}

}  // namespace
}  // namespace openelb
