// The source on a real folder. Nothing here waits for a fixed time: each step waits for what it
// expects, and what must not happen is looked for in the log of everything that did.

#include "controller/manifests/manifest_source.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/base/temp_folder.h"
#include "controller/manifests/load.h"
#include "controller/manifests/status_files.h"

namespace openelb::manifests {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr absl::Duration kPatience = absl::Seconds(30);

std::string Eip(const std::string& name, const std::string& address) {
  return absl::StrCat(
      "---\napiVersion: network.kubesphere.io/v1alpha2\nkind: Eip\nmetadata: {name: ", name,
      "}\nspec: {address: ", address, "}\n");
}

// Notes everything as a line: "+Eip/a 10.0.0.1", "-Eip/a", "synced", "away", "back".
class Recorder final : public EventSource::Handler {
 public:
  void OnEvents(std::vector<ObjectEvent> events) override {
    for (const ObjectEvent& event : events) Note(Describe(event));
  }
  void OnSynced() override { Note("synced"); }
  void OnAway(std::string reason) override { Note("away: " + reason); }
  void OnBack() override { Note("back"); }

  std::vector<std::string> lines() const {
    MutexLock lock(&mutex_);
    return lines_;
  }
  // Waits until a line from `from` on begins with `prefix`; returns the number of lines up to it.
  size_t WaitFor(const std::string& prefix, size_t from = 0) {
    const absl::Duration deadline = clock_.Monotonic() + kPatience;
    MutexLock lock(&mutex_);
    for (;;) {
      for (size_t i = from; i < lines_.size(); ++i) {
        if (lines_[i].rfind(prefix, 0) == 0) return i + 1;
      }
      const absl::Duration left = deadline - clock_.Monotonic();
      if (left <= absl::ZeroDuration()) {
        ADD_FAILURE() << "no " << prefix << " from line " << from << " on of\n"
                      << absl::StrJoin(lines_, "\n");
        return lines_.size();
      }
      changed_.WaitFor(&mutex_, absl::ToChronoNanoseconds(left));
    }
  }

 private:
  static std::string Describe(const ObjectEvent& event) {
    if (!event.object.has_value()) return "-" + event.key.ToString();
    std::string line = "+" + event.key.ToString();
    if (const auto* eip = std::get_if<network::Eip>(&*event.object)) line += " " + eip->address;
    if (const auto* service = std::get_if<kube::Service>(&*event.object)) {
      for (const auto& ingress : service->ingress) line += " " + ingress.ip;
    }
    return line;
  }
  void Note(std::string line) {
    MutexLock lock(&mutex_);
    lines_.push_back(std::move(line));
    changed_.NotifyAll();
  }

  SystemClock clock_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::vector<std::string> lines_ GUARDED_BY(mutex_);
};

class ManifestSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    base_ = temp_.path();
    folder_ = base_ / "dir";
    status_ = folder_ / ".status";
    fs::create_directory(folder_);
    StartProcess();
  }
  void TearDown() override { StopProcess(); }

  // What one controller process has.
  void StartProcess() {
    disk_ = std::make_unique<FileDisk>(status_);
    writer_ = std::make_unique<DiskWriter>(disk_.get(), &clock_, &log_);
  }
  void StopProcess() {
    source_.reset();
    writer_.reset();
  }
  Recorder& Start() {
    recorders_.push_back(std::make_unique<Recorder>());
    ManifestSourceOptions options;
    options.quiet = quiet_;
    options.folder = folder_;
    options.status_folder = status_;
    options.retry_interval = absl::Milliseconds(20);
    options.list_interval = list_interval_;
    options.hold_missing_after_return = hold_missing_;
    source_ = std::make_unique<ManifestSource>(options, disk_.get(), writer_.get(), &clock_, &log_);
    source_->Start(recorders_.back().get());
    return *recorders_.back();
  }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  // As `mv` of a complete file.
  void Replace(const std::string& name, const std::string& text) {
    std::ofstream(base_ / "new") << text;
    fs::rename(base_ / "new", folder_ / name);
  }

  SystemClock clock_;
  NullLogSink log_;
  TempFolder temp_;
  fs::path base_;
  fs::path folder_;
  fs::path status_;
  absl::Duration quiet_ = absl::Milliseconds(50);
  absl::Duration hold_missing_ = absl::ZeroDuration();
  absl::Duration list_interval_ = absl::Seconds(30);
  std::unique_ptr<FileDisk> disk_;
  std::unique_ptr<DiskWriter> writer_;
  std::unique_ptr<ManifestSource> source_;
  std::vector<std::unique_ptr<Recorder>> recorders_;
};

