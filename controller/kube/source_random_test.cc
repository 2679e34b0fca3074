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
    Fault::Kind::kNoBookmarks,
};
constexpr int kStatuses[] = {401, 403, 404, 410, 429, 500, 503, 504};

class RandomRun {
 public:
  explicit RandomRun(uint64_t seed) : dice_(seed), rig_(seed) {
    rig_.server.set_watch_list(Below(2) == 0);
  }

  void Run() {
    for (int i = 0; i < 5; ++i) Change();
    rig_.Start();
    for (int step = 0; step < kSteps; ++step) {
      Step();
      rig_.RunFor(absl::Milliseconds(Below(Below(20) == 0 ? 60000 : 800)));
      CheckDeletions();
    }
    rig_.transport.ClearFaults();
    rig_.transport.SetReachable(true);
    rig_.transport.SetSilent(false);
    // Faults that a watch has caught stay with it.
    rig_.transport.BreakConnections();
    rig_.RunFor(absl::Minutes(3));
    CheckDeletions();
    EXPECT_EQ(Told(), InServer());
    EXPECT_EQ(rig_.told.synced, 1);
    EXPECT_EQ(static_cast<int>(rig_.told.away.size()), rig_.told.back);
  }

 private:
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
        if (Below(10) == 0) Restore();
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

  // As it is done: the server stops, gets the snapshot, and starts.
  void Restore() {
    if (!snapshot_.has_value()) {
      snapshot_ = rig_.server.Snapshot();
      return;
    }
    rig_.transport.SetReachable(false);
    rig_.server.Restore(*std::exchange(snapshot_, std::nullopt));
    restored_ = true;
    rig_.RunFor(absl::Seconds(1));
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
  std::map<std::string, int> removed_;
  std::optional<fake::Store> snapshot_;
  bool restored_ = false;
};

TEST(SourceRandom, EndsAsTheServer) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    RandomRun(seed).Run();
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace openelb::kube
