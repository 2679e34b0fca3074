// Any changes and any faults: what the handler was told ends as exactly what the server has, and
// nothing is deleted that was not deleted, or absent from a restored server.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "controller/kube/source_rig.h"
#include "controller/kube/text_at.h"

namespace openelb::kube {
namespace {

using fake::Fault;

#ifdef OPENELB_SANITIZED
constexpr uint64_t kSeeds = 20;
#else
constexpr uint64_t kSeeds = 200;
#endif
constexpr int kSteps = 150;
constexpr int kNames = 12;

constexpr Fault::Kind kKinds[] = {
    Fault::Kind::kStatus,      Fault::Kind::kHang,      Fault::Kind::kNoAnswer,
    Fault::Kind::kRefuse,      Fault::Kind::kCut,       Fault::Kind::kSlow,
    Fault::Kind::kExpired,     Fault::Kind::kDuplicate, Fault::Kind::kLate,
    Fault::Kind::kNoBookmarks, Fault::Kind::kMute,
};
constexpr int kStatuses[] = {401, 403, 404, 410, 429, 500, 503, 504};

class RandomRun {
 public:
  // Of three seeds one has nobody who leads, one a leader, and one a standby.
  explicit RandomRun(uint64_t seed) : dice_(seed), rig_(seed) {
    rig_.server.set_watch_list(Below(2) == 0);
    if (seed % 3 == 2) leader_.Start();
    if (seed % 3 != 0) rig_.elector.Start();
  }
  uint64_t resumed() const { return rig_.Counters("services").reflector.resumed; }
  int passed() const { return passed_; }

  void Run() {
    for (int i = 0; i < 5; ++i) Change();
    rig_.Start();
    for (int step = 0; step < kSteps; ++step) {
      Step();
      rig_.RunFor(absl::Milliseconds(Below(Below(20) == 0 ? 60000 : 800)));
      CheckDeletions();
    }
    Heal();
    CheckDeletions();
    if (Below(2) == 0) RestoreWhatIsWell();
    EXPECT_EQ(Told(), InServer());
    EXPECT_EQ(rig_.told.synced, 1);
    EXPECT_EQ(static_cast<int>(rig_.told.away.size()), rig_.told.back);
  }

 private:
  void Heal() {
    rig_.transport.ClearFaults();
    rig_.transport.SetReachable(true);
    rig_.transport.SetSilent(false);
    // Faults that a watch has caught stay with it.
    rig_.transport.BreakConnections();
    rig_.RunFor(absl::Minutes(3));
  }
  // Nothing else helps to find it out; the Lease was renewed since the snapshot, or was not.
  void RestoreWhatIsWell() {
    snapshot_ = rig_.server.Snapshot();
    for (int i = 0; i < 3; ++i) Change();
    rig_.RunFor(absl::Milliseconds(Below(8000)));
    Restore(/*passes=*/true);
    rig_.RunFor(absl::Seconds(30));
  }

  int Below(int n) { return static_cast<int>(dice_.Next64() % n); }
  std::string AnyName() { return absl::StrCat("s", Below(kNames)); }

  void Step() {
    switch (Below(12)) {
      case 0:
        Strike();
        break;
      case 1:
        rig_.transport.BreakConnections();
        break;
      case 2:
        rig_.transport.SetReachable(Below(2) == 0);
        break;
      case 3:
        rig_.transport.SetSilent(Below(3) == 0);
        break;
      case 4:
        if (Below(3) == 0) rig_.server.Compact();
        break;
      case 5:
        if (Below(4) == 0) rig_.source.RequestFresh([] {});
        break;
      case 6:
        if (Below(4) == 0) rig_.transport.ClearFaults();
        break;
      case 7:
        if (Below(10) == 0) Restore(Below(2) == 0);
        break;
      default:
        Change();
    }
  }

