// Distributor and speakers' links over a faulty memory net: whatever happens on the way, once it is
// quiet each speaker holds exactly the union of its sets.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "api/base/scheduler.h"
#include "api/plan/recorded/first.pb.h"
#include "controller/push/distributor.h"
#include "e2e/simulation/memory_link.h"
#include "speaker/link/link.h"

namespace openelb::simulation {
namespace {

constexpr char kEndpoint[] = "10.0.0.1:50052";

class FakeView final : public plan::PlanView {
 public:
  std::vector<std::string> SetsOf(absl::string_view node) const override {
    const auto it = nodes.find(std::string(node));
    return it == nodes.end() ? std::vector<std::string>() : it->second;
  }
  const plan::ResourceSet* Find(absl::string_view set) const override {
    const auto it = sets.find(std::string(set));
    return it == sets.end() || it->second.resources().empty() ? nullptr : &it->second;
  }
  link::PackedResources UnionOf(const std::string& node) const {
    std::vector<link::ResourceView> resources;
    for (const std::string& name : SetsOf(node)) {
      const plan::ResourceSet* set = Find(name);
      if (set == nullptr) continue;
      for (const auto& [key, resource] : set->resources()) {
        resources.push_back({key, *resource.body});
      }
    }
    return link::PackedResources::Of(std::move(resources));
  }
  std::map<std::string, std::vector<std::string>> nodes;
  std::map<std::string, plan::ResourceSet> sets;
};

// Keeps one event armed for when `core` wants to be woken.
template <typename Core>
class Waker {
 public:
  Waker(Scheduler* scheduler, Core* core) : scheduler_(scheduler), core_(core) {}
  ~Waker() { scheduler_->Cancel(event_); }
  void Arm() {
    scheduler_->Cancel(event_);
    const absl::Duration next = core_->NextWakeup();
    if (next == absl::InfiniteDuration()) return;
    event_ = scheduler_->At(next, [this] {
      core_->Tick(scheduler_->Monotonic());
      Arm();
    });
  }

 private:
  Scheduler* scheduler_;
  Core* core_;
  Scheduler::EventId event_;
};

class Controller final : public push::PlanLink::Handler, public push::Distributor::Owner {
 public:
  Controller(MemoryNet* net, Scheduler* scheduler, FakeView* view, Logger* log, uint64_t epoch)
      : scheduler_(scheduler),
        link_(net->Listen(kEndpoint, this)),
        distributor(view, link_.get(), this, log, Options()),
        waker_(scheduler, &distributor),
        epoch_(epoch) {
    distributor.SetEpoch(epoch_, Now());
  }
  static push::DistributorOptions Options() {
    push::DistributorOptions options;
    options.chunk_resources = 7;
    options.chunk_bytes = 400;
    options.delta_bytes = 1000;
    return options;
  }

  void OnAttached(push::StreamId stream, const push::Origin& origin) override {
    distributor.OnAttached(stream, origin, Now());
    waker_.Arm();
  }
  void OnReport(push::StreamId stream, const plan::v1::Report& report) override {
    distributor.OnReport(stream, report, Now());
    waker_.Arm();
  }
  void OnWritable(push::StreamId stream) override {
    distributor.OnWritable(stream, Now());
    waker_.Arm();
  }
  void OnDetached(push::StreamId stream, const absl::Status& why) override {
    distributor.OnDetached(stream, why, Now());
    waker_.Arm();
  }
  void Change(const plan::PlanChange& change) {
    distributor.OnPlanChange(change, Now());
    waker_.Arm();
  }