TEST_F(ManifestSourceTest, TellsWhatThereIsThenWhatChanges) {
  fs::create_directories(folder_ / "sub/deeper");
  Write("b.yaml", Eip("b", "10.0.0.2"));
  Write("sub/deeper/a.json", R"({"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip",)"
                             R"( "metadata": {"name": "a"}, "spec": {"address": "10.0.0.1"}})");
  Write(".hidden.yaml", Eip("hidden", "10.0.0.3"));
  Write("notes.txt", Eip("notes", "10.0.0.4"));
  Recorder& seen = Start();
  const size_t synced = seen.WaitFor("synced");
  EXPECT_THAT(seen.lines(), ElementsAre("+Eip/a 10.0.0.1", "+Eip/b 10.0.0.2", "synced"));

  Write("b.yaml", Eip("b", "10.0.0.5"));
  seen.WaitFor("+Eip/b 10.0.0.5", synced);
  Replace("b.yaml", Eip("b", "10.0.0.6"));
  seen.WaitFor("+Eip/b 10.0.0.6", synced);
  fs::remove(folder_ / "b.yaml");
  seen.WaitFor("-Eip/b", synced);
  fs::create_directories(folder_ / "new/folder");
  Write("new/folder/c.yml", Eip("c", "10.0.0.7"));
  seen.WaitFor("+Eip/c 10.0.0.7", synced);
  Write("new/folder/c.yml", Eip("c", "10.0.0.8"));
  seen.WaitFor("+Eip/c 10.0.0.8", synced);
  fs::remove_all(folder_ / "new");
  seen.WaitFor("-Eip/c", synced);
  EXPECT_EQ(seen.lines().size(), 9u);
}

TEST_F(ManifestSourceTest, RenamesOfFilesAndFoldersChangeNothing) {
  fs::create_directory(folder_ / "sub");
  Write("a.yaml", Eip("a", "10.0.0.1"));
  Write("sub/b.yaml", Eip("b", "10.0.0.2"));
  Recorder& seen = Start();
  seen.WaitFor("synced");
  fs::rename(folder_ / "a.yaml", folder_ / "z.yaml");
  fs::rename(folder_ / "sub", folder_ / "other");
  Write("other/b.yaml", Eip("b", "10.0.0.3"));
  seen.WaitFor("+Eip/b 10.0.0.3");
  Write("z.yaml", Eip("a", "10.0.0.4"));
  seen.WaitFor("+Eip/a 10.0.0.4");
  EXPECT_EQ(seen.lines().size(), 5u);
  EXPECT_EQ(source_->counters().manifests.duplicates, 0u);
}

TEST_F(ManifestSourceTest, AFileReplacedInStepsIsNeverGone) {
  quiet_ = absl::Seconds(20);  // however slow this machine is between two steps
  Write("a.yaml", Eip("a", "10.0.0.1"));
  Recorder& seen = Start();
  seen.WaitFor("synced");
  fs::rename(folder_ / "a.yaml", folder_ / "a.yaml~");  // as editors do
  Write("a.yaml", Eip("a", "10.0.0.2"));
  seen.WaitFor("+Eip/a 10.0.0.2");
  fs::remove(folder_ / "a.yaml");  // as git does
  Write("a.yaml", Eip("a", "10.0.0.3"));
  seen.WaitFor("+Eip/a 10.0.0.3");
  EXPECT_THAT(seen.lines(), Not(Contains("-Eip/a")));
}

TEST_F(ManifestSourceTest, AHalfWrittenFileIsNotRead) {
  Write("a.yaml", Eip("one", "10.0.0.1") + Eip("two", "10.0.0.2"));
  Recorder& seen = Start();
  seen.WaitFor("synced");
  const int fd = open((folder_ / "a.yaml").c_str(), O_WRONLY | O_TRUNC);
  ASSERT_GE(fd, 0);
  const std::string half = Eip("one", "10.0.0.9");
  ASSERT_EQ(write(fd, half.data(), half.size()), static_cast<ssize_t>(half.size()));
  // A new folder makes the source list everything meanwhile.
  fs::create_directory(folder_ / "sub");
  Write("sub/b.yaml", Eip("b", "10.0.0.3"));
  seen.WaitFor("+Eip/b");
  const std::string rest = Eip("two", "10.0.0.8");
  ASSERT_EQ(write(fd, rest.data(), rest.size()), static_cast<ssize_t>(rest.size()));
  close(fd);
  seen.WaitFor("+Eip/two 10.0.0.8");
  EXPECT_THAT(seen.lines(),
              ElementsAre("+Eip/one 10.0.0.1", "+Eip/two 10.0.0.2", "synced", "+Eip/b 10.0.0.3",
                          "+Eip/one 10.0.0.9", "+Eip/two 10.0.0.8"));
}

