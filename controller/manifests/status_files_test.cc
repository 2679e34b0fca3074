#include "controller/manifests/status_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "api/codec/parse.h"
#include "api/codec/write.h"

namespace openelb::manifests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr absl::Duration kPatience = absl::Seconds(20);
const ObjectKey kWeb{"Service", "default", "web"};

// A MemoryDisk that several threads may use, as a FileDisk, and that can be full.
class TestDisk final : public Disk {
 public:
  absl::StatusOr<std::string> Read(absl::string_view name) override {
    MutexLock lock(&mutex_);
    return disk_.Read(name);
  }
  absl::Status Write(absl::string_view name, absl::string_view content) override {
    if (full) return absl::ResourceExhaustedError("no space left");
    MutexLock lock(&mutex_);
    ++writes;
    return disk_.Write(name, content);
  }
  absl::Status Sync() override {
    ++syncs;
    return absl::OkStatus();
  }
  absl::Status Remove(absl::string_view name) override {
    MutexLock lock(&mutex_);
    return disk_.Remove(name);
  }
  absl::StatusOr<std::vector<std::string>> List(absl::string_view folder) override {
    MutexLock lock(&mutex_);
    return disk_.List(folder);
  }

  std::atomic<bool> full = false;
  std::atomic<int> writes = 0;
  std::atomic<int> syncs = 0;

 private:
  Mutex mutex_;
  MemoryDisk disk_;
};

class StatusFilesTest : public ::testing::Test {
 protected:
  std::string File(const std::string& name) {
    EXPECT_TRUE(writer_.WaitUntilWritten(kPatience));
    return disk_.Read(name).value_or("");
  }

  SystemClock clock_;
  NullLogSink log_;
  TestDisk disk_;
  DiskWriter writer_{&disk_, &clock_, &log_};
  StatusFiles files_{&disk_, &writer_, &clock_};
};

TEST_F(StatusFilesTest, ServiceAsKubectlWouldShowIt) {
  files_.WriteService(kWeb, {{"172.22.0.2"}, "bgp-eip", {}});
  EXPECT_EQ(File("Service/default/web.yaml"),
            "apiVersion: v1\n"
            "kind: Service\n"
            "metadata:\n"
            "  finalizers:\n"
            "  - finalizer.lb.kubesphere.io/v1alpha1\n"
            "  labels:\n"
            "    eip.openelb.kubesphere.io/v1alpha2: bgp-eip\n"
            "  name: web\n"
            "  namespace: default\n"
            "status:\n"
            "  loadBalancer:\n"
            "    ingress:\n"
            "    - ip: 172.22.0.2\n"
            "      ipMode: VIP\n");
  files_.WriteService(kWeb, {});
  EXPECT_EQ(File("Service/default/web.yaml"),
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: default\n"
            "status:\n  loadBalancer: {}\n");
  files_.Forget(kWeb);
  EXPECT_EQ(File("Service/default/web.yaml"), "");
}

TEST_F(StatusFilesTest, OurOwnKinds) {
  network::EipStatus eip;
  eip.pool_size = "256";
  files_.WriteEip("pool", eip);
  files_.WriteBgpConf("default", {{{"master1", {"192.168.0.3", 50000}}}, {}});
  files_.WriteBgpPeer("leaf1", {});
  EXPECT_THAT(File("Eip/pool.yaml"), HasSubstr("poolSize: 256\n"));
  EXPECT_THAT(File("BgpConf/default.yaml"),
              HasSubstr("  nodesConfStatus:\n    master1:\n      as: 50000\n"));
  EXPECT_THAT(File("BgpPeer/leaf1.yaml"), HasSubstr("nodesPeerStatus: {}\n"));
}

TEST_F(StatusFilesTest, WhatHasNotChangedIsNotWritten) {
  files_.WriteService(kWeb, {{"172.22.0.2"}, "a", {}});
  File("");
  files_.WriteService(kWeb, {{"172.22.0.2"}, "a", {}});
  File("");
  EXPECT_EQ(disk_.writes, 1);
  // Nor by the next process.
  DiskWriter next(&disk_, &clock_, &log_);
  StatusFiles later(&disk_, &next, &clock_);
  later.WriteService(kWeb, {{"172.22.0.2"}, "a", {}});
  EXPECT_TRUE(next.WaitUntilWritten(kPatience));
  EXPECT_EQ(disk_.writes, 1);
}

