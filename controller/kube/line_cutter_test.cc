#include "controller/kube/line_cutter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace openelb::kube {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Cut(LineCutter* cutter, const std::vector<std::string>& pieces) {
  std::vector<std::string> lines;
  for (const std::string& piece : pieces) {
    cutter->Append(piece);
    while (const auto line = cutter->Next()) lines.emplace_back(*line);
  }
  return lines;
}

TEST(LineCutter, CutsWhereverThePiecesEnd) {
  const std::vector<std::vector<std::string>> ways = {
      {"ab\ncd\n\nefg\nrest"},
      {"ab", "\ncd\n", "\nefg\nre", "st"},
      {"a", "b", "\n", "c", "d", "\n", "\n", "e", "f", "g", "\n", "r", "e", "s", "t"},
      {"", "ab\ncd", "", "\n\nef", "g\nrest"},
  };
  for (const auto& pieces : ways) {
    LineCutter cutter;
    EXPECT_THAT(Cut(&cutter, pieces), ElementsAre("ab", "cd", "efg"));
    EXPECT_FALSE(cutter.too_long());
  }
}

TEST(LineCutter, ALineUpToTheLimitPasses) {
  LineCutter cutter(4);
  EXPECT_THAT(Cut(&cutter, {"1234\n", "12", "34", "\n1234"}), ElementsAre("1234", "1234"));
  EXPECT_FALSE(cutter.too_long());
}

TEST(LineCutter, ALongerLineEndsIt) {
  for (const auto& pieces : std::vector<std::vector<std::string>>{
           {"ok\n12345\nok\n"}, {"ok\n123", "45", "\nok\n"}, {"ok\n12345", "\nok\n"}}) {
    LineCutter cutter(4);
    EXPECT_THAT(Cut(&cutter, pieces), ElementsAre("ok"));
    EXPECT_TRUE(cutter.too_long());
  }
}

}  // namespace
}  // namespace openelb::kube
