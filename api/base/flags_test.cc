#include "api/base/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace openelb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Values {
  std::string text = "fallback";
  std::string format = "text";
  bool on = true;
  bool off = false;
  int64_t number = 7;
  absl::Duration settle = absl::Seconds(10);
  HostPort address = {"", 50052};
  std::vector<std::string> names = {"default"};
  std::vector<HostPort> controllers;
};

class FlagsTest : public ::testing::Test {
 protected:
  FlagsTest() {
    flags_.Group("Things");
    flags_.String("text", &v_.text, "any text");
    flags_.Choice("log-format", &v_.format, {"text", "json"}, "how lines look");
    flags_.Bool("on", &v_.on, "is on");
    flags_.Bool("off", &v_.off, "is off");
    flags_.Int("number", &v_.number, 0, 100, "how many");
    flags_.Alias("n", "number");
    flags_.Duration("settle", &v_.settle, "how long");
    flags_.Address("metrics-addr", &v_.address, "where");
    flags_.Strings("name", &v_.names, "who");
    flags_.Addresses("controller", &v_.controllers, "whom to dial");
    flags_.WithoutEffect("enable-layer2", FlagSet::Takes::kNothing, "layer2 is always on");
    flags_.WithoutEffect("api-hosts", FlagSet::Takes::kValue, "there is no such API");
    flags_.KlogWithoutEffect();
  }

  absl::Status Parse(std::vector<const char*> args) { return flags_.Parse(args); }
  std::string ErrorOf(std::vector<const char*> args) {
    return std::string(Parse(std::move(args)).message());
  }

  Values v_;
  FlagSet flags_{"openelb-test", "[flags]", "Tests flags."};
};

TEST_F(FlagsTest, KeepsDefaultsWithoutArguments) {
  ASSERT_TRUE(Parse({}).ok());
  EXPECT_EQ(v_.text, "fallback");
  EXPECT_THAT(v_.names, ElementsAre("default"));
  EXPECT_FALSE(flags_.Given("text"));
}

TEST_F(FlagsTest, ReadsEveryTypeInBothSpellings) {
  ASSERT_TRUE(Parse({"--text=a=b", "-log-format", "json", "--on=false", "--off", "--number", "100",
                     "--settle=1m30s", "--metrics-addr", "[::1]:0"})
                  .ok());
  EXPECT_EQ(v_.text, "a=b");
  EXPECT_EQ(v_.format, "json");
  EXPECT_FALSE(v_.on);
  EXPECT_TRUE(v_.off);
  EXPECT_EQ(v_.number, 100);
  EXPECT_EQ(v_.settle, absl::Seconds(90));
  EXPECT_EQ(v_.address, (HostPort{"::1", 0}));
  EXPECT_TRUE(flags_.Given("settle"));
}

TEST_F(FlagsTest, RepeatedValuesReplaceTheDefault) {
  ASSERT_TRUE(Parse({"--name=a", "--name", "b", "--controller=x:1", "--controller=:2"}).ok());
  EXPECT_THAT(v_.names, ElementsAre("a", "b"));
  EXPECT_THAT(v_.controllers, ElementsAre(HostPort{"x", 1}, HostPort{"", 2}));
}

TEST_F(FlagsTest, KnowsAliasesAndUnderscores) {
  ASSERT_TRUE(Parse({"-n=3", "--metrics_addr=:1"}).ok());
  EXPECT_EQ(v_.number, 3);
  EXPECT_EQ(v_.address.port, 1);
}

TEST_F(FlagsTest, OldFlagsWarnOnceEach) {
  ASSERT_TRUE(Parse({"--api-hosts=:50051", "--api-hosts", ":50052", "--enable-layer2=true", "-v=4",
                     "--v=4", "-v", "4", "--logtostderr", "--stderrthreshold=INFO"})
                  .ok());
  EXPECT_THAT(
      flags_.warnings(),
      ElementsAre("--api-hosts has no effect: there is no such API",
                  "--enable-layer2 has no effect: layer2 is always on",
                  "--v has no effect: logs go to standard error; see --log-format",
                  "--logtostderr has no effect: logs go to standard error; see --log-format",
                  "--stderrthreshold has no effect: logs go to standard error; see "
                  "--log-format"));
}