  void OnSpeakerUp(const std::string& node, const plan::v1::Hello&) override { up[node] = true; }
  void OnSpeakerDown(const std::string& node, const absl::Status&) override { up[node] = false; }
  void OnSecondSpeaker(const std::string&, const std::string&) override {}
  void OnScraperToken(push::StreamId, const std::string&, uint64_t) override {}
  void OnSpeakerReport(const std::string& node, const plan::v1::Report& report) override {
    if (report.has_facts()) facts[node] = report.facts().facts(0).kind();
  }
  void OnAcked(const std::string&, plan::Generation,
               std::optional<absl::Duration> since_change) override {
    if (since_change) latencies.push_back(*since_change);
  }
  void OnLargerEpoch(const std::string&, uint64_t epoch) override {
    epoch_ = std::max(epoch_, epoch + 1);
    // As the real one does it: a moment later.
    scheduler_->After(absl::Milliseconds(5), [alive = std::weak_ptr<int>(alive_), this] {
      if (alive.expired()) return;
      distributor.SetEpoch(epoch_, Now());
      waker_.Arm();
    });
  }

 private:
  absl::Duration Now() const { return scheduler_->Monotonic(); }
  Scheduler* scheduler_;
  std::unique_ptr<push::PlanLink> link_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();

 public:
  push::Distributor distributor;
  std::map<std::string, bool> up;
  std::map<std::string, std::string> facts;
  std::vector<absl::Duration> latencies;

 private:
  Waker<push::Distributor> waker_;
  uint64_t epoch_;
};

class Speaker final : public link::PlanLink::Handler {
 public:
  Speaker(MemoryNet* net, Scheduler* scheduler, Logger* log, Random* random,
          const std::string& node, const link::SavedPlan& saved)
      : scheduler_(scheduler),
        transport_(net->Connect(node, this)),
        link(transport_.get(), &store, random, log,
             {.node = node,
              .kernel_boot_id = "boot",
              .instance = absl::StrCat(random->Next64()),
              .version = "test",
              .controllers = {kEndpoint}}),
        waker_(scheduler, &link) {
    store.Restore(saved);
    link.Start(Now());
    plan::v1::Facts facts;
    facts.add_facts()->set_kind(node);
    link.SendFacts(facts, Now());
    waker_.Arm();
  }
  void OnUp(const std::string& endpoint) override {
    link.OnUp(endpoint, Now());
    waker_.Arm();
  }
  void OnPlan(const plan::v1::Plan& plan) override {
    const auto outcome = link.OnPlan(plan, Now());
    changed += outcome.changes.routes.size() + outcome.changes.groups.size();
    waker_.Arm();
  }
  void OnDown(const absl::Status& why) override {
    link.OnDown(why, Now());
    waker_.Arm();
  }

 private:
  absl::Duration Now() const { return scheduler_->Monotonic(); }
  Scheduler* scheduler_;
  std::unique_ptr<link::PlanLink> transport_;

 public:
  link::PlanStore store;
  link::Link link;
  size_t changed = 0;

 private:
  Waker<link::Link> waker_;
};

std::string RouteBody(const std::string& prefix, const std::string& group) {
  plan::v1::ResourceBody body;
  body.mutable_route()->set_prefix(prefix);
  plan::v1::Target* target = body.mutable_route()->add_targets();
  target->set_scope("s");
  target->set_group(group);
  return body.SerializeAsString();
}

class PlanStreamTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  PlanStreamTest() : random_(GetParam()), log_(&sink_, &scheduler_), net_(&scheduler_) {
    for (const char* node : {"n1", "n2", "n3", "n4"}) SetNode(node, node[1] < '3' ? "r1" : "r2");
    StartController(1);
    for (const auto& [node, sets] : view_.nodes) StartSpeaker(node, {});
  }
  void SetNode(const std::string& node, const std::string& rack) {
    view_.nodes[node] = {"rack/" + rack, "node/" + node};
  }
  void StartController(uint64_t epoch) {
    controller_.reset();
    controller_ = std::make_unique<Controller>(&net_, &scheduler_, &view_, &log_, epoch);
  }
  void StartSpeaker(const std::string& node, const link::SavedPlan& saved) {
    speakers_.erase(node);
    speakers_[node] = std::make_unique<Speaker>(&net_, &scheduler_, &log_, &random_, node, saved);
  }
  uint64_t Below(uint64_t limit) { return random_.Next64() % limit; }
  std::string RandomNode() { return absl::StrCat("n", 1 + Below(4)); }
  std::string RandomSet() {
    return Below(2) == 0 ? absl::StrCat("rack/r", 1 + Below(2)) : "node/" + RandomNode();
  }

