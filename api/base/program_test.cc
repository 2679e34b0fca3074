#include "api/base/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace openelb {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStderr;
using ::testing::internal::GetCapturedStdout;

struct Outcome {
  std::optional<int> exit;
  std::string out;
  std::string err;
  CommonOptions options;
};

Outcome RunWith(std::vector<const char*> args) {
  Outcome outcome;
  outcome.options.metrics_addr = HostPort{"", 50052};
  FlagSet flags("openelb-test", "[flags]", "Tests programs.");
  DeclareCommonFlags(&flags, &outcome.options);
  CaptureStdout();
  CaptureStderr();
  outcome.exit = ParseOrExit(&flags, args, "openelb-test", "1.2.3");
  const std::unique_ptr<LogSink> sink = MakeLogSink(outcome.options);
  const SystemClock clock;
  Logger log(sink.get(), &clock);
  LogFlagWarnings(flags, &log);
  outcome.out = GetCapturedStdout();
  outcome.err = GetCapturedStderr();
  return outcome;
}

TEST(ProgramTest, GoesOnWithGoodFlags) {
  const Outcome outcome = RunWith({"--metrics-addr=127.0.0.1:0", "--log-level=error"});
  EXPECT_EQ(outcome.exit, std::nullopt);
  EXPECT_EQ(outcome.options.metrics_addr, (HostPort{"127.0.0.1", 0}));
  EXPECT_EQ(outcome.out + outcome.err, "");
}

TEST(ProgramTest, ZeroTurnsMetricsOff) {
  EXPECT_EQ(RunWith({"--metrics-addr=0"}).options.metrics_addr, std::nullopt);
  EXPECT_EQ(RunWith({}).options.metrics_addr, (HostPort{"", 50052}));
  EXPECT_FALSE(RunWith({}).options.legacy_metrics);
  EXPECT_TRUE(RunWith({"--legacy-metrics"}).options.legacy_metrics);
}

TEST(ProgramTest, AWrongFlagIsOneLineAndExit2) {
  const Outcome outcome = RunWith({"--log-format=xml"});
  EXPECT_EQ(outcome.exit, 2);
  EXPECT_EQ(outcome.err, "openelb-test: --log-format: \"xml\" is not one of text, json\n");
  EXPECT_EQ(outcome.out, "");
}

TEST(ProgramTest, MetricsAreServedOnAddresses) {
  for (const char* right : {"--metrics-addr=localhost:1", "--metrics-addr=:1",
                            "--metrics-addr=[::1]:1", "--metrics-addr=10.0.0.1:1"})
    EXPECT_EQ(RunWith({right}).exit, std::nullopt) << right;
  const Outcome outcome = RunWith({"--metrics-addr=nohost:1"});
  EXPECT_EQ(outcome.exit, 2);
  EXPECT_EQ(outcome.err,
            "openelb-test: --metrics-addr: \"nohost:1\" is not HOST:PORT: the host must be an IP "
            "address, localhost or empty\n");
}

TEST(ProgramTest, MetricsAreSecuredAsAWhole) {
  const auto wrong = [](const std::vector<const char*>& args) {
    const Outcome outcome = RunWith(args);
    EXPECT_EQ(outcome.exit, std::nullopt) << outcome.err;
    return std::string(CheckCommonFlags(outcome.options).message());
  };
  EXPECT_EQ(wrong({}), "");
  EXPECT_EQ(wrong({"--metrics-secure"}), "");
  EXPECT_EQ(wrong({"--metrics-secure", "--metrics-tls-ca=a"}), "");
  EXPECT_EQ(wrong({"--metrics-secure", "--metrics-tls-cert=c", "--metrics-tls-key=k"}), "");
  EXPECT_EQ(wrong({"--metrics-secure", "--metrics-tls-cert=c"}),
            "--metrics-tls-key: --metrics-tls-cert and --metrics-tls-key go together");
  EXPECT_EQ(wrong({"--metrics-secure", "--metrics-tls-key=k"}),
            "--metrics-tls-cert: --metrics-tls-cert and --metrics-tls-key go together");
  // Who names an authority believes that strangers are turned away.
  EXPECT_EQ(wrong({"--metrics-tls-ca=a"}), "--metrics-tls-ca: needs --metrics-secure");
  EXPECT_EQ(wrong({"--metrics-tls-cert=c", "--metrics-tls-key=k"}),
            "--metrics-tls-cert: needs --metrics-secure");
}

TEST(ProgramTest, HelpAndVersionGoToStandardOutput) {
  EXPECT_EQ(RunWith({"--version"}).exit, 0);
  EXPECT_EQ(RunWith({"--version"}).out, "openelb-test 1.2.3\n");
  EXPECT_EQ(RunWith({"--help"}).exit, 0);
  EXPECT_THAT(RunWith({"--help"}).out, HasSubstr("(default :50052)"));
}

TEST(ProgramTest, WarnsOfFlagsWithoutEffectInTheFormatAskedFor) {
  EXPECT_THAT(RunWith({"-v=4"}).err, HasSubstr("WARNING --v has no effect"));
  EXPECT_THAT(RunWith({"--log-format=json", "-v=4"}).err, HasSubstr(R"("level":"warning")"));
  EXPECT_EQ(RunWith({"--log-level=error", "-v=4"}).err, "");
}

}  // namespace
}  // namespace openelb
