#pragma once
// A Transport to the server in memory, in virtual time: the way unit tests have an API server. Each
// client of one server has its own, with faults of its own.

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "api/base/scheduler.h"
#include "controller/kube/testing/fault.h"
#include "controller/kube/testing/server.h"
#include "controller/kube/transport.h"

namespace openelb::kube {

class FakeTransport final : public Transport {
 public:
  // Both outlive it.
  FakeTransport(fake::Server* server, Scheduler* scheduler);
  ~FakeTransport() override;
  FakeTransport(const FakeTransport&) = delete;
  FakeTransport& operator=(const FakeTransport&) = delete;

  RequestId Start(HttpRequest request, std::shared_ptr<ResponseSink> sink) override;
  void Cancel(RequestId request) override;

  // Of the faults that fit a request, the one injected first strikes.
  void Inject(fake::Fault fault) { faults_.push_back(std::move(fault)); }
  void ClearFaults() { faults_.clear(); }

  // False: all connections break and none can be made.
  void SetReachable(bool reachable);
  // True: the network swallows everything; what was sent arrives when that ends, at clients that
  // still wait for it.
  void SetSilent(bool silent);
  void BreakConnections();

  // From request to server and from there to the client, each. 1 ms at first.
  void set_latency(absl::Duration latency) { latency_ = latency; }
  // Between bookmarks of a watch. 60 s at first.
  void set_bookmark_period(absl::Duration period) { bookmark_period_ = period; }

  // Requests that have not ended.
  size_t open() const { return exchanges_.size(); }

 private:
  // A head, a piece of the body, or the end.
  struct Piece {
    absl::Duration ready;
    std::optional<int> status;
    HttpHeaders headers;
    std::string data;
    std::optional<absl::Status> end;
  };
  struct Exchange {
    HttpRequest request;
    std::shared_ptr<ResponseSink> sink;
    std::optional<fake::Fault> fault;
    bool arrived = false;
    bool deaf = false;  // nothing is answered
    absl::Duration mute_from = absl::InfiniteDuration();
    std::unique_ptr<fake::Watch> watch;
    size_t body_sent = 0;
    std::deque<Piece> pieces;  // under way to the client
    absl::Duration last_ready;
    std::optional<Scheduler::EventId> arrival, delivery, silence, bookmark, ending;
  };

  std::optional<fake::Fault> Strike(const HttpRequest& request);
  bool HasFault(const Exchange& exchange, fake::Fault::Kind kind) const;
  void Arrive(RequestId id);
  void BeginWatch(RequestId id, Exchange* exchange);
  // Sends what watches have by now.
  void Pump();
  void PumpOne(Exchange* exchange);
  void SendBookmark(RequestId id);
  void SendHead(Exchange* exchange, int status, HttpHeaders headers);
  // False: the fault cut the connection.
  bool SendBody(Exchange* exchange, absl::string_view data);
  void SendEnd(Exchange* exchange, const absl::Status& status);
  void Queue(Exchange* exchange, Piece piece, absl::Duration delay);
  void Deliver(RequestId id);
  void ScheduleDeliveries();
  void AwaitSound(RequestId id, Exchange* exchange);
  // Removes it; the sink hears `status` unless it is ok.
  void Finish(RequestId id, const absl::Status& status);

  fake::Server* const server_;
  Scheduler* const scheduler_;
  int listener_;
  std::list<fake::Fault> faults_;
  std::map<RequestId, Exchange> exchanges_;
  RequestId next_id_ = 1;
  bool reachable_ = true;
  bool silent_ = false;
  absl::Duration latency_ = absl::Milliseconds(1);
  absl::Duration bookmark_period_ = absl::Seconds(60);
  std::optional<Scheduler::EventId> pump_;
};

}  // namespace openelb::kube
