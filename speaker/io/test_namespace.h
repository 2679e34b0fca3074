#pragma once
// A network namespace of its own for a test process. Needs root; without it the test fails.

#include <sched.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "gtest/gtest.h"

namespace openelb::io {

// Runs a shell command and fails the test when it fails.
inline void RunShell(const std::string& command) {
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

// What a shell command prints, however it ends.
inline std::string ReadShell(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");
  EXPECT_NE(pipe, nullptr) << command;
  if (pipe == nullptr) return {};
  std::string text;
  std::array<char, 4096> piece;
  for (size_t size = 0; (size = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;) {
    text.append(piece.data(), size);
  }
  pclose(pipe);
  return text;
}

// Moves the calling thread, and threads it starts later, into a new namespace whose loopback is
// up. It goes with the process.
inline void EnterNewNetworkNamespace() {
  ASSERT_EQ(unshare(CLONE_NEWNET), 0) << "unshare(CLONE_NEWNET): " << std::strerror(errno);
  RunShell("ip link set lo up");
}

}  // namespace openelb::io
