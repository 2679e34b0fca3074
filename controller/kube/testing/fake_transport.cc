#include "controller/kube/testing/fake_transport.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "api/codec/write.h"

namespace openelb::kube {

using fake::Fault;

namespace {

// A server ends watches by itself after half an hour or more.
constexpr absl::Duration kLongestWatch = absl::Minutes(45);
// It says where a watch stands shortly before that.
constexpr absl::Duration kLastBookmark = absl::Seconds(2);

absl::Status Broken() { return absl::UnavailableError("the connection broke"); }

}  // namespace

FakeTransport::FakeTransport(fake::Server* server, Scheduler* scheduler)
    : server_(server), scheduler_(scheduler) {
  listener_ = server_->AddListener([this] {
    // Deferred, so that one turn of the server's is one piece of the stream.
    if (pump_.has_value()) return;
    pump_ = scheduler_->After(absl::ZeroDuration(), [this] {
      pump_.reset();
      Pump();
    });
  });
}

FakeTransport::~FakeTransport() {
  server_->RemoveListener(listener_);
  if (pump_.has_value()) scheduler_->Cancel(*pump_);
  while (!exchanges_.empty()) Finish(exchanges_.begin()->first, absl::OkStatus());
}

RequestId FakeTransport::Start(HttpRequest request, std::shared_ptr<ResponseSink> sink) {
  const RequestId id = next_id_++;
  Exchange& exchange = exchanges_[id];
  exchange.request = std::move(request);
  exchange.sink = std::move(sink);
  exchange.arrival = scheduler_->After(latency_, [this, id] { Arrive(id); });
  AwaitSound(id, &exchange);
  return id;
}

void FakeTransport::Cancel(RequestId request) {
  if (exchanges_.contains(request)) Finish(request, absl::OkStatus());
}

void FakeTransport::SetReachable(bool reachable) {
  reachable_ = reachable;
  if (!reachable) BreakConnections();
}

void FakeTransport::SetSilent(bool silent) {
  silent_ = silent;
  if (silent) return;
  std::vector<RequestId> waiting;
  for (const auto& [id, exchange] : exchanges_) {
    if (!exchange.arrived && !exchange.arrival.has_value()) waiting.push_back(id);
  }
  for (const RequestId id : waiting) Arrive(id);
  ScheduleDeliveries();
}

void FakeTransport::BreakConnections() {
  for (auto& [id, exchange] : exchanges_) {
    if (!exchange.arrived) continue;
    exchange.pieces.clear();
    exchange.watch.reset();
    exchange.mute_from = absl::InfiniteDuration();
    SendEnd(&exchange, Broken());
  }
}

std::optional<Fault> FakeTransport::Strike(const HttpRequest& request) {
  const std::optional<fake::ApiRequest> read = fake::ReadRequest(request.method, request.path);
  if (!read.has_value()) return std::nullopt;
  for (auto it = faults_.begin(); it != faults_.end(); ++it) {
    if (!it->verb.empty() && it->verb != read->verb) continue;
    if (!it->resource.empty() && it->resource != read->ResourceName()) continue;
    if (it->skip > 0) {
      --it->skip;
      continue;
    }
    const Fault fault = *it;
    if (it->count > 0 && --it->count == 0) faults_.erase(it);
    return fault;
  }
  return std::nullopt;
}

bool FakeTransport::HasFault(const Exchange& exchange, Fault::Kind kind) const {
  return exchange.fault.has_value() && exchange.fault->kind == kind;
}

void FakeTransport::Arrive(RequestId id) {
  Exchange& exchange = exchanges_.at(id);
  exchange.arrival.reset();
  if (!reachable_) return Finish(id, absl::UnavailableError("connection refused"));
  if (silent_) return;
  exchange.arrived = true;
  exchange.fault = Strike(exchange.request);
  if (HasFault(exchange, Fault::Kind::kHang)) return;
  if (HasFault(exchange, Fault::Kind::kRefuse)) return Finish(id, Broken());
  if (HasFault(exchange, Fault::Kind::kStatus)) {
    const fake::Reply reply = fake::Unwell(exchange.fault->status, exchange.fault->delay);
    SendHead(&exchange, reply.status, reply.headers);
    if (SendBody(&exchange, codec::ToJson(reply.body))) SendEnd(&exchange, absl::OkStatus());
    return;
  }
  const int behind = HasFault(exchange, Fault::Kind::kStale) ? exchange.fault->behind : 0;
  fake::Server::Answer answer = server_->Serve(exchange.request, behind);
  exchange.deaf = HasFault(exchange, Fault::Kind::kNoAnswer);
  if (exchange.deaf) return;
  if (HasFault(exchange, Fault::Kind::kCut) && exchange.fault->bytes == 0) {
    return SendEnd(&exchange, Broken());
  }
  SendHead(&exchange, answer.reply.status, answer.reply.headers);
  exchange.watch = std::move(answer.watch);
  if (exchange.watch != nullptr) return BeginWatch(id, &exchange);
  if (SendBody(&exchange, codec::ToJson(answer.reply.body))) SendEnd(&exchange, absl::OkStatus());
}

void FakeTransport::BeginWatch(RequestId id, Exchange* exchange) {
  const std::optional<fake::ApiRequest> request =
      fake::ReadRequest(exchange->request.method, exchange->request.path);
  int64_t seconds = 0;
  absl::Duration length = kLongestWatch;
  if (absl::SimpleAtoi(request->Param("timeoutSeconds"), &seconds) && seconds > 0) {
    length = absl::Seconds(seconds);
  }
  if (HasFault(*exchange, Fault::Kind::kMute)) {
    exchange->mute_from = scheduler_->Monotonic() + exchange->fault->delay;
  }
  if (HasFault(*exchange, Fault::Kind::kExpired)) {
    exchange->watch->Fail(fake::ExpiredBody("too old resource version"));
  }
  exchange->ending = scheduler_->After(length, [this, id] {
    Exchange& ended = exchanges_.at(id);
    ended.ending.reset();
    ended.watch.reset();
    SendEnd(&ended, absl::OkStatus());
  });
  exchange->bookmark = scheduler_->After(
      std::min(bookmark_period_, std::max(length - kLastBookmark, absl::ZeroDuration())),
      [this, id] { SendBookmark(id); });
  PumpOne(exchange);
}

void FakeTransport::Pump() {
  for (auto& [id, exchange] : exchanges_) PumpOne(&exchange);
}

void FakeTransport::PumpOne(Exchange* exchange) {
  if (exchange->watch == nullptr) return;
  for (const std::string& line : exchange->watch->Take()) {
    if (!SendBody(exchange, line)) return;
    if (HasFault(*exchange, Fault::Kind::kDuplicate) && !SendBody(exchange, line)) return;
  }
  if (!exchange->watch->finished()) return;
  exchange->watch.reset();
  SendEnd(exchange, absl::OkStatus());
}

void FakeTransport::SendBookmark(RequestId id) {
  Exchange& exchange = exchanges_.at(id);
  exchange.bookmark.reset();
  if (exchange.watch == nullptr) return;
  exchange.bookmark = scheduler_->After(bookmark_period_, [this, id] { SendBookmark(id); });
  if (HasFault(exchange, Fault::Kind::kNoBookmarks)) return;
  PumpOne(&exchange);
  if (exchange.watch == nullptr) return;
  if (const std::string line = exchange.watch->Bookmark(); !line.empty()) SendBody(&exchange, line);
}

void FakeTransport::SendHead(Exchange* exchange, int status, HttpHeaders headers) {
  Piece piece;
  piece.status = status;
  piece.headers = std::move(headers);
  Queue(exchange, std::move(piece), latency_);
}

bool FakeTransport::SendBody(Exchange* exchange, absl::string_view data) {
  const bool slow = HasFault(*exchange, Fault::Kind::kSlow);
  const bool late = HasFault(*exchange, Fault::Kind::kLate);
  const bool cut = HasFault(*exchange, Fault::Kind::kCut);
  const size_t size = slow ? std::max<size_t>(exchange->fault->bytes, 1) : 16384;
  if (cut) data = data.substr(0, exchange->fault->bytes - exchange->body_sent);
  exchange->body_sent += data.size();
  while (!data.empty()) {
    Piece piece;
    piece.data = std::string(data.substr(0, size));
    data.remove_prefix(piece.data.size());
    Queue(exchange, std::move(piece), slow || late ? exchange->fault->delay : latency_);
  }
  if (!cut || exchange->body_sent < exchange->fault->bytes) return true;
  exchange->watch.reset();
  SendEnd(exchange, Broken());
  return false;
}

void FakeTransport::SendEnd(Exchange* exchange, const absl::Status& status) {
  Piece piece;
  piece.end = status;
  Queue(exchange, std::move(piece), latency_);
}

void FakeTransport::Queue(Exchange* exchange, Piece piece, absl::Duration delay) {
  if (exchange->mute_from <= scheduler_->Monotonic()) return;
  if (!exchange->pieces.empty() && exchange->pieces.back().end.has_value()) return;
  // Slow pieces follow one another; others arrive together.
  const bool slow = HasFault(*exchange, Fault::Kind::kSlow);
  piece.ready = slow ? std::max(exchange->last_ready, scheduler_->Monotonic()) + delay
                     : std::max(exchange->last_ready, scheduler_->Monotonic() + delay);
  exchange->last_ready = piece.ready;
  exchange->pieces.push_back(std::move(piece));
  ScheduleDeliveries();
}

void FakeTransport::ScheduleDeliveries() {
  if (silent_) return;
  for (auto& [id, exchange] : exchanges_) {
    if (exchange.pieces.empty() || exchange.delivery.has_value()) continue;
    exchange.delivery =
        scheduler_->At(exchange.pieces.front().ready, [this, id = id] { Deliver(id); });
  }
}

void FakeTransport::Deliver(RequestId id) {
  Exchange& exchange = exchanges_.at(id);
  exchange.delivery.reset();
  if (silent_ || exchange.pieces.empty()) return;
  const Piece piece = std::move(exchange.pieces.front());
  exchange.pieces.pop_front();
  ScheduleDeliveries();
  // Kept by itself: the sink may cancel the request.
  const std::shared_ptr<ResponseSink> sink = exchange.sink;
  if (piece.end.has_value()) {
    Finish(id, absl::OkStatus());
    return sink->OnDone(*piece.end);
  }
  AwaitSound(id, &exchange);
  if (piece.status.has_value()) {
    sink->OnHead(*piece.status, piece.headers);
  } else {
    sink->OnData(piece.data);
  }
}

void FakeTransport::AwaitSound(RequestId id, Exchange* exchange) {
  if (exchange->silence.has_value()) scheduler_->Cancel(*exchange->silence);
  exchange->silence.reset();
  if (exchange->request.timeout == absl::InfiniteDuration()) return;
  exchange->silence = scheduler_->After(exchange->request.timeout, [this, id] {
    exchanges_.at(id).silence.reset();
    Finish(id, absl::DeadlineExceededError("no answer"));
  });
}

void FakeTransport::Finish(RequestId id, const absl::Status& status) {
  const auto it = exchanges_.find(id);
  const std::shared_ptr<ResponseSink> sink = it->second.sink;
  for (const std::optional<Scheduler::EventId>& event :
       {it->second.arrival, it->second.delivery, it->second.silence, it->second.bookmark,
        it->second.ending}) {
    if (event.has_value()) scheduler_->Cancel(*event);
  }
  exchanges_.erase(it);
  if (!status.ok()) sink->OnDone(status);
}

}  // namespace openelb::kube
