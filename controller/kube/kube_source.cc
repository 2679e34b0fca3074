#include "controller/kube/kube_source.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::kube {

struct KubeSource::Feed {
  Feed(const Resource& resource, Logger* log, const Seams& seams)
      : informer(resource, log, seams.viewer), reflector(&informer, seams.random, seams.witness) {}
  Informer informer;
  Reflector reflector;
  RequestId request = 0;  // the one under way, or the last one
};

// Carries one response to its reflector. Requests are cancelled before their source is gone.
class KubeSource::Response final : public ResponseSink {
 public:
  Response(KubeSource* source, Feed* feed) : source_(source), feed_(feed) {}
  void OnHead(int status, const HttpHeaders& headers) override {
    feed_->reflector.OnHead(status, headers, Now());
    source_->OnHead(feed_);
    Moved();
  }
  void OnData(absl::string_view data) override {
    feed_->reflector.OnData(data, Now());
    Moved();
  }
  void OnDone(const absl::Status& status) override {
    feed_->reflector.OnDone(status, Now());
    Moved();
  }

 private:
  absl::Duration Now() const { return source_->seams_.clock->Monotonic(); }
  void Moved() {
    source_->Advance(feed_);
    source_->Settle();
  }

  KubeSource* const source_;
  Feed* const feed_;
};

KubeSource::KubeSource(const KubeSourceOptions& options, Seams seams)
    : options_(options), seams_(seams), log_(seams_.log, seams_.clock) {
  for (const Resource& resource :
       options_.resources.empty() ? ResourcesToRead(options_.ns) : options_.resources) {
    feeds_.push_back(std::make_unique<Feed>(resource, &log_, seams_));
  }
}

KubeSource::~KubeSource() {
  for (const auto& feed : feeds_) seams_.transport->Cancel(feed->request);
}

void KubeSource::Start(Handler* handler) { handler_ = handler; }

void KubeSource::Turn() {
  if (handler_ == nullptr) return;
  // Watches that run may not show it before revisions have passed theirs.
  if (seams_.witness != nullptr &&
      std::exchange(restores_, seams_.witness->restores()) != seams_.witness->restores()) {
    log_.Warning("the API server shows an earlier state, as after a restore; all is listed anew");
    Relist();
  }
  for (const auto& feed : feeds_) Advance(feed.get());
  Settle();
}

absl::Duration KubeSource::NextWakeup() const {
  absl::Duration next = absl::InfiniteDuration();
  if (handler_ == nullptr) return next;
  for (const auto& feed : feeds_) next = std::min(next, feed->reflector.NextWakeup());
  if (const Outage* outage = LongestOutage(); outage != nullptr && !away_) {
    next = std::min(next, outage->since + options_.away_after);
  }
  return next;
}

void KubeSource::Advance(Feed* feed) {
  Reflector::Action action = feed->reflector.Next(seams_.clock->Monotonic());
  if (action.cancel) seams_.transport->Cancel(feed->request);
  if (action.request.has_value()) {
    feed->request =
        seams_.transport->Start(*std::move(action.request), std::make_shared<Response>(this, feed));
  }
  std::vector<ObjectEvent> events = gate_.Pass(feed->informer.TakeEvents());
  if (!events.empty()) handler_->OnEvents(std::move(events));
}

// One answer says that the server can be reached: nobody waits any longer to try.
void KubeSource::OnHead(Feed* feed) {
  for (const auto& other : feeds_) {
    if (other.get() == feed) continue;
    other->reflector.OnServerAnswers(seams_.clock->Monotonic());
    Advance(other.get());
  }
}

// Null pointer: all can be read.
const Outage* KubeSource::LongestOutage() const {
  const Outage* longest = nullptr;
  for (const auto& feed : feeds_) {
    const std::optional<Outage>& outage = feed->reflector.outage();
    if (outage.has_value() && (longest == nullptr || outage->since < longest->since)) {
      longest = &*outage;
    }
  }
  return longest;
}

void KubeSource::Settle() {
  const absl::Duration now = seams_.clock->Monotonic();
  const Outage* outage = LongestOutage();
  constexpr absl::string_view kAway = "away";
  if (outage == nullptr) {
    log_.Recovered(kAway, "the API server can be read again");
    if (std::exchange(away_, false)) handler_->OnBack();
  } else if (outage->since + options_.away_after <= now) {
    log_.Damped(kAway, "the API server cannot be read; what it said last stays",
                outage->status.message());
    if (!std::exchange(away_, true)) handler_->OnAway(std::string(outage->status.message()));
  }
  const auto complete = [](const auto& feed) { return feed->reflector.complete(); };
  if (!synced_ && std::all_of(feeds_.begin(), feeds_.end(), complete)) {
    synced_ = true;
    handler_->OnSynced();
  }
  const auto is_fresh = [this](const FreshRequest& request) {
    for (size_t i = 0; i < feeds_.size(); ++i) {
      if (feeds_[i]->reflector.counters().lists == request.lists[i]) return false;
    }
    return true;
  };
  while (!fresh_.empty() && is_fresh(fresh_.front())) {
    const std::function<void()> done = std::move(fresh_.front().done);
    fresh_.erase(fresh_.begin());
    done();
  }
}

void KubeSource::Relist() {
  for (const auto& feed : feeds_) feed->reflector.Relist(seams_.clock->Monotonic());
}

void KubeSource::RequestFresh(std::function<void()> done) {
  FreshRequest request{.done = std::move(done)};
  for (const auto& feed : feeds_) request.lists.push_back(feed->reflector.counters().lists);
  fresh_.push_back(std::move(request));
  Relist();
}

void KubeSource::Doubt(absl::Duration since) {
  if (handler_ == nullptr) return;
  for (const auto& feed : feeds_) {
    feed->reflector.Doubt(since);
    Advance(feed.get());
  }
}

std::vector<ResourceCounters> KubeSource::counters() const {
  std::vector<ResourceCounters> counters;
  for (const auto& feed : feeds_) {
    counters.push_back({.resource = feed->informer.resource().name,
                        .objects = feed->informer.size(),
                        .reflector = feed->reflector.counters(),
                        .informer = feed->informer.counters()});
  }
  return counters;
}

}  // namespace openelb::kube
