#include "controller/kube/merge_patch.h"

#include <gtest/gtest.h>

#include "api/codec/write.h"
#include "controller/kube/json.h"
#include "controller/kube/testing/merge_patch.h"

namespace openelb::kube {
namespace {

using codec::Value;

struct Case {
  const char* from;
  const char* to;
  const char* patch;  // empty: none
};

TEST(MergePatch, IsTheDifference) {
  const Case cases[] = {
      {R"({"a":1})", R"({"a":1})", ""},
      {R"({"a":1})", R"({"a":2})", R"({"a":2})"},
      {R"({"a":1})", R"({"a":1,"b":{"c":2}})", R"({"b":{"c":2}})"},
      {R"({"a":1,"b":2})", R"({"b":2})", R"({"a":null})"},
      {R"({"m":{"a":1,"b":{"c":2}}})", R"({"m":{"a":1,"b":{}}})", R"({"m":{"b":{"c":null}}})"},
      {R"({"l":[1,2]})", R"({"l":[1,3]})", R"({"l":[1,3]})"},
      {R"({"m":{"a":1}})", R"({"m":[1]})", R"({"m":[1]})"},
      {R"({"m":"text"})", R"({"m":{"a":1}})", R"({"m":{"a":1}})"},
      {R"(null)", R"({"a":1})", R"({"a":1})"},
      {R"({"a":null})", R"({})", ""},  // null is as good as absent
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.from);
    const Value from = *ParseJson(c.from);
    const Value to = *ParseJson(c.to);
    const auto patch = MergePatch(from, to);
    EXPECT_EQ(patch ? codec::ToJson(*patch) : "", c.patch);
    if (!patch) continue;
    Value patched = from;
    fake::MergePatch(*patch, &patched);
    EXPECT_EQ(codec::ToJson(patched), c.to);
  }
}

}  // namespace
}  // namespace openelb::kube
