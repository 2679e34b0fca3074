#pragma once
// Single calls to the API server: answers as values, errors as absl::Status, and no more of them at
// once than the server likes.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/codec/value.h"
#include "controller/kube/silence_watch.h"
#include "controller/kube/transport.h"

namespace openelb::kube {

inline constexpr const char* kJson = "application/json";
inline constexpr const char* kMergePatch = "application/merge-patch+json";
inline constexpr const char* kApplyPatch = "application/apply-patch+yaml";  // JSON is YAML

struct ApiCall {
  std::string method = "GET";
  std::string path;          // with the query
  std::string content_type;  // of `body`; empty without one
  codec::Value body;
  absl::Duration timeout = absl::Seconds(10);  // as HttpRequest's
};

struct ClientCounters {
  uint64_t calls = 0;      // sent, repetitions included
  uint64_t throttled = 0;  // answered 429
  uint64_t errors = 0;     // answered with another error, or not at all
};

// Owner thread only. At most `in_flight` calls are under way; the rest wait their turn. After 429
// nothing is sent for as long as Retry-After says (1 s without it, at most 60 s), then the refused
// call goes first.
class Client {
 public:
  // The body of the answer (null: it was empty), or the error: those of ErrorOfAnswer and of
  // ResponseSink::OnDone. Unavailable also: the answer is not JSON, as when something that is not
  // an API server answers. ResourceExhausted: it is larger than kMaxAnswerBytes.
  using Done = std::function<void(absl::StatusOr<codec::Value>)>;

  static constexpr int kInFlight = 16;
  static constexpr size_t kMaxAnswerBytes = size_t{64} << 20;

  // Both outlive it.
  Client(Transport* transport, const Clock* clock, int in_flight = kInFlight);
  // Cancels what is under way; no Done is called.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // `done` is called once, later. `urgent` calls (a Lease's renewal) wait for no others and not for
  // Retry-After; when they are themselves answered 429, `done` gets ResourceExhausted.
  void Call(ApiCall call, Done done, bool urgent = false);

  // Sends what waited for Retry-After. Call at NextWakeup (monotonic; InfiniteDuration: never).
  void Turn();
  absl::Duration NextWakeup() const;

  // Since when (monotonic) requests that are under way may wait in vain, if there is reason to
  // think so that was not told before: see SilenceWatch.
  std::optional<absl::Duration> TakeDoubt() { return silence_.Take(); }

  const ClientCounters& counters() const { return counters_; }

 private:
  class Collector;
  struct Waiting {
    ApiCall call;
    Done done;
  };
  void Send(Waiting waiting, bool urgent);
  void Finish(const Collector& collector, absl::StatusOr<codec::Value> answer);

  Transport* const transport_;
  const Clock* const clock_;
  const int limit_;
  std::deque<Waiting> waiting_;
  std::map<RequestId, std::shared_ptr<Collector>> under_way_;
  int counted_ = 0;  // of under_way_, those that are not urgent
  absl::Duration not_before_ = absl::ZeroDuration();
  ClientCounters counters_;
  SilenceWatch silence_;
};

}  // namespace openelb::kube
