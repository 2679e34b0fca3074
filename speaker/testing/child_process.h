#pragma once
// Programs that a test runs beside itself.

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/time/time.h"

namespace openelb {

// A child that lives no longer than this object (or the test's thread). Its standard error goes to
// `log`.
class ChildProcess {
 public:
  ChildProcess(const std::vector<std::string>& command, const std::string& log);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();  // kills it

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  // Waits for its end, at most `limit`. The exit code; 128 + N when signal N ended it; -1: it still
  // runs.
  int Wait(absl::Duration limit);

 private:
  pid_t pid_ = -1;
};

// What a shell command prints; also what it prints when it fails.
std::string Output(const std::string& command);

}  // namespace openelb
