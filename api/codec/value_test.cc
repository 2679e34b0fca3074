#include "api/codec/value.h"

#include <gtest/gtest.h>

#include <limits>

#include "absl/strings/str_cat.h"
#include "api/codec/parse.h"
#include "api/codec/write.h"

namespace openelb::codec {
namespace {

// The one document of `text`.
Value Parse(absl::string_view text) {
  ParsedText parsed = ParseYaml(text);
  EXPECT_FALSE(parsed.error.has_value()) << parsed.error->message;
  EXPECT_EQ(parsed.documents.size(), 1u) << text;
  if (parsed.documents.size() != 1) return {};
  EXPECT_FALSE(parsed.documents[0].error.has_value()) << parsed.documents[0].error->message;
  return parsed.documents[0].value;
}

TEST(PlainScalar, MeansWhatKubectlReads) {
  const struct {
    const char* text;
    Value want;
  } kCases[] = {
      {"", {}},
      {"~", {}},
      {"null", {}},
      {"true", true},
      {"Yes", true},
      {"off", false},
      {"n", false},
      {"0", 0},
      {"-17", -17},
      {"+17", 17},
      {"0x1F", 31},
      {"0o17", 15},
      {"017", 15},
      {"089", 89.0},  // no octal number, so a real one
      {"0b101", 5},
      {"18446744073709551615", std::numeric_limits<uint64_t>::max()},
      {"-9223372036854775808", std::numeric_limits<int64_t>::min()},
      {"18446744073709551616", 18446744073709551616.0},
      {"1.5", 1.5},
      {".5", 0.5},
      {"1e3", 1000.0},
      {"1.2.3", "1.2.3"},
      {"192.168.0.1", "192.168.0.1"},
      {"fd00::1", "fd00::1"},
      {"inf", "inf"},
      {"-", "-"},
      {"0x", "0x"},
      {"1-2", "1-2"},
      {"10s", "10s"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(ToJson(Value::FromPlainScalar(c.text)), ToJson(c.want)) << c.text;
  }
}

TEST(Parse, TellsQuotedFromPlain) {
  const Value value = Parse("a: 3\nb: \"3\"\nc: '3'\nd: !!str 3\ne: |\n  3\n");
  EXPECT_EQ(ToJson(value), R"({"a":3,"b":"3","c":"3","d":"3","e":"3\n"})");
}

TEST(Parse, KeysAreText) {
  EXPECT_EQ(ToJson(Parse("1: a\ny: b\nnull: c\n'':\n")), R"({"":null,"1":"a","null":"c","y":"b"})");
}

TEST(Parse, KeepsLines) {
  const Value value = Parse("# top\na:\n  - x\n  - y: 1\nb: {c: 2}\n");
  EXPECT_EQ(value.Find("a")->line(), 2);
  EXPECT_EQ((*value.Find("a")->list())[0].line(), 3);
  EXPECT_EQ((*value.Find("a")->list())[1].Find("y")->line(), 4);
  EXPECT_EQ(value.Find("b")->Find("c")->line(), 5);
}

TEST(Parse, SplitsDocumentsAndSkipsEmptyOnes) {
  const ParsedText parsed = ParseYaml("---\n# nothing\n---\na: 1\n---\nb: 2\n...\n---\n");
  ASSERT_FALSE(parsed.error.has_value());
  ASSERT_EQ(parsed.documents.size(), 2u);
  EXPECT_EQ(ToJson(parsed.documents[0].value), R"({"a":1})");
  EXPECT_EQ(parsed.documents[0].value.Find("a")->line(), 4);
  EXPECT_EQ(ToJson(parsed.documents[1].value), R"({"b":2})");
}

TEST(Parse, ReadsAliasesAndMergeKeys) {
  const Value value = Parse("base: &b {x: 1, y: 2}\nuse: {<<: *b, y: 3}\nlist: [*b, *b]\n");
  EXPECT_EQ(ToJson(value),
            R"({"base":{"x":1,"y":2},"list":[{"x":1,"y":2},{"x":1,"y":2}],"use":{"x":1,"y":3}})");
}

TEST(Parse, ReadsJson) {
  const Value value = Parse(
      "{\n\t\"a\": [1, -2.5, true, null, \"x\\/\\\"\\u00e9\\ud83d\\ude00\"],\n"
      "\t\"b\":{\"c\":\"1\"}}");
  EXPECT_EQ(ToJson(value),
            "{\"a\":[1,-2.5,true,null,\"x/\\\"\xc3\xa9\xf0\x9f\x98\x80\"],"
            "\"b\":{\"c\":\"1\"}}");
}

TEST(Parse, NamesTheLineOfWhatIsNotYaml) {
  const struct {
    const char* text;
    int line;
  } kCases[] = {
      {"a: 1\nb: [1, 2\nc: 3\n", 3}, {"a: 1\n  b: 2\n", 2},  {"a: \"open\n", 1},
      {"a: *nobody\n", 1},           {"a: 1\n\tb: 2\n", 2},  {"{\"a\": 1\n", 1},
      {"{\"a\": \"\\ud83d\"}", 1},   {"a: 1\n---\n,]\n", 3},
  };
  for (const auto& c : kCases) {
    const ParsedText parsed = ParseYaml(c.text);
    ASSERT_TRUE(parsed.error.has_value()) << c.text;
    EXPECT_EQ(parsed.error->line, c.line) << c.text << parsed.error->message;
  }
}

TEST(Parse, RefusesOneDocumentAndReadsTheNext) {
  std::string laughs = "a0: &a0 [" + std::string(100, 'x') + "]\n";
  for (int i = 1; i < 20; ++i) {
    const std::string before = absl::StrCat("*a", i - 1);
    absl::StrAppend(&laughs, "a", i, ": &a", i, " [", before, ", ", before, ", ", before, ", ",
                    before, "]\n");
  }
  const struct {
    std::string text;
    const char* message;
  } kCases[] = {
      {"a: 1\nb: 2\na: 3\n", "the key a stands twice in one map; write it once"},
      {"a: " + std::string(200, '[') + std::string(200, ']') + "\n",
       "nested deeper than 100 levels"},
      {laughs, "anchors and aliases repeat more than 4 MiB of content"},
      {"a: &a [*a]\n", "an alias stands within what it names"},
      {"[1]: 2\n", "a key must be text, not a list or a map"},
      {"a: 1\nkin\n", "the key kin has no ':'"},
      {"<<: 3\n", "<< must name a map or a list of maps"},
  };
  for (const auto& c : kCases) {
    const ParsedText parsed = ParseYaml(c.text + "---\nb: 2\n");
    ASSERT_FALSE(parsed.error.has_value()) << parsed.error->message;
    ASSERT_EQ(parsed.documents.size(), 2u);
    ASSERT_TRUE(parsed.documents[0].error.has_value()) << c.message;
    EXPECT_EQ(parsed.documents[0].error->message, c.message);
    EXPECT_EQ(ToJson(parsed.documents[1].value), R"({"b":2})");
  }
}

TEST(Write, JsonEscapes) {
  EXPECT_EQ(ToJson("a\"\\\n\r\t\x01\x7f/\xc3\xa9"),
            "\"a\\\"\\\\\\n\\r\\t\\u0001\\u007f/\xc3\xa9\"");
  EXPECT_EQ(ToJson(std::string("\0", 1)), "\"\\u0000\"");
}

TEST(Write, JsonIndents) {
  Value value;
  value["b"].Append(1);
  value["b"].Append(Value::Map());
  value["a"] = "x";
  value["c"] = Value::List();
  EXPECT_EQ(ToJson(value, 2),
            "{\n  \"a\": \"x\",\n  \"b\": [\n    1,\n    {}\n  ],\n  \"c\": []\n}");
}

TEST(Write, YamlReadsBackTheSame) {
  Value value;
  value["kind"] = "Service";
  value["empty"] = "";
  value["map"]["a/b.c"] = "10.0.0.1";
  value["map"]["1"] = "1";
  for (const char* text : {"1", "true", "yes", "~", "- x", "a: b", "#", "x\ny", "172.22.0.2",
                           "fd00::1", " pad ", "1e3", "0x1", "ns/name;ns/b"}) {
    value["strings"].Append(text);
  }
  value["numbers"].Append(-1);
  value["numbers"].Append(std::numeric_limits<uint64_t>::max());
  value["numbers"].Append(1.5);
  Value item;
  item["k"] = 1;
  item["l"].Append(2);
  value["nested"].Append(item);
  value["nested"].Append(Value::List{Value(1), Value::List{Value(2)}});
  value["none"] = Value();
  const std::string yaml = ToYaml(value);
  EXPECT_EQ(ToJson(Parse(yaml)), ToJson(value)) << yaml;
}

TEST(Write, YamlLooksLikeKubectls) {
  Value value;
  value["status"]["loadBalancer"]["ingress"].Append(
      Value::Map{{"ip", "172.22.0.2"}, {"ipMode", "VIP"}});
  EXPECT_EQ(ToYaml(value),
            "status:\n  loadBalancer:\n    ingress:\n    - ip: 172.22.0.2\n      ipMode: VIP\n");
}

}  // namespace
}  // namespace openelb::codec
