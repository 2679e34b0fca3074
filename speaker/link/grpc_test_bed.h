#pragma once
// What tests of the gRPC links share: an owner thread's mailbox and TLS files.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "api/base/mutex.h"
#include "api/base/post.h"

namespace openelb::link {

// Far more than anything takes; only a failing test waits for it.
inline constexpr absl::Duration kPatience = absl::Seconds(30);

// The mailbox of an owner thread that is the test's own.
class Mailbox {
 public:
  openelb::Post Post() {
    return [this](std::function<void()> f) {
      MutexLock lock(&mutex_);
      waiting_.push_back(std::move(f));
      changed_.NotifyAll();
    };
  }
  // Runs what is posted until `done`; whether it was in time.
  bool RunUntil(const std::function<bool()>& done, absl::Duration patience = kPatience) {
    const absl::Time deadline = absl::Now() + patience;
    while (!done()) {
      std::function<void()> next;
      {
        MutexLock lock(&mutex_);
        if (waiting_.empty()) {
          const absl::Duration left = deadline - absl::Now();
          if (left <= absl::ZeroDuration()) return false;
          changed_.WaitFor(&mutex_, absl::ToChronoNanoseconds(left));
          continue;
        }
        next = std::move(waiting_.front());
        waiting_.pop_front();
      }
      next();
    }
    return true;
  }
  void RunFor(absl::Duration time) {
    RunUntil([] { return false; }, time);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> waiting_ GUARDED_BY(mutex_);
};

// A folder with a CA, a certificate it signed, a key and tokens.
class Files {
 public:
  Files() {
    std::string name = std::filesystem::temp_directory_path() / "openelb-link-XXXXXX";
    root_ = mkdtemp(name.data());
  }
  ~Files() { std::filesystem::remove_all(root_); }
  std::string Path(const std::string& name) const { return root_ / name; }
  // Replaced as a whole, as a mounted secret is.
  void Write(const std::string& name, const std::string& content) {
    std::ofstream(Path(name + ".new")) << content;
    std::filesystem::rename(Path(name + ".new"), Path(name));
  }
  void Issue(const std::string& dns_name) {
    const std::string key = " -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    Run("openssl req -x509 -days 2 -subj /CN=ca -keyout ca.key -out ca.new" + key);
    Run("openssl req -subj /CN=controller -keyout tls.key.new -out tls.csr" + key);
    Write("san", "subjectAltName=DNS:" + dns_name);
    Run("openssl x509 -req -days 2 -in tls.csr -CA ca.new -CAkey ca.key -CAcreateserial "
        "-extfile san -out tls.crt.new");
    for (const char* name : {"tls.key", "tls.crt"}) {
      std::filesystem::rename(Path(absl::StrCat(name, ".new")), Path(name));
    }
    std::filesystem::rename(Path("ca.new"), Path("ca.crt"));
  }

 private:
  void Run(const std::string& command) {
    ASSERT_EQ(system(("cd " + root_.string() + " && " + command + " 2>/dev/null").c_str()), 0)
        << command;
  }
  std::filesystem::path root_;
};

}  // namespace openelb::link
