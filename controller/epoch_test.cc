#include "controller/epoch.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

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
  char name[] = "/tmp/openelb-lock-XXXXXX";
  const std::string folder = mkdtemp(name);
  {
    const auto first = FolderLock::Acquire(folder);
    ASSERT_TRUE(first.ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(FolderLock::Acquire(folder).status()));
  }
  EXPECT_TRUE(FolderLock::Acquire(folder).ok());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace openelb
