#include "controller/admission/review.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "controller/kube/json.h"

namespace openelb::admission {
namespace {

using codec::Value;
using ::testing::HasSubstr;

constexpr char kEip[] =
    R"({"apiVersion":"network.kubesphere.io/v1alpha2","kind":"Eip","metadata":{"name":"pool"},)"
    R"("spec":{"address":"192.0.2.1"}})";

std::string Text(const std::string& request) {
  return absl::StrCat(R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview",)",
                      R"("request":{)", request, "}}");
}

std::string Create(absl::string_view object, absl::string_view kind = "Eip") {
  return Text(absl::StrCat(R"("uid":"u","kind":{"kind":")", kind,
                           R"("},"operation":"CREATE","object":)", object));
}

TEST(ReviewTest, ReadsWhatAnApiServerSends) {
  const auto review = ReadReview(Create(kEip));
  ASSERT_TRUE(review.ok()) << review.status();
  EXPECT_EQ(review->uid, "u");
  EXPECT_EQ(review->operation, Operation::kCreate);
  EXPECT_EQ(review->object.key.ToString(), "Eip/pool");
  EXPECT_TRUE(review->object.object.has_value());
}

TEST(ReviewTest, ADeletionIsAboutTheOldObject) {
  const auto review = ReadReview(
      Text(absl::StrCat(R"("uid":"u","kind":{"kind":"Eip"},"operation":"DELETE","object":null,)",
                        R"("oldObject":)", kEip)));
  ASSERT_TRUE(review.ok()) << review.status();
  EXPECT_EQ(review->object.key.name, "pool");
}

TEST(ReviewTest, AnObjectThatIsWrongIsReadWithItsErrors) {
  const auto review = ReadReview(Create(absl::StrReplaceAll(kEip, {{"192.0.2.1", "nonsense"}})));
  ASSERT_TRUE(review.ok()) << review.status();
  EXPECT_FALSE(review->object.object.has_value());
  EXPECT_THAT(review->object.errors, ::testing::ElementsAre(HasSubstr("Eip/pool: spec.address")));
}

// A mutating webhook sees objects before they are named.
TEST(ReviewTest, AnObjectThatIsYetToBeNamed) {
  const auto review = ReadReview(
      Create(absl::StrReplaceAll(kEip, {{R"("name":"pool")", R"("generateName":"p-")"}})));
  ASSERT_TRUE(review.ok()) << review.status();
  EXPECT_TRUE(review->object.object.has_value());
}

struct Bad {
  const char* name;
  std::string text;
  const char* why;
};
class GarbageTest : public ::testing::TestWithParam<Bad> {};

TEST_P(GarbageTest, IsRefusedWithAReason) {
  const auto review = ReadReview(GetParam().text);
  ASSERT_FALSE(review.ok());
  EXPECT_EQ(review.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(review.status().message()),
              ::testing::AllOf(HasSubstr(GetParam().why), HasSubstr("AdmissionReview")));
}

INSTANTIATE_TEST_SUITE_P(
    All, GarbageTest,
    ::testing::Values(
        Bad{"empty", "", "not JSON"}, Bad{"bytes", "\x16\x03\x01", "not JSON"},
        Bad{"cut", R"({"apiVersion":)", "not JSON"}, Bad{"list", "[]", "not a JSON object"},
        Bad{"many", absl::StrCat("[", absl::StrJoin(std::vector<int>(150'001), ","), "]"),
            "more than 150000 values"},
        Bad{"deep", std::string(5000, '['), "not JSON"},
        Bad{"pod", R"({"apiVersion":"v1","kind":"Pod"})", "not an AdmissionReview"},
        Bad{"no_request", R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"})",
            "request: missing"},
        Bad{"no_uid", Text(R"("kind":{"kind":"Eip"},"operation":"CREATE")"),
            "request.uid: missing"},
        Bad{"uid_type", Text(R"("uid":7,"kind":{"kind":"Eip"},"operation":"CREATE")"),
            "request.uid: 7"},
        Bad{"operation", Text(R"("uid":"u","kind":{"kind":"Eip"},"operation":"CONNECT")"),
            "request.operation: \"CONNECT\" is not one of CREATE, UPDATE, DELETE"},
        Bad{"no_object", Text(R"("uid":"u","kind":{"kind":"Eip"},"operation":"CREATE")"),
            "request.object: missing"},
        Bad{"no_old", Text(R"("uid":"u","kind":{"kind":"Eip"},"operation":"DELETE")"),
            "request.oldObject: missing"},
        Bad{"other_kind", Create(kEip, "BgpPeer"), "is not that of request.kind"},
        Bad{"unknown_kind",
            Create(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"x"}})",
                   "Deployment"),
            "a kind that is not known here"},
        Bad{"kind_of_ours_that_is_none",
            Create(R"({"apiVersion":"network.kubesphere.io/v1alpha2","kind":"Foo","metadata":)"
                   R"({"name":"x"}})",
                   "Foo"),
            "no object with a name"},
        Bad{"no_map", Create("3"), "no object with a name"}),
    [](const auto& bad) { return bad.param.name; });

Value Answer(const Verdict& verdict, const std::string& object = kEip) {
  const auto review = ReadReview(Create(object));
  EXPECT_TRUE(review.ok()) << review.status();
  return *kube::ParseJson(WriteVerdict(*review, verdict));
}

TEST(VerdictTest, ARefusalSaysWhyAndKeepsItsWarnings) {
  Verdict refusal = Refuse(422, "Invalid", "spec.address: no");
  refusal.warnings = {"spec.x: ignored", std::string(300, 'x')};
  const Value answer = Answer(refusal);
  EXPECT_EQ(*answer.Find("apiVersion")->string(), "admission.k8s.io/v1");
  const Value& response = *answer.Find("response");
  EXPECT_EQ(*response.Find("uid")->string(), "u");
  EXPECT_FALSE(*response.Find("allowed")->boolean());
  EXPECT_EQ(*response.Find("status")->Find("message")->string(), "spec.address: no");
  EXPECT_EQ(response.Find("warnings")->list()->at(1).string()->size(), 256u);
}

TEST(VerdictTest, AnnotationsBecomeAJsonPatch) {
  Verdict verdict;
  verdict.annotations = {{"a.b/c~d", "e"}};
  const auto patch = [&](const std::string& object) {
    const Value answer = Answer(verdict, object);
    std::string text;
    EXPECT_TRUE(absl::Base64Unescape(*answer.Find("response")->Find("patch")->string(), &text));
    return text;
  };
  EXPECT_EQ(patch(kEip), R"([{"op":"add","path":"/metadata/annotations","value":{}},)"
                         R"({"op":"add","path":"/metadata/annotations/a.b~1c~0d","value":"e"}])");
  EXPECT_EQ(patch(absl::StrReplaceAll(
                kEip, {{R"("name":"pool")", R"("name":"pool","annotations":{"x":"y"})"}})),
            R"([{"op":"add","path":"/metadata/annotations/a.b~1c~0d","value":"e"}])");
}

}  // namespace
}  // namespace openelb::admission
