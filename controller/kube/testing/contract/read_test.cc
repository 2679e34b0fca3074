// Lists and watches.

#include "absl/strings/str_cat.h"
#include "controller/kube/testing/contract/contract.h"
#include "controller/kube/testing/value_at.h"
#include "gmock/gmock.h"

namespace openelb::kube::contract {
namespace {

using codec::Value;
using fake::IsGivenAt;
using fake::TextAt;
using fake::ValueAt;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> NamesOf(const Answer& list) {
  std::vector<std::string> names;
  for (const Value& item : *ValueAt(list.body, {"items"})->list()) {
    names.push_back(TextAt(item, {"metadata", "name"}));
  }
  return names;
}

int64_t CodeOf(const Value& status) {
  const Value* code = status.Find("code");
  return code == nullptr || code->integer() == nullptr ? 0 : static_cast<int64_t>(*code->integer());
}

TEST_F(ContractTest, PagesShowTheMomentOfTheFirst) {
  Make({"a", "b", "c", "d", "e"});
  const std::string mine = Secrets() + "?limit=2";
  const Answer first = Get(mine);
  const std::string token = TextAt(first.body, {"metadata", "continue"});
  EXPECT_THAT(NamesOf(first), ElementsAre("a", "b"));
  ASSERT_NE(token, "");
  // Neither is seen by the pages that follow.
  Delete(Secrets() + "/d");
  Make({"f"});
  const Answer second = Get(absl::StrCat(mine, "&continue=", token));
  EXPECT_THAT(NamesOf(second), ElementsAre("c", "d"));
  EXPECT_EQ(second.revision(), first.revision());
  const Answer last =
      Get(absl::StrCat(mine, "&continue=", TextAt(second.body, {"metadata", "continue"})));
  EXPECT_THAT(NamesOf(last), ElementsAre("e"));
  EXPECT_EQ(last.revision(), first.revision());
  EXPECT_FALSE(IsGivenAt(last.body, {"metadata", "continue"}));
  // From where the pages stand, a watch sees what they did not.
  auto stream = Watch(Secrets(), "resourceVersion=" + first.revision());
  EXPECT_THAT(NextNames(stream.get(), 2), ElementsAre("DELETED d", "ADDED f"));
}

TEST_F(ContractTest, APageOfForgottenHistoryIsGone) {
  const Answer next = Get("/api/v1/namespaces?limit=1&continue=" + backend_->Forget().token);
  EXPECT_EQ(next.status, 410);
  EXPECT_EQ(next.reason(), "Expired");
  EXPECT_EQ(CodeOf(next.body), 410);
}

TEST_F(ContractTest, ListsSelectByLabelAndField) {
  Post(Secrets(), "{metadata: {name: a, labels: {x: '1', y: '1'}}}");
  Post(Secrets(), "{metadata: {name: b, labels: {x: '2'}}}");
  Make({"c"});
  EXPECT_THAT(NamesOf(Get(Secrets() + "?labelSelector=x%3D1")), ElementsAre("a"));
  EXPECT_THAT(NamesOf(Get(Secrets() + "?labelSelector=x!%3D1")), ElementsAre("b", "c"));
  EXPECT_THAT(NamesOf(Get(Secrets() + "?labelSelector=x,!y")), ElementsAre("b"));
  EXPECT_THAT(NamesOf(Get(Secrets() + "?fieldSelector=metadata.name%3Dc")), ElementsAre("c"));
  Post(Secrets(), "{metadata: {name: d}, type: example.net/other}");
  EXPECT_THAT(NamesOf(Get(Secrets() + "?fieldSelector=type!%3Dexample.net/other")),
              ElementsAre("a", "b", "c"));
  EXPECT_THAT(NamesOf(Get(Secrets() + "?fieldSelector=type%3DOpaque,metadata.name!%3Da")),
              ElementsAre("b", "c"));
  const Answer unknown = Get(Secrets() + "?fieldSelector=spec.what%3Dc");
  EXPECT_EQ(unknown.status, 400);
  EXPECT_EQ(unknown.reason(), "BadRequest");
}

TEST_F(ContractTest, ItemsOfListsSayTheirKindOnlyWhenACrdDefinesThem) {
  Make({"a"});
  const Answer secrets = Get(Secrets() + "?fieldSelector=metadata.name%3Da");
  EXPECT_EQ(TextAt(secrets.body, {"kind"}), "SecretList");
  EXPECT_EQ(secrets.body.Find("items")->list()->at(0).Find("kind"), nullptr);
  MakeEip();
  const Answer eips = Get("/apis/network.kubesphere.io/v1alpha2/eips");
  EXPECT_EQ(TextAt(eips.body.Find("items")->list()->at(0), {"kind"}), "Eip");
}

TEST_F(ContractTest, AListOfTheFutureIsRefused) {
  const Answer list = Get(Secrets() + "?resourceVersion=999999999");
  EXPECT_EQ(list.status, 504);
  EXPECT_EQ(list.reason(), "Timeout");
  EXPECT_THAT(list.message(), HasSubstr("Too large resource version"));
  EXPECT_NE(ValueAt(list.body, {"details", "retryAfterSeconds"}), nullptr);
}

TEST_F(ContractTest, AWatchFromAListMissesNothing) {
  Make({"a", "b"});
  const Answer list = Get(Secrets());
  Merge(Secrets() + "/a", "{metadata: {labels: {k: v}}}");
  Delete(Secrets() + "/b");
  Make({"c"});
  auto stream = Watch(Secrets(), "resourceVersion=" + list.revision());
  EXPECT_THAT(NextNames(stream.get(), 3), ElementsAre("MODIFIED a", "DELETED b", "ADDED c"));
  EXPECT_EQ(stream->status, 200);
  Make({"d"});
  EXPECT_THAT(NextNames(stream.get(), 1), ElementsAre("ADDED d"));
}

TEST_F(ContractTest, AWatchResumesWhereAnotherStopped) {
  auto first = Watch(Secrets(), "resourceVersion=" + Get(Secrets()).revision());
  Make({"a"});
  const Event seen = Next(first.get());
  EXPECT_EQ(seen.name(), "a");
  Cancel(first.get());
  Make({"b", "c"});
  auto second = Watch(Secrets(), "resourceVersion=" + seen.revision());
  EXPECT_THAT(NextNames(second.get(), 2), ElementsAre("ADDED b", "ADDED c"));
  EXPECT_THAT(first->events, IsEmpty());
  EXPECT_FALSE(first->done.has_value());
}

TEST_F(ContractTest, ADeletedObjectComesWithTheRevisionOfItsDeletion) {
  Make({"a"});
  const Answer list = Get(Secrets());
  Delete(Secrets() + "/a");
  Make({"b"});
  auto stream = Watch(Secrets(), "resourceVersion=" + list.revision());
  const Event deleted = Next(stream.get());
  EXPECT_EQ(deleted.type, "DELETED");
  EXPECT_NE(deleted.revision(), list.revision());
  auto later = Watch(Secrets(), "resourceVersion=" + deleted.revision());
  EXPECT_THAT(NextNames(later.get(), 1), ElementsAre("ADDED b"));
}

TEST_F(ContractTest, AWatchFromForgottenHistoryIsAnErrorEvent) {
  auto stream = Watch("/api/v1/secrets", "resourceVersion=" + backend_->Forget().revision);
  const Event event = Next(stream.get());
  EXPECT_EQ(stream->status, 200);
  EXPECT_EQ(event.type, "ERROR");
  EXPECT_EQ(CodeOf(event.object), 410);
  EXPECT_EQ(TextAt(event.object, {"reason"}), "Expired");
  EXPECT_TRUE(backend_->RunUntil([&] { return stream->done.has_value(); }));
}

TEST_F(ContractTest, AWatchFromTheFutureIsSilent) {
  auto stream = Watch(Secrets(), "timeoutSeconds=2&resourceVersion=999999999");
  Make({"a"});
  EXPECT_TRUE(backend_->RunUntil([&] { return stream->done.has_value(); }));
  EXPECT_EQ(stream->status, 200);
  EXPECT_THAT(stream->events, IsEmpty());
}

TEST_F(ContractTest, AWatchSelectsAndWhatLeavesTheSelectionIsDeleted) {
  auto stream = Watch(
      Secrets(), absl::StrCat("labelSelector=x%3D1&resourceVersion=", Get(Secrets()).revision()));
  Make({"a", "b"});
  Merge(Secrets() + "/a", "{metadata: {labels: {x: '1'}}}");
  Merge(Secrets() + "/a", "{metadata: {labels: {x: '2'}}}");
  EXPECT_THAT(NextNames(stream.get(), 2), ElementsAre("ADDED a", "DELETED a"));
}

TEST_F(ContractTest, InitialEventsEndInABookmarkThatSaysSo) {
  Make({"a", "b"});
  const std::string complete =
      "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
  auto stream = Watch(Secrets(), complete);
  EXPECT_THAT(NextNames(stream.get(), 2), ElementsAre("ADDED a", "ADDED b"));
  const Event end = Next(stream.get());
  EXPECT_EQ(end.type, "BOOKMARK");
  EXPECT_EQ(TextAt(end.object, {"metadata", "annotations", "k8s.io/initial-events-end"}), "true");
  EXPECT_EQ(TextAt(end.object, {"kind"}), "Secret");
  Make({"c"});
  EXPECT_THAT(NextNames(stream.get(), 1), ElementsAre("ADDED c"));
  // The bookmark's revision is one to begin at.
  auto resumed = Watch(Secrets(), "resourceVersion=" + end.revision());
  EXPECT_THAT(NextNames(resumed.get(), 1), ElementsAre("ADDED c"));
}

TEST_F(ContractTest, InitialEventsWantTheirMatch) {
  for (const char* query :
       {"sendInitialEvents=true&allowWatchBookmarks=true", "resourceVersionMatch=NotOlderThan"}) {
    const Answer refused = Get(Secrets() + "?watch=1&timeoutSeconds=1&" + query);
    EXPECT_EQ(refused.status, 422) << query;
    EXPECT_THAT(refused.message(), HasSubstr("resourceVersionMatch: Forbidden")) << query;
  }
}

TEST_F(ContractTest, WithoutRevisionAWatchBeginsWithWhatIsThere) {
  Make({"a"});
  for (const char* query : {"", "resourceVersion=0&"}) {
    auto stream = Watch(Secrets(), absl::StrCat(query, "fieldSelector=metadata.name%3Da"));
    EXPECT_THAT(NextNames(stream.get(), 1), ElementsAre("ADDED a")) << query;
  }
}

TEST_F(ContractTest, ABookmarkMovesPastWhatAWatchDoesNotSelect) {
  auto stream = Watch(Secrets(), absl::StrCat("allowWatchBookmarks=true&timeoutSeconds=5"
                                              "&resourceVersion=",
                                              Get(Secrets()).revision()));
  Make({"a"});
  const Event seen = Next(stream.get());
  EXPECT_EQ(seen.name(), "a");
  const std::string elsewhere = "/api/v1/namespaces/default/secrets";
  EXPECT_EQ(Post(elsewhere, absl::StrCat("{metadata: {name: ", ns_, "}}")).status, 201);
  EXPECT_EQ(Delete(absl::StrCat(elsewhere, "/", ns_)).status, 200);
  // The watch ends in time, and says shortly before where it stands.
  EXPECT_TRUE(backend_->RunUntil([&] { return stream->done.has_value(); }));
  EXPECT_TRUE(stream->done->ok()) << *stream->done;
  ASSERT_FALSE(stream->events.empty());
  const Event& bookmark = stream->events.back();
  EXPECT_EQ(bookmark.type, "BOOKMARK");
  EXPECT_FALSE(IsGivenAt(bookmark.object, {"metadata", "annotations"}));
  EXPECT_FALSE(IsGivenAt(bookmark.object, {"metadata", "name"}));
  EXPECT_NE(bookmark.revision(), seen.revision());
  Make({"b"});
  auto resumed = Watch(Secrets(), "resourceVersion=" + bookmark.revision());
  EXPECT_THAT(NextNames(resumed.get(), 1), ElementsAre("ADDED b"));
}

TEST_F(ContractTest, LargeObjectsAndAnyTextComeThroughWhole) {
  const std::string large(900000, 'x');  // base64 of something
  ASSERT_EQ(Post(Secrets(), absl::StrCat("{metadata: {name: a, annotations: {text: \"\\\"\\\\ "
                                         "\\u20ac\\n\\U0001f600\"}}, data: {large: ",
                                         large, "}}"))
                .status,
            201);
  for (int i = 0; i < 2; ++i) {
    auto stream = Watch(Secrets(), "fieldSelector=metadata.name%3Da");
    const Event event = Next(stream.get());
    EXPECT_EQ(TextAt(event.object, {"data", "large"}), large);
    EXPECT_EQ(TextAt(event.object, {"metadata", "annotations", "text"}), "\"\\ \u20ac\n\U0001f600");
  }
}

TEST_F(ContractTest, BothVersionsOfACustomResourceAreServed) {
  MakeEip();
  const Answer old = Get("/apis/network.kubesphere.io/v1alpha1/eips/" + ns_);
  EXPECT_EQ(old.status, 200);
  EXPECT_EQ(TextAt(old.body, {"apiVersion"}), "network.kubesphere.io/v1alpha1");
  EXPECT_EQ(TextAt(old.body, {"spec", "address"}), "192.0.2.0/28");
}

}  // namespace
}  // namespace openelb::kube::contract
