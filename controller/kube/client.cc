#include "controller/kube/client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/codec/write.h"
#include "controller/kube/api_status.h"
#include "controller/kube/json.h"

namespace openelb::kube {

// Gathers the answer to one call.
class Client::Collector final : public ResponseSink {
 public:
  Collector(Client* client, Waiting asked, bool urgent)
      : client_(client),
        asked_(std::move(asked)),
        urgent_(urgent),
        sent_(client->clock_->Monotonic()) {}

  void set_id(RequestId id) { id_ = id; }
  RequestId id() const { return id_; }
  bool urgent() const { return urgent_; }

  void OnHead(int status, const HttpHeaders& headers) override {
    status_ = status;
    retry_after_ = RetryAfter(headers);
  }

  void OnData(absl::string_view data) override {
    if (body_.size() + data.size() <= kMaxAnswerBytes) {
      body_.append(data.data(), data.size());
      return;
    }
    client_->transport_->Cancel(id_);
    client_->Finish(*this, absl::ResourceExhaustedError(absl::StrCat("the answer is larger than ",
                                                                     kMaxAnswerBytes, " bytes")));
  }

  void OnDone(const absl::Status& status) override {
    client_->Finish(*this, status.ok() ? Answer() : status);
  }

  bool answered() const { return status_ != 0; }
  absl::Duration sent() const { return sent_; }
  bool throttled() const { return status_ == 429; }
  absl::Duration retry_after() const { return retry_after_; }
  Waiting& asked() { return asked_; }

 private:
  absl::StatusOr<codec::Value> Answer() const {
    if (!IsSuccess(status_)) return ErrorOfAnswer(status_, body_);
    if (body_.empty()) return codec::Value();
    absl::StatusOr<codec::Value> value = ParseJson(body_);
    if (value.ok()) return value;
    return absl::UnavailableError(
        absl::StrCat("the answer is none of an API server: ", value.status().message()));
  }

  Client* const client_;
  Waiting asked_;
  const bool urgent_;
  const absl::Duration sent_;
  RequestId id_ = 0;
  int status_ = 0;
  absl::Duration retry_after_;
  std::string body_;
};

Client::Client(Transport* transport, const Clock* clock, int in_flight)
    : transport_(transport), clock_(clock), limit_(in_flight) {}

Client::~Client() {
  for (const auto& [id, collector] : under_way_) transport_->Cancel(id);
}

void Client::Call(ApiCall call, Done done, bool urgent) {
  Waiting asked{std::move(call), std::move(done)};
  if (urgent) return Send(std::move(asked), urgent);
  waiting_.push_back(std::move(asked));
  Turn();
}

void Client::Send(Waiting asked, bool urgent) {
  const ApiCall& call = asked.call;
  HttpRequest request{call.method, call.path, call.content_type, "", call.timeout};
  if (!call.content_type.empty()) request.body = codec::ToJson(call.body);
  ++counters_.calls;
  if (!urgent) ++counted_;
  auto collector = std::make_shared<Collector>(this, std::move(asked), urgent);
  collector->set_id(transport_->Start(std::move(request), collector));
  under_way_.emplace(collector->id(), collector);
}

void Client::Finish(const Collector& collector, absl::StatusOr<codec::Value> answer) {
  const auto node = under_way_.extract(collector.id());
  Waiting& asked = node.mapped()->asked();
  if (!collector.urgent()) --counted_;
  silence_.OnEnd(collector.sent(), collector.answered(), clock_->Monotonic());
  if (collector.throttled()) {
    ++counters_.throttled;
    not_before_ = std::max(not_before_, clock_->Monotonic() + collector.retry_after());
    if (!collector.urgent()) {
      waiting_.push_front(std::move(asked));
      return;
    }
  } else if (!answer.ok()) {
    ++counters_.errors;
  }
  Turn();
  asked.done(std::move(answer));
}

void Client::Turn() {
  while (!waiting_.empty() && counted_ < limit_ && clock_->Monotonic() >= not_before_) {
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    Send(std::move(next), false);
  }
}

absl::Duration Client::NextWakeup() const {
  if (waiting_.empty() || counted_ >= limit_) return absl::InfiniteDuration();
  return not_before_;
}

}  // namespace openelb::kube
