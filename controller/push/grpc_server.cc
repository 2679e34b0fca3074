#include "controller/push/grpc_server.h"

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/security/server_credentials.h>

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "api/base/clock.h"
#include "api/base/host_port.h"
#include "api/base/listen_socket.h"
#include "api/base/mutex.h"
#include "api/plan/callback_queue.h"
#include "api/plan/referral.h"
#include "api/plan/v1/plan.grpc.pb.h"
#include "controller/push/stream_identity.h"
#include "controller/push/tls_credentials.h"

namespace openelb::push {
namespace {

using plan::v1::Plan;
using plan::v1::Report;

constexpr int kMaxReportBytes = 4 << 20;
// Transport keepalive, both interval and patience: tighter ones turn overload into mass disconnect.
constexpr int kKeepaliveMs = 1000;
// Of a speaker on a slow link both take a fraction of a second. A client that says nothing, or one
// octet a second, costs a connection no longer than this.
constexpr int kHandshakeMs = 5000;
constexpr int kIdleMs = 10000;  // without a stream
// A speaker needs one, and another one beside one that is about to end.
constexpr int kStreamsOfConnection = 4;

grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message()),
          plan::EncodeReferral(status)};
}

absl::string_view BearerToken(const grpc::CallbackServerContext& context) {
  constexpr absl::string_view kScheme = "Bearer ";
  const auto header = context.client_metadata().find("authorization");
  if (header == context.client_metadata().end()) return "";
  const absl::string_view value(header->second.data(), header->second.size());
  return absl::StartsWithIgnoreCase(value, kScheme) ? value.substr(kScheme.size()) : "";
}

// What a stream tells its owner. The functions are called on gRPC's threads.
class StreamEvents {
 public:
  virtual ~StreamEvents() = default;
  virtual void Post(std::function<void(PlanLink::Handler*)> event) = 0;
  // The token of a stream of `peer` counts.
  virtual void Known(absl::string_view peer) = 0;
  // `known_peer`: what Known was told; empty: it was not called.
  virtual void Done(StreamId id, absl::string_view known_peer) = 0;
};

