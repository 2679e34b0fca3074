#pragma once
// One object of the API server that is read every so often and changed by conditional updates, by
// one of several controllers.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/random.h"
#include "api/codec/value.h"
#include "controller/kube/backoff.h"
#include "controller/kube/client.h"

namespace openelb::kube {

class KeptObject {
 public:
  struct Options {
    std::string collection;  // its path, such as "/api/v1/namespaces/openelb-system/secrets"
    std::string name;
    absl::Duration interval = absl::Seconds(30);         // between reads while nothing happens
    absl::Duration missing_interval = absl::Seconds(2);  // likewise, while there is none
  };
  // All pointers outlive it.
  KeptObject(Options options, Client* client, const Clock* clock, Random* random);
  ~KeptObject();
  KeptObject(const KeptObject&) = delete;
  KeptObject& operator=(const KeptObject&) = delete;

  // The state below is the newest known, and nothing is under way: Replace may be called.
  bool settled() const { return known_ && !under_way_; }
  // Null pointer: there is no such object.
  const codec::Value* object() const { return object_ ? &*object_ : nullptr; }
  // Grows with each answer of the API server, errors included.
  uint64_t version() const { return version_; }
  // What the last answer was; a conflict counts as OK.
  const absl::Status& error() const { return error_; }

  // Writes `desired`, made from object(), unless somebody else has written in the meantime.
  void Replace(codec::Value desired);
  // Likewise, a JSON merge patch of object(), which is there.
  void Patch(codec::Value patch);
  // Reads at the next Turn.
  void Refresh() { next_ = -absl::InfiniteDuration(); }

  void Turn();
  absl::Duration NextWakeup() const { return under_way_ ? absl::InfiniteDuration() : next_; }

 private:
  void Call(ApiCall call);
  void OnAnswer(bool read, absl::StatusOr<codec::Value> answer);

  const Options options_;
  Client* const client_;
  const Clock* const clock_;
  Random* const random_;
  Backoff backoff_;
  bool known_ = false;
  bool under_way_ = false;
  std::optional<codec::Value> object_;
  uint64_t version_ = 0;
  absl::Status error_;
  absl::Duration next_ = -absl::InfiniteDuration();
  const std::shared_ptr<KeptObject*> self_;  // of calls under way; null once destroyed
};

}  // namespace openelb::kube
