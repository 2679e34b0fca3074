#include "speaker/options.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace openelb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

struct Parsed {
  absl::Status status;
  SpeakerFlags options;
  std::vector<std::string> warnings;
};

Parsed Parse(const std::string& line) {
  Parsed result;
  FlagSet flags("openelb-speaker", "[flags]", "");
  DeclareSpeakerFlags(&flags, &result.options);
  const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
  std::vector<const char*> args;
  for (const std::string& word : words) args.push_back(word.c_str());
  result.status = flags.Parse(args);
  if (result.status.ok()) result.status = CheckSpeakerFlags(result.options);
  result.warnings = flags.warnings();
  return result;
}

constexpr char kGood[] = "--controller 10.0.0.1:50050 --node-name n1 --plan-insecure ";

TEST(SpeakerFlagsTest, ReadsThem) {
  const Parsed parsed = Parse(
      "--controller=10.0.0.1:50050 --controller [fd00::1]:50050 --node-name n1 --plan-tls-ca "
      "ca.pem "
      "--token-file t --plan-server-name c.ns.svc --state-dir /s --plan-max-age 1h --metrics-addr "
      ":9 --log-format json");
  ASSERT_TRUE(parsed.status.ok()) << parsed.status;
  EXPECT_THAT(parsed.options.controllers,
              ElementsAre(HostPort{"10.0.0.1", 50050}, HostPort{"fd00::1", 50050}));
  EXPECT_EQ(parsed.options.node_name, "n1");
  EXPECT_EQ(parsed.options.plan_tls_ca, "ca.pem");
  EXPECT_EQ(parsed.options.token_file, "t");
  EXPECT_EQ(parsed.options.plan_server_name, "c.ns.svc");
  EXPECT_EQ(parsed.options.state_dir, "/s");
  EXPECT_EQ(parsed.options.plan_max_age, absl::Hours(1));
  EXPECT_EQ(parsed.options.common.metrics_addr, (HostPort{"", 9}));
  EXPECT_EQ(parsed.options.common.log_format, "json");
  EXPECT_THAT(parsed.warnings, SizeIs(0));
}

TEST(SpeakerFlagsTest, ServesMetricsWhereOpenElbDid) {
  EXPECT_EQ(Parse(kGood).options.common.metrics_addr, (HostPort{"", 50053}));
}

TEST(SpeakerFlagsTest, TakesTheFlagsOfOpenElb) {
  const Parsed parsed = Parse(
      std::string(kGood) +
      "--api-hosts=:50051 --api-hosts=:50051 --enable-keepalived-vip=false "
      "--webhook-port=443 --enable-layer2=true --bind-addr 0.0.0.0 --bind-port 7946 --secret s "
      "--log-path /l --keepalived-args x --v=4 --logtostderr");
  EXPECT_TRUE(parsed.status.ok()) << parsed.status;
  EXPECT_THAT(parsed.warnings, SizeIs(9));  // each name once
  EXPECT_THAT(parsed.warnings[0], HasSubstr("--api-hosts has no effect"));
}

TEST(SpeakerFlagsTest, HowLayer2AddressesAreAnnounced) {
  EXPECT_EQ(Parse(kGood).options.layer2_announce_interval, absl::Minutes(1));
  for (const char* interval : {"0", "1s", "10m"}) {
    const Parsed parsed =
        Parse(absl::StrCat(kGood, "--layer2-probe --layer2-announce-interval ", interval));
    EXPECT_TRUE(parsed.status.ok()) << parsed.status;
    EXPECT_TRUE(parsed.options.layer2_probe);
  }
}

TEST(SpeakerFlagsTest, BothModesAreOnUnlessTurnedOff) {
  EXPECT_TRUE(Parse(kGood).options.enable_layer2);
  EXPECT_TRUE(Parse(kGood).options.enable_keepalived_vip);
  const std::string off =
      std::string(kGood) + "--enable-layer2=false --enable-keepalived-vip=false";
  EXPECT_FALSE(Parse(off).options.enable_layer2);
  EXPECT_FALSE(Parse(off).options.enable_keepalived_vip);
}

TEST(SpeakerFlagsTest, SaysWhichFlagIsWrong) {
  const struct {
    const char* line;
    const char* error;
  } kCases[] = {
      {"--controller 10.0.0.1:1 --plan-insecure", "--node-name: required"},
      {"--node-name n1 --plan-insecure", "--controller: required"},
      {"--node-name n1 --plan-insecure --controller 10.0.0.1", "--controller"},
      {"--node-name n1 --plan-insecure --controller :50050", "\":50050\" is not HOST:PORT"},
      {"--node-name n1 --plan-insecure --controller a:0", "\"a:0\" is not HOST:PORT"},
      {"--node-name n1 --controller a:1", "--plan-tls-ca: give either"},
      {"--node-name n1 --controller a:1 --plan-insecure --plan-tls-ca c", "give either"},
      {"--node-name n1 --controller a:1 --plan-insecure --plan-server-name s",
       "--plan-server-name"},
      {"--node-name n1 --controller a:1 --plan-tls-ca c --plan-tls-key k", "--plan-tls-cert"},
      {"--node-name n1 --controller a:1 --plan-insecure --token-file t", "--token-file: excludes"},
      {"--plan-max-age soon", "--plan-max-age"},
      {"--node-name n1 --plan-insecure --controller a:1 --layer2-announce-interval 900ms",
       "--layer2-announce-interval: 900ms is not 0, or 1s and more"},
      {"--node-name n1 --plan-insecure --controller a:1 --metrics-tls-ca c",
       "--metrics-tls-ca: needs --metrics-secure"},
      {"--no-such-flag", "--no-such-flag"},
      {"--log-format xml", "--log-format"},
  };
  for (const auto& test : kCases) {
    const absl::Status status = Parse(test.line).status;
    EXPECT_FALSE(status.ok()) << test.line;
    EXPECT_THAT(std::string(status.message()), HasSubstr(test.error)) << test.line;
    EXPECT_EQ(status.message().find('\n'), absl::string_view::npos);
  }
}

}  // namespace
}  // namespace openelb