TEST_F(StatusFilesTest, AFullDiskIsTriedAgainAndTheNewestWins) {
  disk_.full = true;
  files_.WriteService(kWeb, {{"172.22.0.2"}, "a", {}});
  EXPECT_FALSE(writer_.WaitUntilWritten(absl::ZeroDuration()));
  files_.WriteService(kWeb, {{"172.22.0.3"}, "a", {}});
  disk_.full = false;
  EXPECT_THAT(File("Service/default/web.yaml"), HasSubstr("172.22.0.3"));
}

TEST_F(StatusFilesTest, StopWritesWhatWaits) {
  for (int i = 0; i < 100; ++i) {
    files_.WriteService({"Service", "default", absl::StrCat("s", i)}, {{"172.22.0.2"}, "a", {}});
  }
  writer_.Stop();
  EXPECT_EQ(disk_.writes, 100);
  files_.WriteService(kWeb, {});
  EXPECT_TRUE(writer_.WaitUntilWritten(absl::ZeroDuration()));  // dropped
}

TEST_F(StatusFilesTest, WhatWasWrittenIsSyncedOnce) {
  files_.WriteService(kWeb, {{"172.22.0.2"}, "pool", {}});
  writer_.Stop();
  writer_.Stop();
  EXPECT_EQ(disk_.syncs, 1);
}

TEST_F(StatusFilesTest, FailuresAreCounted) {
  disk_.full = true;
  files_.WriteService(kWeb, {});
  writer_.Stop();
  EXPECT_GE(writer_.counters().failures, 1u);
  EXPECT_EQ(writer_.counters().writes, 0u);
}

TEST_F(StatusFilesTest, ServicesReadBackWhatTheyHold) {
  files_.WriteService(kWeb, {{"172.22.0.2", "fd00::2"}, "bgp-eip", {}});
  files_.WriteService({"Service", "ns", "waiting"}, {});
  File("");
  ASSERT_TRUE(disk_.Write("Service/ns/torn.yaml", "kind: [").ok());
  std::vector<std::string> problems;
  const auto statuses = ReadServiceStatuses(&disk_, &problems);
  EXPECT_THAT(problems, ElementsAre(HasSubstr("Service/ns/torn.yaml:1: not YAML")));
  EXPECT_THAT(statuses, ElementsAre(Pair("default/web",
                                         ServiceStatus{{"172.22.0.2", "fd00::2"}, "bgp-eip", {}}),
                                    Pair("ns/waiting", ServiceStatus{})));
}

TEST_F(StatusFilesTest, EventsAreBoundedCountedAndSurvive) {
  for (int i = 0; i < 1100; ++i) {
    files_.Record({kWeb, false, "AssignIP", absl::StrCat("message ", i)});
  }
  for (int i = 0; i < 3; ++i) files_.Record({kWeb, true, "AssignIPFailed", "pool is full"});
  File("");
  StatusFiles later(&disk_, &writer_, &clock_);
  later.Record({kWeb, false, "ReleaseIP", "last"});
  const codec::ParsedText parsed = codec::ParseYaml(File("events.yaml"));
  ASSERT_EQ(parsed.documents.size(), 1u);
  const codec::Value::List& items = *parsed.documents[0].value.Find("items")->list();
  ASSERT_EQ(items.size(), 1000u);
  EXPECT_EQ(*items[999].Find("reason"), codec::Value("ReleaseIP"));
  EXPECT_EQ(*items[998].Find("count"), codec::Value(3));
  EXPECT_EQ(*items[998].Find("type"), codec::Value("Warning"));
  EXPECT_EQ(*items[998].Find("involvedObject")->Find("name"), codec::Value("web"));
  EXPECT_EQ(*items[997].Find("message"), codec::Value("message 1099"));
}

}  // namespace
}  // namespace openelb::manifests
