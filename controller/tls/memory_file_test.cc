#include "controller/tls/memory_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace openelb::tls {
namespace {

std::string Read(std::ifstream file) {
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(MemoryFileTest, IsReplacedAsAWhole) {
  const auto file = MemoryFile::Create("test");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(Read(std::ifstream((*file)->path())), "");
  ASSERT_TRUE((*file)->Replace("first, which is longer").ok());
  std::ifstream open((*file)->path());
  ASSERT_TRUE((*file)->Replace("second").ok());
  EXPECT_EQ(Read(std::ifstream((*file)->path())), "second");
  EXPECT_EQ(Read(std::move(open)), "first, which is longer");
}

}  // namespace
}  // namespace openelb::tls
