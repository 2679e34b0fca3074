#include "controller/manifests/manifest_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace openelb::manifests {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string Eip(const std::string& name, const std::string& address) {
  return absl::StrCat(
      "---\napiVersion: network.kubesphere.io/v1alpha2\nkind: Eip\nmetadata: {name: ", name,
      "}\nspec: {address: ", address, "}\n");
}

std::string Service(const std::string& name) {
  return absl::StrCat("---\napiVersion: v1\nkind: Service\nmetadata: {name: ", name,
                      "}\nspec: {type: LoadBalancer, ports: [{port: 80}]}\n");
}

constexpr const char* kNotYaml = "a: [1\n";
constexpr const char* kNameless = "---\nkind: Eip\nspec: {}\n";

// "+Eip/a 10.0.0.1" for an upsert, "-Eip/a" for a deletion.
std::string Describe(const ObjectEvent& event) {
  if (!event.object.has_value()) return "-" + event.key.ToString();
  const auto* eip = std::get_if<network::Eip>(&*event.object);
  return "+" + event.key.ToString() + (eip == nullptr ? "" : " " + eip->address);
}

class ManifestSetTest : public ::testing::Test {
 protected:
  // Takes the changes and describes their events; problems and copies stay to be looked at.
  std::string Take(ManifestSet& set) {
    ManifestChanges changes = set.TakeChanges();
    problems_.clear();
    for (const Problem& p : changes.problems) problems_.push_back(p.text);
    recovered_ = changes.recovered;
    for (const auto& [file, copy] : changes.copies) {
      if (copy.has_value()) {
        copies_[file] = *copy;
      } else {
        copies_.erase(file);
      }
    }
    std::vector<std::string> events;
    for (const ObjectEvent& event : changes.events) events.push_back(Describe(event));
    return absl::StrJoin(events, ", ");
  }
  std::string Take() { return Take(set_); }

  ManifestSet set_{{}, {}};
  std::vector<std::string> problems_;
  std::vector<std::string> recovered_;
  std::map<std::string, std::string> copies_;  // as the caller keeps them
};

TEST_F(ManifestSetTest, TellsWhatChanged) {
  set_.SetFile("a.yaml", Eip("one", "10.0.0.1") + Eip("two", "10.0.0.2"));
  EXPECT_EQ(Take(), "+Eip/one 10.0.0.1, +Eip/two 10.0.0.2");
  set_.SetFile("a.yaml", "# moved down\n" + Eip("one", "10.0.0.1") + Eip("two", "10.0.0.2"));
  EXPECT_EQ(Take(), "");
  set_.SetFile("a.yaml", Eip("two", "10.0.0.9"));
  EXPECT_EQ(Take(), "-Eip/one, +Eip/two 10.0.0.9");
  set_.RemoveFile("a.yaml");
  EXPECT_EQ(Take(), "-Eip/two");
  EXPECT_EQ(Take(), "");
  EXPECT_THAT(problems_, IsEmpty());
}

TEST_F(ManifestSetTest, ARenameChangesNothing) {
  set_.SetFile("a.yaml", Eip("one", "10.0.0.1"));
  Take();
  set_.RemoveFile("a.yaml");
  set_.SetFile("b.yaml", Eip("one", "10.0.0.1"));
  EXPECT_EQ(Take(), "");
  EXPECT_THAT(copies_, ElementsAre(::testing::Key("b.yaml")));
}

TEST_F(ManifestSetTest, ABrokenFileKeepsAllItsObjects) {
  set_.SetFile("a.yaml", Eip("one", "10.0.0.1"));
  set_.SetFile("b.yaml", Eip("two", "10.0.0.2"));
  Take();
  set_.SetFile("a.yaml", Eip("new", "10.0.0.3") + "---\n" + kNotYaml);
  set_.SetFile("b.yaml", Eip("two", "10.0.0.4"));
  EXPECT_EQ(Take(), "+Eip/two 10.0.0.4");
  EXPECT_THAT(problems_, ElementsAre("a.yaml:7: not YAML: end of sequence flow not found"));
  set_.SetFile("a.yaml", Eip("new", "10.0.0.3"));
  EXPECT_EQ(Take(), "+Eip/new 10.0.0.3, -Eip/one");
  EXPECT_THAT(recovered_, ElementsAre("a.yaml"));
}

