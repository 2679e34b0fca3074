#include "controller/kube/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "api/codec/write.h"

namespace openelb::kube {
namespace {

using ::testing::HasSubstr;

TEST(JsonTest, ReadsWhatTheApiServerWrites) {
  struct Case {
    const char* text;
    const char* want;
  };
  const Case cases[] = {
      {"null", "null"},
      {" {\"b\": [true, false, null], \"a\": {} } \n", R"({"a":{},"b":[true,false,null]})"},
      {"[0,-1,18446744073709551615,-9223372036854775808]",
       "[0,-1,18446744073709551615,-9223372036854775808]"},
      {"[1.5,1e2,-0.25,-0,-0e9]", "[1.5,100,-0.25,0,0]"},
      {R"(["a\"b\\c\/d\n\t", "\u00e9\ud83d\ude00", ""])",
       "[\"a\\\"b\\\\c/d\\n\\t\",\"\u00e9\U0001F600\",\"\"]"},
      {"[\"\u00e9\u20ac\U0001F600\"]", "[\"\u00e9\u20ac\U0001F600\"]"},
      {R"({"yes":"no","on":"0x10"})", R"({"on":"0x10","yes":"no"})"},
  };
  for (const Case& c : cases) {
    const absl::StatusOr<codec::Value> value = ParseJson(c.text);
    ASSERT_TRUE(value.ok()) << c.text << ": " << value.status();
    EXPECT_EQ(codec::ToJson(*value), c.want);
  }
}

TEST(JsonTest, KeepsIntegersApartFromNumbers) {
  const absl::StatusOr<codec::Value> value = ParseJson("[179, 1.79e2, 18446744073709551616]");
  ASSERT_TRUE(value.ok());
  EXPECT_NE((*value->list())[0].integer(), nullptr);
  EXPECT_NE((*value->list())[1].real(), nullptr);
  EXPECT_NE((*value->list())[2].real(), nullptr);
}

TEST(JsonTest, LeavesOutManagedFieldsOfMetadataOnly) {
  const absl::StatusOr<codec::Value> value = ParseJson(R"({
    "metadata": {"resourceVersion": "7", "managedFields": [{"manager": "kubectl"}]},
    "items": [{"metadata": {"name": "a", "managedFields": [{"f:spec": {}}]},
               "data": {"managedFields": "kept"}}]})");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(codec::ToJson(*value),
            R"({"items":[{"data":{"managedFields":"kept"},"metadata":{"name":"a"}}],)"
            R"("metadata":{"resourceVersion":"7"}})");
}

TEST(JsonTest, RefusesWhatIsNotSoundJson) {
  struct Case {
    const char* name;
    std::string text;
    const char* want;
  };
  const Case cases[] = {
      {"empty", "", "Line 1, Column 1"},
      {"cut off", "{\"a\":\n[1,", "Line 2"},
      {"HTML", "<html>502</html>", "Line 1, Column 2"},
      {"two texts", "{} {}", "Line 1"},
      {"NUL", std::string("[1]\0", 4), "Line 1"},
      {"key twice", R"({"spec":{"ports":[{"port":1,"port":2}]}})",
       "spec.ports[0]: the key port stands twice"},
      {"key twice, once escaped", R"({"a":1,"\u0061":2})", "the key a stands twice"},
      {"infinite", R"({"a":[1,1e400]})", "a[1]: the number is too large"},
      {"negative infinite", "[-1e400]", "[0]: the number is too large"},
      {"very long number", "[" + std::string(400, '9') + "]", "[0]: the number is too large"},
      {"no number", "[NaN]", "Line 1"},
      {"lone high surrogate", R"(["\ud83d"])", "JSON: "},
      {"high without low", R"(["\ud83d\u0041"])", "JSON: "},
      {"lone low surrogate", R"({"a":"\udc00"})", "a: a \\u escape is half"},
      {"lone low surrogate in a key", R"({"a":{"\udc00":1}})", "a: a \\u escape is half"},
      {"no character", "[\"\xff\"]", "byte 2 is not UTF-8"},
      {"overlong", "[\"\xc0\xaf\"]", "byte 2 is not UTF-8"},
      {"overlong of three", "[\"\xe0\x80\xaf\"]", "byte 2 is not UTF-8"},
      {"overlong of four", "[\"\xf0\x80\x80\xaf\"]", "byte 2 is not UTF-8"},
      {"surrogate", "[\"\xed\xa0\x80\"]", "byte 2 is not UTF-8"},
      {"beyond Unicode", "[\"\xf4\x90\x80\x80\"]", "byte 2 is not UTF-8"},
      {"character cut off", "[\"abcdefghijk\xe2\x82\"]", "byte 13 is not UTF-8"},
      {"character cut off at the end", "[]\xe2\x82", "byte 2 is not UTF-8"},
      {"byte of 0xff at the end", "{}\xff", "byte 2 is not UTF-8"},
  };
  for (const Case& c : cases) {
    const absl::StatusOr<codec::Value> value = ParseJson(c.text);
    EXPECT_EQ(value.status().code(), absl::StatusCode::kInvalidArgument) << c.name;
    EXPECT_THAT(value.status().message(), HasSubstr(c.want)) << c.name;
  }
}

TEST(JsonTest, NestingIsBounded) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(ParseJson(nested(100)).ok());
  EXPECT_FALSE(ParseJson(nested(101)).ok());
  EXPECT_FALSE(ParseJson(nested(1000000)).ok());
  EXPECT_FALSE(ParseJson(std::string(1000000, '[')).ok());
}

}  // namespace
}  // namespace openelb::kube