  void ChangePlan() {
    plan::PlanChange change;
    const std::string set = RandomSet();
    const int count = Below(10) == 0 ? 150 : 1 + Below(3);
    for (int i = 0; i < count; ++i) {
      // Keys of sets never clash: each has a range of its own.
      const int range = set[0] == 'r' ? 0 : set.back();
      const std::string prefix = absl::StrCat("10.", range, ".", Below(200), ".0/24");
      const std::string key = "route/" + prefix;
      bool changed = false;
      if (Below(3) == 0) {
        changed = view_.sets[set].Erase(key);
      } else {
        const std::string group = Below(10) == 0 ? "" : absl::StrCat("g", Below(5));
        changed = view_.sets[set].Put(key, RouteBody(prefix, group));
      }
      if (changed) change.keys[set].insert(key);
    }
    controller_->Change(change);
  }
  void MoveNode() {
    const std::string node = RandomNode();
    SetNode(node, absl::StrCat("r", 1 + Below(2)));
    plan::PlanChange change;
    change.speakers.insert(node);
    controller_->Change(change);
  }
  void Fault() {
    const std::string node = RandomNode();
    switch (Below(6)) {
      case 0:
        net_.Cut(node);
        break;
      case 1:
        net_.SetBlocked(node, true);
        break;
      case 2:
      case 3:
        net_.SetBlocked(node, false);
        break;
      case 4:
        StartSpeaker(node, Below(2) == 0 ? speakers_[node]->store.saved() : link::SavedPlan());
        break;
      default:
        StartController(1 + Below(5));
        break;
    }
  }
  void CheckQuiet() {
    const auto status = controller_->distributor.Speakers();
    for (const auto& [node, speaker] : speakers_) {
      SCOPED_TRACE(absl::StrCat(node, " of seed ", GetParam()));
      EXPECT_TRUE(speaker->link.confirmed());
      const link::SavedPlan saved = speaker->store.saved();
      EXPECT_EQ(saved.resources, view_.UnionOf(node));
      EXPECT_EQ(status.at(node).planned, status.at(node).acked);
      EXPECT_EQ(speaker->store.state().generation, status.at(node).acked);
      EXPECT_FALSE(status.at(node).pending_since.has_value());
      const auto& nacks = status.at(node).nacks;
      EXPECT_EQ(link::ByKey(nacks.begin(), nacks.end()), speaker->store.errors());
      EXPECT_TRUE(controller_->up.at(node));
      EXPECT_EQ(controller_->facts.at(node), node);
      // What is in force is what decodes, or its last good state.
      for (const link::ResourceView resource : saved.resources) {
        const std::string key(resource.key);
        const auto prefix = IpPrefix::Parse(key.substr(6));
        const bool good = !speaker->store.errors().contains(key) || saved.last_good.contains(key);
        EXPECT_EQ(speaker->store.state().routes.contains(*prefix), good) << key;
      }
    }
  }