TEST_F(ManifestSetTest, AWrongObjectKeepsItsOwnStateAndTheRestGoesOn) {
  set_.SetFile("a.yaml", Eip("one", "10.0.0.1") + Eip("two", "10.0.0.2") + Eip("old", "10.0.0.3"));
  Take();
  set_.SetFile("a.yaml", Eip("one", "wrong") + Eip("two", "10.0.0.9"));
  EXPECT_EQ(Take(), "-Eip/old, +Eip/two 10.0.0.9");
  ASSERT_EQ(problems_.size(), 1u);
  EXPECT_THAT(problems_[0], ::testing::StartsWith("a.yaml:5: Eip/one: spec.address: \"wrong\""));
  // Once more the same mistake: not reported again.
  set_.SetFile("a.yaml", Eip("one", "wrong") + Eip("two", "10.0.0.8"));
  EXPECT_EQ(Take(), "+Eip/two 10.0.0.8");
  EXPECT_THAT(problems_, IsEmpty());
  set_.SetFile("a.yaml", Eip("two", "10.0.0.8"));
  EXPECT_EQ(Take(), "-Eip/one");
  EXPECT_THAT(recovered_, ElementsAre("a.yaml"));
}

TEST_F(ManifestSetTest, ADocumentThatDoesNotSayWhatItIsMayBeAnyThatIsMissing) {
  set_.SetFile("a.yaml", Eip("one", "10.0.0.1") + Eip("two", "10.0.0.2"));
  Take();
  set_.SetFile("a.yaml", Eip("two", "10.0.0.9") + kNameless);
  EXPECT_EQ(Take(), "+Eip/two 10.0.0.9");
  set_.SetFile("a.yaml", Eip("two", "10.0.0.9"));
  EXPECT_EQ(Take(), "-Eip/one");
}

TEST_F(ManifestSetTest, AHalfWrittenTextIsNotTakenBeforeItSettles) {
  set_.SetFile("a.yaml", Eip("one", "10.0.0.1"));
  Take();
  for (const char* text : {"", " \n", kNotYaml}) {
    EXPECT_FALSE(set_.SetFile("a.yaml", text, /*settled=*/false));
    EXPECT_TRUE(set_.TakeChanges().empty()) << text;
  }
  EXPECT_TRUE(set_.SetFile("a.yaml", "", /*settled=*/true));
  EXPECT_EQ(Take(), "-Eip/one");
}

TEST_F(ManifestSetTest, AnUnreadableFileKeepsItsObjects) {
  set_.SetFile("a.yaml", Eip("one", "10.0.0.1"));
  Take();
  set_.SetUnreadable("a.yaml", "Permission denied");
  EXPECT_EQ(Take(), "");
  EXPECT_THAT(problems_, ElementsAre("a.yaml: Permission denied"));
}

TEST_F(ManifestSetTest, OfTwoDefinitionsTheFirstCounts) {
  set_.SetFile("b.yaml", Eip("one", "10.0.0.2") + Eip("one", "10.0.0.3"));
  EXPECT_EQ(Take(), "+Eip/one 10.0.0.2");
  EXPECT_THAT(problems_, ElementsAre("b.yaml:7: Eip/one: defined before in b.yaml, which counts"));
  set_.SetFile("a.yaml", Eip("one", "10.0.0.1"));
  EXPECT_EQ(Take(), "+Eip/one 10.0.0.1");
  EXPECT_THAT(problems_, ElementsAre("b.yaml:2: Eip/one: defined before in a.yaml, which counts",
                                     "b.yaml:7: Eip/one: defined before in a.yaml, which counts"));
  set_.SetFile("b.yaml", Eip("other", "10.0.0.4"));
  EXPECT_EQ(Take(), "+Eip/other 10.0.0.4");
  EXPECT_THAT(recovered_, ElementsAre("b.yaml"));
  set_.SetFile("b.yaml", Eip("one", "10.0.0.5"));
  Take();
  set_.RemoveFile("a.yaml");
  EXPECT_EQ(Take(), "+Eip/one 10.0.0.5");
  EXPECT_EQ(set_.counters().duplicates, 4u);
}

