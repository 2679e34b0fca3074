// A controller that has planned already: the product's own distributor and server (controller/push)
// with a plan made here, so that a speaker can be measured without the work of a planner, and the
// moment it is told something is known.
//
//   plan_feeder --listen HOST:PORT --cert FILE --key FILE --tokens FILE --node NAME --local-as N
//       --router-id A.B.C.D --peers A.B.C.D[,...] --peer-as N --routes N --hops N --hold-time 9s
//       --pipe FIFO
//
// The plan: N /32 from 10.64.0.0 that share one group of next hops, the router id and those after
// it, to all peers. A line in the pipe changes it: withdraw, announce (all); one, undo (a route
// more); less, more (the last next hop of the group). Prints, each with nanoseconds since 1970:
// "told TIME" right before a change is handed to the distributor, "acked TIME" when the speaker has
// applied all there is.

#include <malloc.h>
#include <time.h>

#include <fstream>
#include <iostream>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/event_loop.h"
#include "api/base/flags.h"
#include "api/base/ip.h"
#include "api/base/log.h"
#include "api/plan/v1/plan.pb.h"
#include "controller/plan/resource_set.h"
#include "controller/push/distributor.h"
#include "controller/push/grpc_server.h"
#include "controller/push/token_file_authenticator.h"

namespace openelb::bench {
namespace {

constexpr char kProgram[] = "plan_feeder";
constexpr char kSet[] = "plan";
constexpr char kScope[] = "all";
constexpr char kGroup[] = "hops";
constexpr uint32_t kFirst = 0x0a400000;

struct Options {
  HostPort listen;
  std::string cert, key, tokens, node, router_id, peers, pipe;
  int64_t local_as = 0, peer_as = 0, routes = 0, hops = 1;
  absl::Duration hold_time = absl::Seconds(90);
};

void Tell(const char* what) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  std::cout << what << " " << now.tv_sec * 1'000'000'000 + now.tv_nsec << '\n' << std::flush;
}

class Plan final : public plan::PlanView {
 public:
  explicit Plan(const Options& options) : options_(options) {
    plan::v1::ResourceBody body;
    body.mutable_instance()->set_local_as(options.local_as);
    body.mutable_instance()->set_router_id(options.router_id);
    body.mutable_instance()->set_listen_port(-1);
    set_.Put("instance", body.SerializeAsString());
    const std::vector<std::string> peers = absl::StrSplit(options.peers, ',');
    for (const std::string& address : peers) {
      plan::v1::BgpPeer* peer = body.mutable_peer();
      peer->Clear();
      peer->set_address(address);
      peer->set_name(address);
      peer->set_remote_as(options.peer_as);
      peer->set_remote_port(179);
      peer->set_hold_time_s(absl::ToInt64Seconds(options.hold_time));
      peer->set_connect_retry_s(1);
      peer->set_ttl(1);
      peer->set_scope(kScope);
      plan::v1::AddressFamily* family = peer->add_families();
      family->set_family(4);
      family->set_add_path_send(options.hops > 1);
      set_.Put("peer/" + address, body.SerializeAsString());
    }
    PutGroup(options.hops);
    All(true);
  }

  std::vector<std::string> SetsOf(absl::string_view) const override { return {kSet}; }
  const plan::ResourceSet* Find(absl::string_view) const override { return &set_; }

  // What one line in the pipe changes; false: there is no such command.
  bool Change(const std::string& word, plan::PlanChange* change) {
    std::set<std::string>& keys = change->keys[kSet];
    if (word == "announce" || word == "withdraw") {
      keys = All(word == "announce");
    } else if (word == "one" || word == "undo") {
      keys = {PutRoute(options_.routes, word == "one")};
    } else if (word == "less" || word == "more") {
      keys = {PutGroup(word == "more" ? options_.hops : options_.hops - 1)};
    } else {
      return false;
    }
    return true;
  }

 private:
  std::set<std::string> All(bool announced) {
    std::set<std::string> keys;
    for (int64_t i = 0; i < options_.routes; ++i) keys.insert(PutRoute(i, announced));
    return keys;
  }

  std::string PutRoute(int64_t number, bool announced) {
    const std::string prefix =
        IpPrefix::Host(IpAddress::FromV4(kFirst + static_cast<uint32_t>(number))).ToString();
    const std::string key = "route/" + prefix;
    if (announced) {
      plan::v1::ResourceBody body;
      body.mutable_route()->set_prefix(prefix);
      plan::v1::Target* target = body.mutable_route()->add_targets();
      target->set_scope(kScope);
      target->set_group(kGroup);
      body.mutable_route()->add_services(absl::StrCat("default/s", number));
      set_.Put(key, body.SerializeAsString());
    } else {
      set_.Erase(key);
    }
    return key;
  }

  std::string PutGroup(int64_t hops) {
    plan::v1::ResourceBody body;
    body.mutable_group()->set_id(kGroup);
    const absl::uint128 own = IpAddress::Parse(options_.router_id)->Ordinal();
    for (int64_t i = 0; i < hops; ++i) {
      plan::v1::Member* member = body.mutable_group()->add_members();
      member->set_node(absl::StrCat("node", i));
      member->set_address(IpAddress::FromOrdinal(Family::kV4, own + i).ToString());
    }
    const std::string key = absl::StrCat("group/", kGroup);
    set_.Put(key, body.SerializeAsString());
    return key;
  }