// One Attach call. Operations are started by the owner thread and by gRPC's, but none after Finish:
// that is what the mutex is for.
class Stream final : public grpc::ServerBidiReactor<Report, Plan>,
                     public std::enable_shared_from_this<Stream> {
 public:
  // `authenticator` is null when everybody is believed.
  Stream(StreamId id, grpc::CallbackServerContext* context, Authenticator* authenticator,
         absl::Duration refusal_delay, StreamEvents* events)
      : id_(id),
        context_(context),
        peer_(context->peer()),
        authenticator_(authenticator),
        refusal_delay_(refusal_delay),
        events_(events),
        identity_(std::string(BearerToken(*context))) {}

  void Start() {
    if (authenticator_ != nullptr) return CheckIdentity();
    {
      MutexLock lock(&mutex_);
      Know();
    }
    Open();
  }

  void Write(std::shared_ptr<const Plan> plan) {
    MutexLock lock(&mutex_);
    if (finishing_) return;
    writing_ = std::move(plan);
    StartWrite(writing_.get());
  }

  void Read() {
    MutexLock lock(&mutex_);
    if (!finishing_) StartRead(&report_);
  }

  // The mutex is not held around Finish, which may end in OnDone.
  void End(const absl::Status& why) {
    {
      MutexLock lock(&mutex_);
      if (finishing_) return;
      finishing_ = true;
      why_ = why;
      // A peer that does not read would hold up the status forever.
      if (writing_ != nullptr) context_->TryCancel();
    }
    Finish(ToGrpc(why));
  }

  void OnSendInitialMetadataDone(bool ok) override {
    if (!ok) return End(absl::UnavailableError("connection lost"));
    {
      MutexLock lock(&mutex_);
      attached_ = true;
    }
    events_->Post([self = shared_from_this()](PlanLink::Handler* handler) {
      handler->OnAttached(self->id_, {self->Node(), HostOfPeer(self->peer_)});
    });
    Read();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return End(absl::UnavailableError("the speaker ended the stream"));
    auto report = std::make_shared<Report>();
    {
      MutexLock lock(&mutex_);
      report->Swap(&report_);
      if (report->has_token()) {
        identity_.OnRenewed(std::move(*report->mutable_token()->mutable_token()));
      }
    }
    // Live speakers report all the time, so that a token is looked at soon after it is due.
    if (authenticator_ != nullptr) CheckIdentity();
    if (report->has_token()) return Read();
    // The next report is read once this one was handled.
    events_->Post([self = shared_from_this(), report](PlanLink::Handler* handler) {
      handler->OnReport(self->id_, *report);
      self->Read();
    });
  }
  void OnWriteDone(bool ok) override {
    {
      MutexLock lock(&mutex_);
      writing_.reset();
    }
    if (!ok) return End(absl::UnavailableError("connection lost"));
    events_->Post([self = shared_from_this()](PlanLink::Handler* handler) {
      handler->OnWritable(self->id_);
    });
  }
  void OnCancel() override { End(absl::CancelledError("cancelled")); }
  void OnDone() override {
    bool attached;
    std::string known_peer;
    absl::Status why;
    {
      MutexLock lock(&mutex_);
      attached = attached_;
      if (known_) known_peer = peer_;
      why = why_;
    }
    if (attached) {
      events_->Post([id = id_, why](PlanLink::Handler* handler) { handler->OnDetached(id, why); });
    }
    events_->Done(id_, known_peer);  // may delete this
  }

 private:
  void Open() {
    MutexLock lock(&mutex_);
    if (!finishing_) StartSendInitialMetadata();
  }
  std::string Node() {
    MutexLock lock(&mutex_);
    return identity_.node();
  }
  void CheckIdentity() {
    std::optional<std::string> token;
    {
      MutexLock lock(&mutex_);
      if (!finishing_) token = identity_.Next(clock_.Monotonic());
    }
    if (!token) return;
    authenticator_->Authenticate(*token,
                                 [weak = weak_from_this()](const absl::StatusOr<Identity>& answer) {
                                   if (const auto self = weak.lock()) self->OnIdentity(answer);
                                 });
  }
  void OnIdentity(const absl::StatusOr<Identity>& answer) {
    absl::Status status;
    bool is_new;
    {
      MutexLock lock(&mutex_);
      is_new = identity_.node().empty();
      status = identity_.OnAnswer(answer, clock_.Monotonic());
      if (status.ok() && is_new && !finishing_) Know();
    }
    if (!status.ok()) return is_new ? Refuse(status) : End(status);
    if (is_new) Open();
  }
  // Under the mutex, so that it is never told after the end.
  void Know() REQUIRES(mutex_) {
    known_ = true;
    events_->Known(peer_);
  }
  void Refuse(const absl::Status& why) {
    // By the clock that nobody sets.
    const auto at =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                     gpr_time_from_millis(absl::ToInt64Milliseconds(refusal_delay_), GPR_TIMESPAN));
    refusal_.Set(at, [weak = weak_from_this(), why](bool) {
      if (const auto self = weak.lock()) self->End(why);
    });
  }

  const StreamId id_;
  grpc::CallbackServerContext* const context_;
  const std::string peer_;
  Authenticator* const authenticator_;
  const absl::Duration refusal_delay_;
  StreamEvents* const events_;  // outlives the server, which waits for every OnDone
  const SystemClock clock_;
  grpc::Alarm refusal_;
  Report report_;  // gRPC's from StartRead to OnReadDone
  Mutex mutex_;
  StreamIdentity identity_ GUARDED_BY(mutex_);
  bool finishing_ GUARDED_BY(mutex_) = false;
  absl::Status why_ GUARDED_BY(mutex_);
  bool attached_ GUARDED_BY(mutex_) = false;
  bool known_ GUARDED_BY(mutex_) = false;
  std::shared_ptr<const Plan> writing_ GUARDED_BY(mutex_);
};

}  // namespace

