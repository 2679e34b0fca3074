#include "api/base/signals.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>

namespace openelb {
namespace {

TEST(StopSignalsTest, AreTakenOnceFromTheDescriptor) {
  StopSignals signals;
  EXPECT_EQ(signals.Take(), "");
  kill(getpid(), SIGTERM);
  pollfd polled = {signals.fd(), POLLIN, 0};
  ASSERT_EQ(poll(&polled, 1, 10000), 1);
  EXPECT_EQ(signals.Take(), "SIGTERM");
  EXPECT_EQ(signals.Take(), "");
}

TEST(StopSignalsTest, TheThreadTellsTheName) {
  StopSignals signals;
  std::mutex mutex;
  std::condition_variable changed;
  std::string got;
  StopSignalThread thread(&signals, [&](const std::string& name) {
    const std::lock_guard<std::mutex> lock(mutex);
    got = name;
    changed.notify_all();
  });
  kill(getpid(), SIGINT);
  std::unique_lock<std::mutex> lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(10), [&] { return !got.empty(); }));
  EXPECT_EQ(got, "SIGINT");
}

TEST(StopSignalsTest, TheThreadEndsWithoutASignal) {
  StopSignals signals;
  StopSignalThread thread(&signals, [](const std::string&) { ADD_FAILURE() << "no signal came"; });
}

void TakeOneAndGetAnother() {
  StopSignals signals;
  kill(getpid(), SIGTERM);
  pollfd polled = {signals.fd(), POLLIN, 0};
  poll(&polled, 1, 10000);
  signals.Take();
  kill(getpid(), SIGTERM);
  pause();
}

TEST(StopSignalsDeathTest, TheSecondSignalEndsTheProcess) {
  EXPECT_EXIT(TakeOneAndGetAnother(), ::testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace openelb