  const Options options_;
  plan::ResourceSet set_;
};

class Feeder final : public EventLoopWork,
                     private push::PlanLink::Handler,
                     private push::Distributor::Owner {
 public:
  Feeder(const Options& options, EventLoop* loop, Logger* log)
      : options_(options),
        plan_(options),
        authenticator_(options.tokens, log),
        server_({.cert = options.cert, .key = options.key}, &authenticator_, this,
                [loop](std::function<void()> f) { loop->Post(std::move(f)); }),
        distributor_(&plan_, &server_, this, log) {}

  absl::Status Start() {
    if (absl::Status loaded = authenticator_.Load(); !loaded.ok()) return loaded;
    const auto port = server_.Start(options_.listen.ToString());
    // Larger than that of an earlier process, whose plan a speaker may hold.
    distributor_.SetEpoch(absl::ToUnixSeconds(clock_.Wall()), Now());
    return port.status();
  }
  void Turn() override { distributor_.Tick(Now()); }
  absl::Duration NextWakeup() override { return distributor_.NextWakeup(); }
  void Obey(const std::string& word) {
    change_ = {};
    if (!plan_.Change(word, &change_)) {
      std::cerr << kProgram << ": no such command: " << word << '\n';
      return;
    }
    Tell("told");
    distributor_.OnPlanChange(change_, Now());
  }

 private:
  void OnAttached(push::StreamId stream, const push::Origin& origin) override {
    distributor_.OnAttached(stream, origin, Now());
  }
  void OnReport(push::StreamId stream, const plan::v1::Report& report) override {
    distributor_.OnReport(stream, report, Now());
  }
  void OnWritable(push::StreamId stream) override { distributor_.OnWritable(stream, Now()); }
  void OnDetached(push::StreamId stream, const absl::Status& why) override {
    distributor_.OnDetached(stream, why, Now());
  }
  void OnSpeakerUp(const std::string&, const plan::v1::Hello&) override {}
  void OnSpeakerDown(const std::string& node, const absl::Status& why) override {
    std::cerr << kProgram << ": " << node << ": " << why << '\n';
  }
  void OnSecondSpeaker(const std::string&, const std::string&) override {}
  void OnScraperToken(push::StreamId, const std::string&, uint64_t) override {}
  void OnSpeakerReport(const std::string&, const plan::v1::Report&) override {}
  void OnAcked(const std::string& node, plan::Generation generation,
               std::optional<absl::Duration>) override {
    for (const auto& [key, why] : distributor_.Speakers()[node].nacks) {
      std::cerr << kProgram << ": " << node << " refuses " << key << ": " << why << '\n';
    }
    if (generation == distributor_.generation()) Tell("acked");
  }
  void OnLargerEpoch(const std::string&, uint64_t epoch) override {
    distributor_.SetEpoch(epoch + 1, Now());
  }
  absl::Duration Now() const { return clock_.Monotonic(); }

  const Options options_;
  const SystemClock clock_;
  Plan plan_;
  plan::PlanChange change_;  // the last one: a planner's, which frees it when it likes
  push::TokenFileAuthenticator authenticator_;
  push::GrpcServer server_;
  push::Distributor distributor_;
};

int Main(std::span<const char* const> args) {
  // What the plan's change has freed is put in order before it counts, not at some later
  // allocation.
  mallopt(M_MXFAST, 0);
  Options options;
  FlagSet flags(kProgram, "[flags]", "Feeds one speaker a plan made here.");
  flags.Address("listen", &options.listen, "where the speaker dials");
  flags.String("cert", &options.cert, "certificate");
  flags.String("key", &options.key, "its key");
  flags.String("tokens", &options.tokens, "file of NODE TOKEN");
  flags.String("node", &options.node, "the speaker's node");
  flags.Int("local-as", &options.local_as, 1, 4294967295, "of the speaker");
  flags.String("router-id", &options.router_id, "of the speaker, and its first next hop");
  flags.String("peers", &options.peers, "addresses, with commas");
  flags.Int("peer-as", &options.peer_as, 1, 4294967295, "of all peers");
  flags.Int("routes", &options.routes, 0, 131071, "how many at the start");
  flags.Int("hops", &options.hops, 1, 16, "next hops of each route");
  flags.Duration("hold-time", &options.hold_time, "of the sessions");
  flags.String("pipe", &options.pipe, "FIFO of commands");
  if (const absl::Status parsed = flags.Parse(args); !parsed.ok() || flags.help()) {
    std::cerr << (flags.help() ? flags.Help() : std::string(parsed.message())) << '\n';
    return 2;
  }
  SystemClock clock;
  StderrLogSink sink(StderrLogSink::Format::kText, LogLevel::kWarning);
  Logger log(&sink, &clock);
  EventLoop loop(&clock);
  Feeder feeder(options, &loop, &log);
  if (const absl::Status started = feeder.Start(); !started.ok()) {
    std::cerr << kProgram << ": " << started << '\n';
    return 1;
  }
  std::thread commands([&] {
    std::fstream pipe(options.pipe);  // both ways, so that it has no end
    for (std::string line; std::getline(pipe, line);) {
      loop.Post([&feeder, line] { feeder.Obey(line); });
    }
  });
  Tell("listening");
  loop.Run(&feeder);  // until a signal
  commands.join();
  return 0;
}

}  // namespace
}  // namespace openelb::bench

int main(int argc, char** argv) {
  return openelb::bench::Main({argv + 1, static_cast<size_t>(argc - 1)});
}