  SeededRandom random_;
  Scheduler scheduler_;
  NullLogSink sink_;
  Logger log_;
  MemoryNet net_;
  FakeView view_;
  std::unique_ptr<Controller> controller_;
  std::map<std::string, std::unique_ptr<Speaker>> speakers_;
};

TEST_P(PlanStreamTest, ConvergesWhateverHappens) {
  RecordProperty("seed", absl::StrCat(GetParam()));
  net_.delay = [this](const std::string&) {
    return absl::Microseconds(Below(20) == 0 ? Below(200'000) : Below(2'000));
  };
  for (int round = 0; round < 8; ++round) {
    for (int step = 0; step < 60; ++step) {
      const uint64_t what = Below(12);
      if (what < 8) ChangePlan();
      if (what == 8) MoveNode();
      if (what > 8) Fault();
      scheduler_.RunFor(absl::Milliseconds(Below(10) == 0 ? Below(3'000) : Below(20)));
    }
    for (const auto& [node, speaker] : speakers_) net_.SetBlocked(node, false);
    scheduler_.RunFor(absl::Seconds(40));
    CheckQuiet();
  }
}

TEST_P(PlanStreamTest, ReconnectsWithNothingChangedSendNothing) {
  for (int i = 0; i < 20; ++i) ChangePlan();
  scheduler_.RunFor(absl::Seconds(10));
  CheckQuiet();
  const auto before = controller_->distributor.counters();
  for (const auto& [node, speaker] : speakers_) {
    speaker->changed = 0;
    net_.Cut(node);
  }
  scheduler_.RunFor(absl::Seconds(10));
  CheckQuiet();
  const auto& after = controller_->distributor.counters();
  EXPECT_EQ(after.resumed - before.resumed, 4u);
  EXPECT_EQ(after.snapshots, before.snapshots);
  EXPECT_EQ(after.deltas, before.deltas);
  EXPECT_EQ(after.plan_errors, 0u);

  // A new controller with the same plan moves generations and nothing else.
  StartController(2);
  scheduler_.RunFor(absl::Seconds(10));
  CheckQuiet();
  EXPECT_EQ(controller_->distributor.counters().resumed, 4u);
  EXPECT_EQ(controller_->distributor.counters().snapshots, 0u);
  EXPECT_EQ(controller_->distributor.counters().deltas, 4u);
  for (const auto& [node, speaker] : speakers_) EXPECT_EQ(speaker->changed, 0u) << node;
}

TEST_P(PlanStreamTest, ASlowSpeakerCostsItsStateOnly) {
  for (int i = 0; i < 20; ++i) ChangePlan();
  scheduler_.RunFor(absl::Seconds(10));
  const auto before = controller_->distributor.counters();
  net_.delay = [](const std::string&) { return absl::Milliseconds(500); };
  for (int i = 0; i < 1000; ++i) {
    ChangePlan();
    scheduler_.RunFor(absl::Milliseconds(1));
  }
  net_.delay = nullptr;
  scheduler_.RunFor(absl::Seconds(10));
  CheckQuiet();
  const auto& after = controller_->distributor.counters();
  EXPECT_LE(after.deltas + after.snapshots - before.deltas - before.snapshots, 4u * 4u);
  EXPECT_EQ(after.plan_errors, 0u);
}

// What an end that speaks `Older` knows of a message, or can have said.
template <typename Older, typename Message>
Message Through(const Message& message) {
  Older older;
  EXPECT_TRUE(older.ParseFromString(message.SerializeAsString()));
  older.DiscardUnknownFields();
  Message out;
  EXPECT_TRUE(out.ParseFromString(older.SerializeAsString()));
  return out;
}

// An upgrade half done: some speakers are as old as any, whichever end is the older one.
TEST_P(PlanStreamTest, MixedVersionsConverge) {
  namespace first = plan::recorded::first;
  net_.down = [](const std::string& node, const plan::v1::Plan& plan) {
    return node < "n3" ? Through<first::Plan>(plan) : plan;
  };
  net_.up = [](const std::string& node, const plan::v1::Report& report) {
    return node < "n3" ? Through<first::Report>(report) : report;
  };
  for (int step = 0; step < 100; ++step) {
    Below(4) == 0 ? Fault() : ChangePlan();
    scheduler_.RunFor(absl::Milliseconds(Below(20)));
  }
  for (const auto& [node, speaker] : speakers_) net_.SetBlocked(node, false);
  scheduler_.RunFor(absl::Seconds(40));
  CheckQuiet();
  // The upgrade ends, one speaker at a time, each with the plan that it has saved.
  const auto before = controller_->distributor.counters();
  net_.down = nullptr;
  net_.up = nullptr;
  for (const char* node : {"n1", "n2"}) {
    const link::SavedPlan saved = speakers_[node]->store.saved();
    StartSpeaker(node, saved);
  }
  scheduler_.RunFor(absl::Seconds(10));
  CheckQuiet();
  EXPECT_EQ(controller_->distributor.counters().snapshots, before.snapshots);
}

INSTANTIATE_TEST_SUITE_P(Seeds, PlanStreamTest, ::testing::Range<uint64_t>(1, 11));

}  // namespace
}  // namespace openelb::simulation
