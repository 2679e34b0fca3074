// A whole speaker whose disk hangs: nobody on the wire notices, and no controller.

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/base/mutex.h"
#include "api/base/random.h"
#include "api/base/scheduler.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "speaker/bgp/test_router.h"
#include "speaker/io/sim_network.h"
#include "speaker/io/sim_segment.h"
#include "speaker/io/sim_udp.h"
#include "speaker/lan/local_lan.h"
#include "speaker/layer2/sim_neighbor.h"
#include "speaker/layer2/test_frames.h"
#include "speaker/link/disk_thread.h"
#include "speaker/link/plan_file.h"
#include "speaker/speaker.h"
#include "speaker/testing/fake_controller.h"

namespace openelb {
namespace {

using layer2::Ip;
using layer2::Mac;
using plan::v1::ResourceBody;

// Writes wait while it hangs, unless the owner thread asks for them, which is an error.
class HangingDisk final : public Disk {
 public:
  absl::StatusOr<std::string> Read(absl::string_view name) override { return disk_.Read(name); }
  absl::Status Write(absl::string_view name, absl::string_view content) override {
    if (std::this_thread::get_id() == owner_) {
      ADD_FAILURE() << "the owner thread waits for the disk";
      return absl::UnavailableError("the disk hangs");
    }
    MutexLock lock(&mutex_);
    waiting_ = true;
    changed_.NotifyAll();
    while (hangs_) changed_.Wait(&mutex_);
    return disk_.Write(name, content);
  }
  absl::Status Remove(absl::string_view name) override { return disk_.Remove(name); }
  absl::StatusOr<std::vector<std::string>> List(absl::string_view folder) override {
    return disk_.List(folder);
  }

  // Until the first write has come.
  void WaitForWrite() {
    MutexLock lock(&mutex_);
    while (!waiting_) changed_.Wait(&mutex_);
  }
  void Recover() {
    MutexLock lock(&mutex_);
    hangs_ = false;
    changed_.NotifyAll();
  }

 private:
  const std::thread::id owner_ = std::this_thread::get_id();
  Mutex mutex_;
  CondVar changed_;
  bool hangs_ GUARDED_BY(mutex_) = true;
  bool waiting_ GUARDED_BY(mutex_) = false;
  MemoryDisk disk_;
};

// What other threads hand to the owner thread.
class Mailbox {
 public:
  Post post() {
    return [this](std::function<void()> task) {
      MutexLock lock(&mutex_);
      tasks_.push_back(std::move(task));
    };
  }
  void Run() {
    std::deque<std::function<void()>> tasks;
    {
      MutexLock lock(&mutex_);
      tasks.swap(tasks_);
    }
    for (const auto& task : tasks) task();
  }

 private:
  Mutex mutex_;
  std::deque<std::function<void()>> tasks_ GUARDED_BY(mutex_);
};

// One speaker on node n1 with a BGP peer and an address of Layer 2 mode, and a host on its segment.
class HungDiskTest : public testing::Test {
 protected:
  HungDiskTest() {
    const std::vector<InterfaceAddress> addresses = {{"eth0", Ip("10.0.1.2"), 24}};
    network.AddHost("n1", addresses);
    network.AddHost("leaf", {{"eth0", Ip("10.0.1.1"), 24}});
    segment.AddStation("n1", Mac(0x0a), addresses);
    udp.SetAddresses("n1", addresses);
    leaf_io = network.Start("leaf");
    leaf.emplace(leaf_io.get(), &scheduler,
                 bgp::TestRouter::Options{.as = 65001, .router_id = 1, .hold_time = 9});
    io = network.Start("n1");
    packets = segment.Start("n1");
    bfd = udp.Start("n1");
    claims = udp.Start("n1");
    lan.emplace(layer2::OwnerOptions{.node = "n1"}, lan::LocalLan::Seams{.clock = &scheduler,
                                                                         .random = &random,
                                                                         .log = &log,
                                                                         .packets = packets.get(),
                                                                         .claims = claims.get(),
                                                                         .bfd = bfd.get()});
    SpeakerOptions options;
    options.link.node = "n1";
    options.link.kernel_boot_id = "boot-1";
    options.link.controllers = {"controller:50050"};
    speaker.emplace(
        options, Speaker::Seams{
                     .clock = &scheduler,
                     .random = &random,
                     .disk = disk.get(),
                     .save =
                         [this](std::string name, std::string content, link::SaveDone done) {
                           disk_thread.Write(std::move(name), std::move(content), std::move(done));
                         },
                     .io = io.get(),
                     .open_link = [this](auto* handler) { return controller.Connect(handler); },
                     .log = &log,
                     .lan = &*lan});
  }

