#include "controller/kube/saved_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/base/scheduler.h"
#include "controller/kube/testing/fake_transport.h"
#include "controller/kube/testing/server.h"

namespace openelb::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::Pair;

class SavedFilesTest : public ::testing::Test {
 protected:
  // As the event loop does.
  void RunFor(absl::Duration time) {
    const absl::Duration until = scheduler_.Monotonic() + time;
    while (scheduler_.Monotonic() < until) {
      client_.Turn();
      files_->Turn();
      scheduler_.RunFor(absl::Milliseconds(5));
    }
  }
  std::optional<SavedFiles::Files> Load() {
    // Shared: the answer may come after this has returned.
    auto loaded = std::make_shared<std::optional<SavedFiles::Files>>();
    files_->Load([loaded](SavedFiles::Files files) { *loaded = std::move(files); });
    RunFor(absl::Seconds(5));
    return *loaded;
  }
  void NewProcess() {
    files_ = std::make_unique<SavedFiles>(
        SavedFilesOptions(),
        SavedFiles::Seams{
            .client = &client_, .clock = &scheduler_, .random = &random_, .log = &log_});
    files_->SetActive(true);
  }
  void SetUp() override { NewProcess(); }

  Scheduler scheduler_;
  SeededRandom random_{1};
  NullLogSink sink_;
  Logger log_{&sink_, &scheduler_};
  fake::Server server_{&scheduler_};
  FakeTransport transport_{&server_, &scheduler_};
  Client client_{&transport_, &scheduler_};
  std::unique_ptr<SavedFiles> files_;
};

TEST_F(SavedFilesTest, WhatOneProcessSavesTheNextOneReads) {
  EXPECT_THAT(Load(), Optional(IsEmpty()));
  files_->Save("planner.yaml", "one");
  RunFor(absl::Seconds(1));
  files_->Save("planner.yaml", "two");
  RunFor(absl::Seconds(1));
  EXPECT_EQ(files_->counters().writes, 2u);
  NewProcess();
  EXPECT_THAT(Load(), Optional(ElementsAre(Pair("planner.yaml", "two"))));
}

TEST_F(SavedFilesTest, TheNewestContentIsWrittenOnce) {
  for (int i = 0; i < 100; ++i) files_->Save("planner.yaml", std::to_string(i));
  RunFor(absl::Seconds(1));
  EXPECT_EQ(files_->counters().writes, 1u);
  EXPECT_THAT(Load(), Optional(ElementsAre(Pair("planner.yaml", "99"))));
}

TEST_F(SavedFilesTest, AServerThatIsAwayLosesNothing) {
  transport_.SetReachable(false);
  files_->Save("planner.yaml", "kept");
  RunFor(absl::Seconds(10));
  EXPECT_GE(files_->counters().failures, 3u);
  EXPECT_EQ(Load(), std::nullopt) << "no answer is not the answer that there is nothing";
  transport_.SetReachable(true);
  RunFor(absl::Seconds(5));
  NewProcess();
  EXPECT_THAT(Load(), Optional(ElementsAre(Pair("planner.yaml", "kept"))));
}

TEST_F(SavedFilesTest, NothingIsWrittenWhileAnotherMayLead) {
  files_->SetActive(false);
  files_->Save("planner.yaml", "one");
  RunFor(absl::Seconds(1));
  EXPECT_EQ(files_->counters().writes, 0u);
  files_->SetActive(true);
  RunFor(absl::Seconds(1));
  EXPECT_EQ(files_->counters().writes, 1u);
}

TEST(SavedFilesDiskTest, ReadsWhatWasLoadedAndHandsOverWhatIsWritten) {
  SavedFiles::Files saved;
  SavedFilesDisk disk([&](std::string name, std::string content) { saved[name] = content; });
  EXPECT_TRUE(absl::IsNotFound(disk.Read("a").status()));
  disk.Set({{"a", "old"}});
  EXPECT_EQ(disk.Read("a").value(), "old");
  ASSERT_TRUE(disk.Write("a", "new").ok());
  EXPECT_EQ(disk.Read("a").value(), "new");
  EXPECT_THAT(saved, ElementsAre(Pair("a", "new")));
}

}  // namespace
}  // namespace openelb::kube