TEST_F(ManifestSetTest, LastGoodCopiesOutliveTheProcess) {
  set_.SetFile("a.yaml", Eip("one", "10.0.0.1") + Eip("two", "10.0.0.2"));
  set_.SetFile("gone.yaml", Eip("gone", "10.0.0.7"));
  Take();
  ManifestSet later(copies_, {});
  later.SetFile("a.yaml", kNotYaml);
  later.EndOfFirstReading();
  EXPECT_EQ(Take(later), "+Eip/one 10.0.0.1, +Eip/two 10.0.0.2");
  EXPECT_THAT(copies_, ElementsAre(::testing::Key("a.yaml")));
}

// Each object has its own last good state, whichever text it was in.
TEST_F(ManifestSetTest, CopiesFollowObjectsThroughSeveralMistakes) {
  set_.SetFile("a.yaml", Eip("one", "10.0.0.1") + Eip("two", "10.0.0.2"));
  Take();
  set_.SetFile("a.yaml", Eip("one", "wrong") + Eip("two", "10.0.0.9") + Eip("three", "10.0.0.3"));
  Take();
  set_.SetFile("a.yaml", Eip("one", "wrong") + Eip("two", "wrong") + Eip("three", "10.0.0.4"));
  Take();
  ManifestSet later(copies_, {});
  later.SetFile("a.yaml", Eip("one", "wrong") + Eip("two", "wrong") + Eip("three", "wrong"));
  EXPECT_EQ(Take(later), "+Eip/one 10.0.0.1, +Eip/three 10.0.0.4, +Eip/two 10.0.0.9");
}

TEST_F(ManifestSetTest, UnchangedFilesNeedNoNewCopies) {
  set_.SetFile("a.yaml", Eip("one", "10.0.0.1"));
  set_.SetFile("other.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n");
  EXPECT_EQ(set_.TakeChanges().copies.size(), 1u);
  set_.SetFile("a.yaml", Eip("one", "10.0.0.1"));
  EXPECT_THAT(set_.TakeChanges().copies, IsEmpty());
  set_.SetFile("a.yaml", "# nothing left\n");
  const ManifestChanges changes = set_.TakeChanges();
  EXPECT_THAT(changes.copies, ElementsAre(::testing::Pair("a.yaml", std::nullopt)));
}

TEST_F(ManifestSetTest, ServicesComeWithTheirEarlierStatus) {
  const ServiceStatus held{{"172.22.0.2"}, "pool", {}};
  ManifestSet set({}, {{"default/web", held}});
  set.SetFile("a.yaml", Service("web"));
  ManifestChanges changes = set.TakeChanges();
  ASSERT_EQ(changes.events.size(), 1u);
  const auto& service = std::get<kube::Service>(*changes.events[0].object);
  ASSERT_EQ(service.ingress.size(), 1u);
  EXPECT_EQ(service.ingress[0].ip, "172.22.0.2");
  EXPECT_EQ(service.meta.labels.at("eip.openelb.kubesphere.io/v1alpha2"), "pool");
  // Touching the file is no change.
  set.SetFile("a.yaml", Service("web") + "# same\n");
  EXPECT_TRUE(set.TakeChanges().events.empty());
  // A Service deleted and made again is a new one.
  set.RemoveFile("a.yaml");
  set.TakeChanges();
  set.SetFile("a.yaml", Service("web"));
  changes = set.TakeChanges();
  ASSERT_EQ(changes.events.size(), 1u);
  EXPECT_THAT(std::get<kube::Service>(*changes.events[0].object).ingress, IsEmpty());
}

TEST_F(ManifestSetTest, Counts) {
  set_.SetFile("a.yaml", Eip("one", "10.0.0.1") + Eip("two", "wrong") +
                             "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n");
  set_.SetFile("b.yaml", kNotYaml);
  set_.SetFile("c.yaml", Service("s") + "extra: 1\n");
  const ManifestCounters& counters = set_.counters();
  EXPECT_EQ(counters.files_read, 3u);
  EXPECT_EQ(counters.files_refused, 1u);
  EXPECT_EQ(counters.objects_read, 2u);
  EXPECT_EQ(counters.objects_refused, 1u);
  EXPECT_EQ(counters.objects_skipped, 1u);
  EXPECT_EQ(counters.unknown_fields, 1u);
}

}  // namespace
}  // namespace openelb::manifests