TEST_F(ManifestSourceTest, BrokenFilesKeepTheirStateAlsoAcrossARestart) {
  Write("a.yaml", Eip("a", "10.0.0.1"));
  Write("b.yaml", Eip("b", "10.0.0.2"));
  Recorder& before = Start();
  before.WaitFor("synced");
  Write("a.yaml", Eip("a", "10.0.0.9") + "oops: [");
  Write("b.yaml", Eip("b", "10.0.0.3"));
  before.WaitFor("+Eip/b 10.0.0.3");
  StopProcess();
  StartProcess();
  Recorder& after = Start();
  after.WaitFor("synced");
  EXPECT_THAT(after.lines(), UnorderedElementsAre("+Eip/a 10.0.0.1", "+Eip/b 10.0.0.3", "synced"));
  Write("a.yaml", Eip("a", "10.0.0.9"));
  after.WaitFor("+Eip/a 10.0.0.9");
}

TEST_F(ManifestSourceTest, ServicesHoldTheirAddressesAcrossARestart) {
  Write("s.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
        "spec: {type: LoadBalancer, ports: [{port: 80}]}\n");
  Recorder& before = Start();
  before.WaitFor("synced");
  StatusFiles(disk_.get(), writer_.get(), &clock_)
      .WriteService({"Service", "default", "web"}, {{"172.22.0.2"}, "pool", {}});
  StopProcess();
  EXPECT_THAT(before.lines(), ElementsAre("+Service/default/web", "synced"));
  StartProcess();
  Recorder& after = Start();
  after.WaitFor("synced");
  EXPECT_THAT(after.lines(), ElementsAre("+Service/default/web 172.22.0.2", "synced"));
  const auto loaded = LoadDirectory(folder_, status_);
  ASSERT_TRUE(loaded.ok());
  ASSERT_EQ(loaded->objects.size(), 1u);
  EXPECT_EQ(std::get<kube::Service>(loaded->objects[0]).ingress[0].ip, "172.22.0.2");
}

TEST_F(ManifestSourceTest, AFolderThatIsAwayDeletesNothing) {
  // Elsewhere, or writing a status would make the folder again.
  status_ = base_ / "status";
  StopProcess();
  StartProcess();
  Write("a.yaml", Eip("a", "10.0.0.1"));
  Write("b.yaml", Eip("b", "10.0.0.2"));
  Recorder& seen = Start();
  seen.WaitFor("synced");
  fs::rename(folder_, base_ / "elsewhere");
  size_t line = seen.WaitFor("away: ");
  EXPECT_THAT(seen.lines()[line - 1], HasSubstr("No such file"));
  std::ofstream(base_ / "elsewhere/a.yaml") << Eip("a", "10.0.0.9");
  fs::remove(base_ / "elsewhere/b.yaml");
  fs::rename(base_ / "elsewhere", folder_);
  line = seen.WaitFor("back");
  seen.WaitFor("+Eip/a 10.0.0.9", line);
  seen.WaitFor("-Eip/b", line);
  EXPECT_EQ(source_->counters().away, 1u);
  EXPECT_EQ(seen.lines().size(), 7u);
}

TEST_F(ManifestSourceTest, AnEmptyFolderInPlaceOfTheOldOneIsNoAnswer) {
  Write("a.yaml", Eip("a", "10.0.0.1"));
  Recorder& seen = Start();
  seen.WaitFor("synced");
  fs::create_directory(base_ / "empty");
  fs::rename(folder_, base_ / "elsewhere");
  fs::rename(base_ / "empty", folder_);
  seen.WaitFor("away: ");
  Write("b.yaml", Eip("b", "10.0.0.2"));
  const size_t back = seen.WaitFor("back");
  seen.WaitFor("+Eip/b", back);
  seen.WaitFor("-Eip/a", back);
}

TEST_F(ManifestSourceTest, AMissingFolderIsWaitedFor) {
  fs::remove_all(folder_);
  Recorder& seen = Start();
  seen.WaitFor("away: ");
  fs::create_directory(folder_);
  seen.WaitFor("back");
  seen.WaitFor("synced");
  Write("a.yaml", Eip("a", "10.0.0.1"));
  seen.WaitFor("+Eip/a");
}

// A mount that is not there yet when a controller starts anew, and is filled in steps.
TEST_F(ManifestSourceTest, AFolderThatIsEmptyAtTheNextStartIsNoAnswer) {
  status_ = base_ / "status";
  StopProcess();
  StartProcess();
  Write("a.yaml", Eip("a", "10.0.0.1"));
  Write("b.yaml", Eip("b", "10.0.0.2"));
  Start().WaitFor("synced");
  StopProcess();
  fs::rename(folder_, base_ / "elsewhere");
  fs::create_directory(folder_);
  StartProcess();
  hold_missing_ = absl::Seconds(20);  // however slow this machine is between two files
  Recorder& seen = Start();
  const size_t line = seen.WaitFor("away: ");
  EXPECT_THAT(seen.lines()[line - 1], HasSubstr("no manifests, but there were 2"));
  Write("a.yaml", Eip("a", "10.0.0.9"));
  seen.WaitFor("+Eip/a 10.0.0.9", seen.WaitFor("back"));
  Write("b.yaml", "oops: [");
  seen.WaitFor("+Eip/b 10.0.0.2");  // the copy has not been dropped
  EXPECT_THAT(seen.lines(), Not(Contains("synced")));
}

