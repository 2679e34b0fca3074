#include "api/base/signals.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace openelb {
namespace {

sigset_t StopSet() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

// Without its descriptors a program could not be stopped in order; it has not begun, so it ends.
int OrDie(int fd, const char* what) {
  if (fd < 0) {
    std::perror(what);
    std::exit(1);
  }
  return fd;
}

}  // namespace

StopSignals::StopSignals() {
  signal(SIGPIPE, SIG_IGN);
  const sigset_t set = StopSet();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  fd_ = OrDie(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd");
}

StopSignals::~StopSignals() { close(fd_); }

std::string StopSignals::Take() {
  signalfd_siginfo info;
  if (read(fd_, &info, sizeof info) != sizeof info) return "";
  const sigset_t set = StopSet();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  return info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT";
}

StopSignalThread::StopSignalThread(StopSignals* signals,
                                   std::function<void(const std::string&)> on_stop)
    : wake_(OrDie(eventfd(0, EFD_CLOEXEC), "eventfd")),
      thread_([this, signals, on_stop = std::move(on_stop)] {
        bool told = false;
        while (true) {
          // After the first signal only the destructor is waited for; the thread stays, because it
          // is the one that a second signal ends the process through.
          pollfd polled[] = {{wake_, POLLIN, 0}, {told ? -1 : signals->fd(), POLLIN, 0}};
          poll(polled, 2, -1);
          if (polled[0].revents != 0) return;
          if (const std::string name = signals->Take(); !name.empty()) {
            told = true;
            on_stop(name);
          }
        }
      }) {}

StopSignalThread::~StopSignalThread() {
  eventfd_write(wake_, 1);
  thread_.join();
  close(wake_);
}

}  // namespace openelb
