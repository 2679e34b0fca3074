#include "controller/epoch.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "api/base/temp_folder.h"

namespace openelb {
namespace {

TEST(EpochTest, GrowsWithEachStartAndAboveWhatSpeakersSaw) {
  MemoryDisk disk;
  EXPECT_EQ(DiskEpoch(&disk).current(), 1U);
  DiskEpoch epoch(&disk);
  EXPECT_EQ(epoch.current(), 2U);
  EXPECT_TRUE(epoch.RaiseAbove(9).ok());
  EXPECT_EQ(epoch.current(), 10U);
  EXPECT_TRUE(epoch.RaiseAbove(3).ok());
  EXPECT_EQ(epoch.current(), 10U);
  EXPECT_EQ(DiskEpoch(&disk).current(), 11U);
}

TEST(EpochTest, ADamagedFileIsSaidAndAFullDiskDoesNotStopIt) {
  MemoryDisk disk;
  disk.files["epoch"] = "rubbish";
  DiskEpoch epoch(&disk);
  EXPECT_EQ(epoch.current(), 1U);
  EXPECT_TRUE(absl::IsDataLoss(epoch.start_status()));
  disk.fault = [](absl::string_view) { return absl::ResourceExhaustedError("full"); };
  EXPECT_FALSE(epoch.RaiseAbove(5).ok());
  EXPECT_EQ(epoch.current(), 6U);
}

TEST(FolderLockTest, OneHolderAtATime) {
  const TempFolder folder;
  {
    const auto first = FolderLock::Acquire(folder.path());
    ASSERT_TRUE(first.ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(FolderLock::Acquire(folder.path()).status()));
  }
  EXPECT_TRUE(FolderLock::Acquire(folder.path()).ok());
}

TEST(FolderLockTest, OnlyTheLastFolderIsMade) {
  const TempFolder folder;
  const std::string manifests = folder.path() + "/manifests";
  EXPECT_TRUE(absl::IsNotFound(FolderLock::Acquire(manifests + "/.status").status()));
  EXPECT_FALSE(std::filesystem::exists(manifests));
  std::filesystem::create_directory(manifests);
  EXPECT_TRUE(FolderLock::Acquire(manifests + "/.status/").ok());
}

}  // namespace
}  // namespace openelb