  void Strike() {
    Fault fault;
    fault.kind = kKinds[Below(std::size(kKinds))];
    constexpr const char* kVerbs[] = {"", "list", "watch"};
    fault.verb = kVerbs[Below(3)];
    fault.resource = Below(2) == 0 ? "services" : "";
    fault.count = 1 + Below(6);
    fault.skip = Below(3);
    fault.status = kStatuses[Below(std::size(kStatuses))];
    fault.delay = absl::Milliseconds(Below(3000));
    fault.bytes = Below(4000);
    rig_.Inject(fault);
  }

  // As it is done: the server stops, gets the snapshot, and starts. `passes`: it is away for long,
  // others find it first, and its revisions have passed all earlier ones when we do.
  void Restore(bool passes) {
    if (!snapshot_.has_value()) {
      snapshot_ = rig_.server.Snapshot();
      return;
    }
    const fake::Revision before = rig_.server.revision();
    rig_.transport.SetReachable(false);
    others_.SetReachable(false);
    rig_.server.Restore(*std::exchange(snapshot_, std::nullopt));
    restored_ = true;
    rig_.RunFor(absl::Seconds(1));
    others_.SetReachable(true);
    if (passes) {
      ++passed_;
      while (rig_.server.revision() <= before) Change();
      rig_.RunFor(absl::Seconds(10));
    }
    rig_.transport.SetReachable(true);
  }

  void Change() {
    const std::string name = AnyName();
    const bool exists = !rig_.server.Find("services", "default", name).IsNull();
    const int dice = Below(10);
    if (!exists) {
      rig_.PutService(name);
    } else if (dice < 3) {
      rig_.server.Remove("services", "default", name);
      ++removed_[absl::StrCat("Service/default/", name)];
    } else {
      rig_.server.Patch("services", "default", name,
                        absl::StrCat(R"({"metadata":{"labels":{"v":")", Below(5), R"("}}})"));
    }
  }

  void CheckDeletions() {
    if (restored_) return;
    std::map<std::string, int> told;
    for (const std::string& key : rig_.told.deleted) {
      ASSERT_LE(++told[key], removed_[key]) << key << " was not deleted that often";
    }
  }

  // Name to uid, resourceVersion and label.
  using State = std::map<std::string, std::string>;
  State Told() const {
    State state;
    for (const auto& [key, object] : rig_.told.objects) {
      const auto* service = std::get_if<Service>(&object);
      if (service == nullptr) continue;
      const auto label = service->meta.labels.find("v");
      state[key.name] = absl::StrCat(service->meta.uid, " ", service->meta.resource_version, " ",
                                     label == service->meta.labels.end() ? "" : label->second);
    }
    return state;
  }
  State InServer() const {
    State state;
    for (int i = 0; i < kNames; ++i) {
      const std::string name = absl::StrCat("s", i);
      const codec::Value service = rig_.server.Find("services", "default", name);
      if (service.IsNull()) continue;
      state[name] = absl::StrCat(TextAt(service, {"metadata", "uid"}), " ",
                                 TextAt(service, {"metadata", "resourceVersion"}), " ",
                                 TextAt(service, {"metadata", "labels", "v"}));
    }
    return state;
  }

  SeededRandom dice_;
  SourceRig rig_;
  FakeTransport others_{&rig_.server, &rig_.scheduler};
  Elector leader_{"a_1", &others_, &rig_.scheduler};
  std::map<std::string, int> removed_;
  std::optional<fake::Store> snapshot_;
  bool restored_ = false;
  int passed_ = 0;
};

TEST(SourceRandom, EndsAsTheServer) {
  uint64_t resumed = 0;
  int passed = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    RandomRun run(seed);
    run.Run();
    if (::testing::Test::HasFailure()) return;
    resumed += run.resumed();
    passed += run.passed();
  }
  EXPECT_GT(resumed, 0u);
  EXPECT_GT(passed, 0);
  RecordProperty("resumed", static_cast<int>(resumed));
  RecordProperty("passed", passed);
}

}  // namespace
}  // namespace openelb::kube