class GrpcServer::Impl final : public plan::v1::PlanService::CallbackService,
                               public StreamEvents,
                               public std::enable_shared_from_this<Impl> {
 public:
  Impl(GrpcServerOptions options, Authenticator* authenticator, Handler* handler,
       openelb::Post post)
      : options_(std::move(options)),
        authenticator_(authenticator),
        gate_(std::move(post)),
        handler_(handler) {}

  absl::StatusOr<int> Start(const std::string& address) {
    credentials_ = grpc::InsecureServerCredentials();
    if (!options_.insecure) {
      const tls::PemFiles files{options_.cert, options_.key, options_.ca};
      if (const absl::Status status = CheckTlsFiles(files); !status.ok()) return status;
      credentials_ = TlsCredentials(files);
    }
    plan::KeepCallbackQueue();
    const auto where = ParseHostPort(address);
    if (!where.ok()) return Unusable(where.status());
    auto socket = ListenSocket::Open(*where);
    if (!socket.ok()) return Unusable(socket.status());
    const int port = socket->port();
    grpc::ServerBuilder builder;
    acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials_);
    builder.RegisterService(this);
    builder.SetMaxReceiveMessageSize(kMaxReportBytes);
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleMs);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsOfConnection);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 100);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
    listener_ = std::make_unique<Listener>(
        *std::move(socket), options_.limits, [acceptor = acceptor_.get()](int fd) {
          grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
          connection.fd = fd;
          acceptor->HandleNewConnection(&connection);
        });
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) {
      return absl::InternalError(absl::StrCat("--plan-addr: ", address, ": gRPC does not start"));
    }
    listener_->Start();
    return port;
  }

  void Stop(absl::Duration grace) {
    if (std::exchange(handler_, nullptr) == nullptr) return;
    std::vector<std::shared_ptr<Stream>> streams;
    {
      MutexLock lock(&mutex_);
      stopping_ = true;
      for (const auto& [id, stream] : streams_) streams.push_back(stream);
    }
    for (const auto& stream : streams) stream->End(Stopping());
    streams.clear();
    if (listener_ != nullptr) listener_->Stop();
    if (server_ != nullptr) {
      server_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
      server_->Wait();
      server_.reset();
    }
    gate_.Shut();
  }

  ListenerCounters connections() const {
    return listener_ == nullptr ? ListenerCounters() : listener_->counters();
  }

  std::shared_ptr<Stream> Find(StreamId id) {
    MutexLock lock(&mutex_);
    const auto it = streams_.find(id);
    return it == streams_.end() ? nullptr : it->second;
  }

 private:
  static absl::Status Unusable(const absl::Status& why) {
    return {why.code(), absl::StrCat("--plan-addr: ", why.message())};
  }
  static absl::Status Stopping() { return absl::UnavailableError("this controller stops"); }

  // plan.v1.PlanService
  grpc::ServerBidiReactor<Report, Plan>* Attach(grpc::CallbackServerContext* context) override {
    std::shared_ptr<Stream> stream;
    bool stopping;
    {
      MutexLock lock(&mutex_);
      const StreamId id = next_id_++;
      stream = std::make_shared<Stream>(id, context, options_.insecure ? nullptr : authenticator_,
                                        options_.refusal_delay, this);
      streams_.emplace(id, stream);
      stopping = stopping_;
    }
    if (stopping) {
      stream->End(Stopping());
    } else {
      stream->Start();
    }
    return stream.get();
  }

  // StreamEvents
  void Post(std::function<void(PlanLink::Handler*)> event) override {
    gate_.Post([self = shared_from_this(), event = std::move(event)] {
      if (self->handler_ != nullptr) event(self->handler_);
    });
  }
  void Known(absl::string_view peer) override { listener_->OnKnown(peer); }
  void Done(StreamId id, absl::string_view known_peer) override {
    if (!known_peer.empty()) listener_->OnEnded(known_peer);
    std::shared_ptr<Stream> last;  // freed outside the lock
    MutexLock lock(&mutex_);
    const auto it = streams_.find(id);
    last = std::move(it->second);
    streams_.erase(it);
  }

  const GrpcServerOptions options_;
  Authenticator* const authenticator_;
  PostGate gate_;
  Handler* handler_;                                      // owner thread only; null once stopped
  std::shared_ptr<grpc::ServerCredentials> credentials_;  // outlive the server, which asks them
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Listener> listener_;  // outlives the streams, which tell it who they are
  Mutex mutex_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  StreamId next_id_ GUARDED_BY(mutex_) = 1;
  std::map<StreamId, std::shared_ptr<Stream>> streams_ GUARDED_BY(mutex_);
};

GrpcServer::GrpcServer(GrpcServerOptions options, Authenticator* authenticator, Handler* handler,
                       Post post)
    : impl_(std::make_shared<Impl>(std::move(options), authenticator, handler, std::move(post))) {}

GrpcServer::~GrpcServer() { Stop(); }

absl::StatusOr<int> GrpcServer::Start(const std::string& address) { return impl_->Start(address); }

ListenerCounters GrpcServer::connections() const { return impl_->connections(); }

void GrpcServer::Stop(absl::Duration grace) { impl_->Stop(grace); }

void GrpcServer::Send(StreamId id, std::shared_ptr<const plan::v1::Plan> plan) {
  if (const auto stream = impl_->Find(id)) stream->Write(std::move(plan));
}

void GrpcServer::Close(StreamId id, const absl::Status& why) {
  if (const auto stream = impl_->Find(id)) stream->End(why);
}

}  // namespace openelb::push