TEST_F(FlagsTest, ErrorsNameFlagValueAndWhatIsAllowed) {
  const struct {
    std::vector<const char*> args;
    const char* error;
  } cases[] = {
      {{"--nope"}, "--nope: unknown flag; see --help"},
      {{"-nope=1"}, "--nope: unknown flag; see --help"},
      {{"--log-form=json"}, "--log-form: unknown flag; see --help"},
      {{"--"}, ""},
      {{"--=x"}, "--: unknown flag; see --help"},
      {{"stray"}, "unexpected argument \"stray\""},
      {{"--off", "true"}, "unexpected argument \"true\""},
      {{"--", "--off"}, "unexpected argument \"--off\""},
      {{"-"}, "unexpected argument \"-\""},
      {{""}, "unexpected argument \"\""},
      {{"two\nlines"}, "unexpected argument \"two\\nlines\""},
      {{"--text"}, "--text: needs a value (TEXT)"},
      {{"--log-format=xml"}, "--log-format: \"xml\" is not one of text, json"},
      {{"--log-format="}, "--log-format: \"\" is not one of text, json"},
      {{"--on=maybe"}, "--on: \"maybe\" is not true or false"},
      {{"--number=101"}, "--number: \"101\" is not a number 0..100"},
      {{"--number=-1"}, "--number: \"-1\" is not a number 0..100"},
      {{"--number=1x"}, "--number: \"1x\" is not a number 0..100"},
      {{"-n=99999999999999999999"}, "-n: \"99999999999999999999\" is not a number 0..100"},
      {{"--settle=10"}, "--settle: \"10\" is not a duration such as 300ms, 10s, 1m30s or 24h"},
      {{"--settle=-1s"}, "--settle: \"-1s\" is not a duration such as 300ms, 10s, 1m30s or 24h"},
      {{"--settle=inf"}, "--settle: \"inf\" is not a duration such as 300ms, 10s, 1m30s or 24h"},
      {{"--metrics-addr=50052"},
       "--metrics-addr: \"50052\" is not HOST:PORT: no port (such as 10.0.0.1:50052, "
       "[::1]:50052, :50052)"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.error);
    EXPECT_EQ(ErrorOf(c.args), c.error);
  }
}

TEST_F(FlagsTest, RequiredFlagsAreAskedForUnlessHelpIs) {
  flags_.Require("controller");
  EXPECT_EQ(ErrorOf({}), "--controller: is required (HOST:PORT)");
  EXPECT_TRUE(Parse({"--help"}).ok());
  EXPECT_TRUE(flags_.help());
  EXPECT_TRUE(Parse({"--help=false", "--controller=x:1"}).ok());
}

TEST_F(FlagsTest, ShortHelpAndVersion) {
  ASSERT_TRUE(Parse({"-h", "--version"}).ok());
  EXPECT_TRUE(flags_.help());
  EXPECT_TRUE(flags_.version());
}

TEST_F(FlagsTest, HelpShowsGroupsDefaultsAndWhatHasNoEffect) {
  flags_.Require("controller");
  ASSERT_TRUE(Parse({"--number=9"}).ok() == false);  // defaults shown are those declared
  const std::string help = flags_.Help();
  EXPECT_THAT(help, HasSubstr("Usage: openelb-test [flags]\nTests flags.\n\nThings:\n"));
  EXPECT_THAT(help, HasSubstr("  --log-format text|json          how lines look (default text)\n"));
  EXPECT_THAT(help, HasSubstr("  --on                            is on (default true)\n"));
  EXPECT_THAT(help, HasSubstr("  --off                           is off\n"));
  EXPECT_THAT(help, HasSubstr("  --number N                      how many (default 7)\n"));
  EXPECT_THAT(help, HasSubstr("  --settle DURATION               how long (default 10s)\n"));
  EXPECT_THAT(help, HasSubstr("  --metrics-addr HOST:PORT        where (default :50052)\n"));
  EXPECT_THAT(help, HasSubstr("whom to dial; repeatable (required)\n"));
  EXPECT_THAT(help, HasSubstr("\nGeneral:\n  --help "));
  EXPECT_THAT(help, HasSubstr("Accepted without effect: --enable-layer2 --api-hosts --add_dir"));
  EXPECT_THAT(help, Not(HasSubstr("\n  --api-hosts")));
  EXPECT_THAT(flags_.warnings(), IsEmpty());
}

}  // namespace
}  // namespace openelb
