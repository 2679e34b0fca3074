#include "api/base/disk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "api/base/temp_folder.h"

namespace openelb {
namespace {

using ::testing::ElementsAre;

class FileDiskTest : public ::testing::Test {
 protected:
  TempFolder folder_;
  std::string root_ = folder_.path();
};

TEST_F(FileDiskTest, ReplacesWholeFiles) {
  FileDisk disk(root_);
  EXPECT_TRUE(absl::IsNotFound(disk.Read("plan").status()));
  ASSERT_TRUE(disk.Write("a/plan", "one").ok());
  ASSERT_TRUE(disk.Write("a/plan", "two").ok());
  EXPECT_EQ(disk.Read("a/plan").value(), "two");
  ASSERT_TRUE(disk.WriteCached("a/plan", "three").ok());
  EXPECT_EQ(disk.Read("a/plan").value(), "three");
  EXPECT_THAT(disk.List("").value(), ElementsAre("a/plan"));
  EXPECT_TRUE(disk.Remove("a/plan").ok());
  EXPECT_TRUE(disk.Remove("a/plan").ok());
  EXPECT_THAT(disk.List("").value(), ElementsAre());
}

TEST_F(FileDiskTest, CachedWritesReplaceToo) {
  FileDisk disk(root_);
  ASSERT_TRUE(disk.WriteCached("a/status", "one").ok());
  ASSERT_TRUE(disk.WriteCached("a/status", "two").ok());
  EXPECT_TRUE(disk.Sync().ok());
  EXPECT_EQ(disk.Read("a/status").value(), "two");
  EXPECT_TRUE(absl::IsNotFound(FileDisk(root_ + "/none").Sync()));
}

TEST_F(FileDiskTest, FilesAreForTheOwnerOnly) {
  FileDisk disk(root_);
  ASSERT_TRUE(disk.Write("plan", "secret").ok());
  struct stat info{};
  ASSERT_EQ(stat((root_ + "/plan").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(FileDiskTest, HalfWrittenFilesAreNotListed) {
  std::ofstream(root_ + "/plan.tmp") << "torn";
  FileDisk disk(root_);
  EXPECT_THAT(disk.List("").value(), ElementsAre());
}

TEST_F(FileDiskTest, AFailedWriteKeepsTheOldContent) {
  FileDisk disk(root_);
  ASSERT_TRUE(disk.Write("plan", "old").ok());
  // A folder in the way of the temporary file makes the write fail, also for root.
  std::filesystem::create_directory(root_ + "/plan.tmp");
  EXPECT_FALSE(disk.Write("plan", "new").ok());
  EXPECT_FALSE(disk.WriteCached("plan", "new").ok());
  EXPECT_EQ(disk.Read("plan").value(), "old");
}

TEST_F(FileDiskTest, AFolderThatWentAwayIsNotMadeAnew) {
  std::filesystem::create_directory(root_ + "/above");
  FileDisk disk(root_ + "/above/kept");
  ASSERT_TRUE(disk.Write("a", "1").ok());
  std::filesystem::rename(root_ + "/above", root_ + "/moved");
  EXPECT_TRUE(absl::IsNotFound(disk.Write("a", "2")));
  EXPECT_FALSE(std::filesystem::exists(root_ + "/above"));
}

TEST_F(FileDiskTest, AMissingFolderIsEmpty) {
  FileDisk disk(root_ + "/none");
  EXPECT_THAT(disk.List("").value(), ElementsAre());
}

}  // namespace
}  // namespace openelb
