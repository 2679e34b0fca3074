#include "api/codec/toml.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "api/codec/write.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace openelb::codec {
namespace {

using testing::HasSubstr;

std::string Json(absl::string_view text) {
  const ParsedToml parsed = ParseToml(text);
  if (parsed.error) return absl::StrCat("line ", parsed.error->line, ": ", parsed.error->message);
  return ToJson(parsed.value);
}

TEST(TomlTest, ReadsWhatConfigurationsHave) {
  const struct {
    const char* text;
    const char* json;
  } kCases[] = {
      {"", "{}"},
      {"# a comment alone\n\r\n\t \n", "{}"},
      {"a = 1", R"({"a":1})"},
      {"a = -17 # less\nb = +5\nc = 0", R"({"a":-17,"b":5,"c":0})"},
      {"a = true\nb = false", R"({"a":true,"b":false})"},
      {R"(a = "x \"y\" \\ \t")", R"({"a":"x \"y\" \\ \t"})"},
      {R"(a = 'C:\new # no comment')", R"({"a":"C:\\new # no comment"})"},
      {"a = \"\"\nb = ''", R"({"a":"","b":""})"},
      {R"("a b" = 1)", R"({"a b":1})"},
      {"a.b.c = 1\na.b.d = 2", R"({"a":{"b":{"c":1,"d":2}}})"},
      {"a = []\nb = [1, 2,]", R"({"a":[],"b":[1,2]})"},
      {"a = [ # one\n  \"x\",\n\n  \"y\" # two\n]\nb = 1", R"({"a":["x","y"],"b":1})"},
      {"a = [[1], [2, 3]]", R"({"a":[[1],[2,3]]})"},
      {"a = {b = 1, c = {d = 2}}", R"({"a":{"b":1,"c":{"d":2}}})"},
      {"a = {}", R"({"a":{}})"},
      {"[a]\nb = 1\n[c.d]\ne = 2", R"({"a":{"b":1},"c":{"d":{"e":2}}})"},
      {"[a.b]\nc = 1\n[a]\nd = 2", R"({"a":{"b":{"c":1},"d":2}})"},
      {"[[a]]\nb = 1\n[[a]]\nb = 2", R"({"a":[{"b":1},{"b":2}]})"},
      {"[[a]]\n[[a.b]]\nc = 1\n[[a.b]]\nc = 2\n[[a]]\n[a.d]\ne = 3",
       R"({"a":[{"b":[{"c":1},{"c":2}]},{"d":{"e":3}}]})"},
      {"[[a]]\n[a.b]\nc = 1\n[[a]]\n[a.b]\nc = 2", R"({"a":[{"b":{"c":1}},{"b":{"c":2}}]})"},
  };
  for (const auto& c : kCases) EXPECT_EQ(Json(c.text), c.json) << c.text;
}

TEST(TomlTest, NamesWhatIsWrongAndWhere) {
  const struct {
    const char* text;
    const char* error;
  } kCases[] = {
      {"a", "line 1: = is needed after a key, not \"\""},
      {"\n= 1", "line 2: a key is needed, not \"= 1\""},
      {"a = ", "line 1: \"\" is not a string"},
      {"a = 1 2", "line 1: something stands after the value: \"2\""},
      {"a = 1.5", "\"1.5\" is not a string, a whole number, true or false"},
      {"a = 2026-01-01", "is not a string"},
      {"a = 0x10", "is not a string"},
      {"a = 007", "is not a string"},
      {"a = 99999999999999999999", "is not a string"},
      {"a = yes", "is not a string"},
      {"a = \"x", "line 1: a string does not end"},
      {"a = \"x\ny\"", "line 1: a string does not end"},
      {"a = \"\\u0041\"", "is not an escape that is read"},
      {"a = \"\"\"x\"\"\"", "strings over several lines are not read"},
      {"a = \"\x01\"", "a control character"},
      {"a = [1", "line 1: , or ] is needed"},
      {"a = [1 2]", "line 1: , or ] is needed, not \"2]\""},
      {"a = {b = 1", "line 1: , or } is needed"},
      {"a = {b = 1,\nc = 2}", "line 1: a key is needed"},
      {"a = 1\na = 2", "line 2: key a stands twice"},
      {"a = {b = 1, b = 2}", "key b stands twice"},
      {"[a]\n[a]", "line 2: table a stands twice"},
      {"a = 1\n[a]", "line 2: a is no table to add to"},
      {"a = {b = 1}\n[a.c]", "line 2: a is no table to add to"},
      {"a = []\n[[a]]", "line 2: a is no table to add to"},
      {"[a]\n[[a]]", "line 2: a is no array of tables"},
      {"[[a]]\n[a]", "line 2: table a stands twice"},
      {"[a.b]\n[a]\nb.c = 1", "line 3: b is no table to add to"},
      {"[a", "line 1: a table's name ends with ]"},
      {"[[a]", "line 1: a table's name ends with ]]"},
      {"[]", "line 1: a key is needed"},
  };
  for (const auto& c : kCases) EXPECT_THAT(Json(c.text), HasSubstr(c.error)) << c.text;
}

TEST(TomlTest, HasBounds) {
  EXPECT_THAT(Json(std::string((1 << 20) + 1, '\n')), HasSubstr("longer than 1 MiB"));
  EXPECT_THAT(Json(absl::StrCat("a = ", std::string(200, '['))), HasSubstr("nested too deep"));
  std::string key = "a";
  for (int i = 0; i < 200; ++i) key += ".a";
  EXPECT_THAT(Json(key + " = 1"), HasSubstr("nested too deep"));
  EXPECT_THAT(Json("[" + key + "]"), HasSubstr("nested too deep"));
}

TEST(TomlTest, TellsWhereValuesStand) {
  const ParsedToml parsed = ParseToml("# head\n[a]\nb = 1\n\nc = 2\n");
  ASSERT_FALSE(parsed.error.has_value());
  EXPECT_EQ(parsed.value.Find("a")->line(), 2);
  EXPECT_EQ(parsed.value.Find("a")->Find("c")->line(), 5);
}

}  // namespace
}  // namespace openelb::codec
