#pragma once
// SIGTERM and SIGINT as something an event loop can wait for.

#include <functional>
#include <string>
#include <thread>

namespace openelb {

// Blocks both in the calling thread and all it starts from then on, so construct it first thing in
// main; also ignores SIGPIPE. One a process.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Readable once a signal has come.
  int fd() const { return fd_; }
  // "SIGTERM" or "SIGINT" when one has come, else empty; never blocks. From then on the next one
  // ends the process, so that an orderly stop that hangs can be cut short.
  std::string Take();

 private:
  int fd_;
};

// For a program whose owner thread does not poll descriptors: a thread that calls `on_stop` once,
// with the signal's name, when one comes.
class StopSignalThread {
 public:
  StopSignalThread(StopSignals* signals, std::function<void(const std::string&)> on_stop);
  ~StopSignalThread();

 private:
  int wake_;  // eventfd: no longer interested
  std::thread thread_;
};

}  // namespace openelb