TEST_F(ManifestSourceTest, AnEmptyFileSaysThatNothingIsWanted) {
  Write("a.yaml", Eip("a", "10.0.0.1"));
  Start().WaitFor("synced");
  StopProcess();
  fs::remove(folder_ / "a.yaml");
  StartProcess();
  Recorder& seen = Start();
  seen.WaitFor("away: ");
  Write("none.yaml", "");
  seen.WaitFor("synced");
  EXPECT_THAT(seen.lines(), Not(Contains(HasSubstr("Eip/a"))));
  StopProcess();
  EXPECT_FALSE(fs::exists(status_ / "last-good/a.yaml"));
}

// A ConfigMap as kubelet mounts it.
TEST_F(ManifestSourceTest, AVolumeChangesAsAWhole) {
  fs::create_directory(folder_ / "..one");
  fs::create_directory(folder_ / "..two");
  Write("..one/a.yaml", Eip("a", "10.0.0.1"));
  Write("..two/a.yaml", Eip("a", "10.0.0.2"));
  fs::create_symlink("..one", folder_ / "..data");
  fs::create_symlink("..data/a.yaml", folder_ / "a.yaml");
  Recorder& seen = Start();
  seen.WaitFor("synced");
  fs::create_symlink("..two", folder_ / "..tmp");
  fs::rename(folder_ / "..tmp", folder_ / "..data");
  seen.WaitFor("+Eip/a 10.0.0.2");
  EXPECT_EQ(seen.lines().size(), 3u);
}

// As git-sync publishes a checkout.
TEST_F(ManifestSourceTest, ALinkToTheFolderIsExchanged) {
  list_interval_ = absl::Hours(1);
  fs::create_directory(base_ / "one");
  fs::create_directory(base_ / "two");
  std::ofstream(base_ / "one/a.yaml") << Eip("a", "10.0.0.1");
  std::ofstream(base_ / "two/a.yaml") << Eip("a", "10.0.0.2");
  fs::remove_all(folder_);
  fs::create_symlink("one", folder_);
  Recorder& seen = Start();
  seen.WaitFor("synced");
  fs::create_symlink("two", base_ / "next");
  fs::rename(base_ / "next", folder_);
  seen.WaitFor("+Eip/a 10.0.0.2");
  EXPECT_EQ(seen.lines().size(), 3u);
}

TEST_F(ManifestSourceTest, WhatIsNoFileIsPassedOver) {
  ASSERT_EQ(mkfifo((folder_ / "pipe.yaml").c_str(), 0600), 0);
  fs::create_symlink("nowhere", folder_ / "dangling.yaml");
  fs::create_directory(folder_ / "folder.yaml");
  Write("folder.yaml/a.yaml", Eip("a", "10.0.0.1"));
  Recorder& seen = Start();
  seen.WaitFor("synced");
  EXPECT_THAT(seen.lines(), ElementsAre("+Eip/a 10.0.0.1", "synced"));
}

TEST_F(ManifestSourceTest, ManyQuickChangesEndInTheLastState) {
  Recorder& seen = Start();
  seen.WaitFor("synced");
  for (int i = 0; i < 200; ++i) {
    Write(absl::StrCat("f", i % 10, ".yaml"),
          Eip(absl::StrCat("e", i % 10), absl::StrCat("10.0.0.", i)));
    if (i % 3 == 0) fs::remove(folder_ / absl::StrCat("f", i % 10, ".yaml"));
  }
  Replace("last.yaml", Eip("last", "10.1.0.1"));
  seen.WaitFor("+Eip/last");
  for (int i = 190; i < 200; ++i) {
    const std::string name = absl::StrCat("Eip/e", i % 10);
    if (i % 3 == 0) continue;
    seen.WaitFor(absl::StrCat("+", name, " 10.0.0.", i));
  }
  const auto loaded = LoadDirectory(folder_, status_);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->objects.size(), 7u + 1u);
}

TEST(LoadDirectory, ReportsWhatIsWrong) {
  EXPECT_FALSE(LoadDirectory("/nowhere/at/all", "/nowhere/.status").ok());
}

}  // namespace
}  // namespace openelb::manifests