  void RunFor(absl::Duration time) {
    const absl::Duration end = scheduler.Monotonic() + time;
    while (scheduler.Monotonic() < end) {
      mailbox.Run();
      speaker->Turn();
      leaf->Tick();
      const absl::Duration next = std::min({end, speaker->NextWakeup(), leaf->NextWakeup()});
      if (!scheduler.Step(next)) scheduler.RunUntil(next);
    }
  }

  void PutPlan() {
    ResourceBody instance;
    instance.mutable_instance()->set_local_as(65000);
    instance.mutable_instance()->set_router_id("10.0.1.2");
    instance.mutable_instance()->set_listen_port(-1);
    controller.Put("instance", instance);
    ResourceBody body;
    plan::v1::BgpPeer* peer = body.mutable_peer();
    peer->set_address("10.0.1.1");
    peer->set_remote_as(65001);
    peer->set_remote_port(179);
    peer->set_hold_time_s(9);
    peer->set_connect_retry_s(5);
    peer->set_ttl(1);
    peer->add_families()->set_family(4);
    controller.Put("peer/10.0.1.1", body);
    PutLayer2("10.0.1.100");
  }
  void PutLayer2(const std::string& address) {
    ResourceBody body;
    plan::v1::Layer2Address* layer2 = body.mutable_layer2_address();
    layer2->set_address(address);
    layer2->set_interface("eth0");
    layer2->set_turn(1);
    layer2->add_ranks()->set_node("n1");
    controller.Put(absl::StrCat("layer2/", address), body);
  }
  bool Answered(const std::string& address) {
    host.Resolve(Ip(address));
    RunFor(absl::Milliseconds(100));
    return host.Answers(Ip(address)).contains(Mac(0x0a));
  }

  Scheduler scheduler;
  io::SimNetwork network{&scheduler, 1};
  io::SimSegment segment{&scheduler};
  io::SimUdp udp{&scheduler, 1};
  SeededRandom random{1};
  NullLogSink sink;
  Logger log{&sink, &scheduler};
  FakeController controller{&scheduler};
  std::unique_ptr<io::Io> leaf_io;
  std::optional<bgp::TestRouter> leaf;
  layer2::SimNeighbor host{&segment, &scheduler, "host", Mac(0x0c), Ip("10.0.1.9"), Ip("fd00::9")};
  std::unique_ptr<io::Io> io;
  std::unique_ptr<io::PacketIo> packets;
  std::unique_ptr<io::Udp> bfd;
  std::unique_ptr<io::Udp> claims;
  std::optional<lan::LocalLan> lan;
  Mailbox mailbox;
  const std::shared_ptr<HangingDisk> disk = std::make_shared<HangingDisk>();
  link::DiskThread disk_thread{disk, mailbox.post()};
  std::optional<Speaker> speaker;
};

TEST_F(HungDiskTest, NobodyNotices) {
  PutPlan();
  speaker->Start();
  RunFor(absl::Seconds(10));
  disk->WaitForWrite();
  RunFor(absl::Minutes(5));  // many hold times
  ASSERT_EQ(leaf->changes().size(), 1u) << "one session, which stays";
  EXPECT_TRUE(Answered("10.0.1.100"));
  // Plans are put in force and acknowledged.
  PutLayer2("10.0.1.101");
  RunFor(absl::Seconds(1));
  EXPECT_EQ(controller.ack->generation().counter(), controller.generation().counter());
  EXPECT_TRUE(Answered("10.0.1.101"));
  EXPECT_EQ(speaker->plan_file().counters().saves, 0u);
  EXPECT_TRUE(speaker->plan_file().save_failing());

  disk->Recover();
  for (int i = 0; i < 2; ++i) {  // what was handed over first is old by now
    ASSERT_TRUE(disk_thread.WaitUntilWritten(absl::Minutes(1)));
    RunFor(absl::Seconds(1));
  }
  EXPECT_EQ(speaker->plan_file().counters().saves, 2u);
  EXPECT_FALSE(speaker->plan_file().save_failing());
  const auto saved = link::ParseSavedPlan(disk->Read("plan").value());
  ASSERT_TRUE(saved.ok()) << saved.status();
  EXPECT_TRUE(saved->resources.BodyOf("layer2/10.0.1.101").has_value());
}

TEST_F(HungDiskTest, AnOrderlyStopIsNotHeldUp) {
  PutPlan();
  speaker->Start();
  RunFor(absl::Seconds(10));
  disk->WaitForWrite();
  speaker->Stop();
  EXPECT_FALSE(disk_thread.WaitUntilWritten(absl::Milliseconds(1)));
  RunFor(absl::Seconds(1));
  EXPECT_TRUE(controller.goodbye.has_value());
}

}  // namespace
}  // namespace openelb
