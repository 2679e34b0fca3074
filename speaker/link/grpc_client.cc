#include "speaker/link/grpc_client.h"

#include <grpcpp/grpcpp.h>

#include <deque>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "api/base/mutex.h"
#include "api/plan/callback_queue.h"
#include "api/plan/new_plan.h"
#include "api/plan/referral.h"
#include "api/plan/v1/plan.grpc.pb.h"

namespace openelb::link {
namespace {

using plan::v1::Plan;
using plan::v1::Report;

constexpr int kMaxPlanBytes = 16 << 20;
// What a controller may send ahead: a few chunks of a snapshot, so that it packs the next ones
// while this end takes the last one.
constexpr int kAheadBytes = 1 << 20;
constexpr size_t kMaxQueuedReports = 256;  // a controller that takes none is given up
constexpr absl::Duration kHangupPatience = absl::Seconds(1);

// `ca`: the file that says whom to trust.
absl::Status FromGrpc(const grpc::Status& status, const std::string& ca) {
  if (status.ok()) return absl::UnavailableError("the controller ended the stream");
  std::string message = status.error_message();
  if (absl::StrContains(message, "certificate verify failed")) {
    absl::StrAppend(&message, "; the controller's certificate is not signed by what ", ca,
                    " holds, or it is not valid now, which is ",
                    absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::Now(), absl::UTCTimeZone()),
                    " by the clock here");
  }
  return plan::DecodeReferral({static_cast<absl::StatusCode>(status.error_code()), message},
                              status.error_details());
}

absl::StatusOr<std::string> ReadFile(absl::string_view flag, const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in.good()) return absl::UnavailableError(absl::StrCat(flag, ": ", path, ": unreadable"));
  if (content.empty()) return absl::UnavailableError(absl::StrCat(flag, ": ", path, ": empty"));
  return content;
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(
    const GrpcClientOptions& options) {
  if (options.insecure) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  const auto ca = ReadFile("plan-tls-ca", options.ca);
  if (!ca.ok()) return ca.status();
  ssl.pem_root_certs = *ca;
  if (!options.cert.empty()) {
    const auto cert = ReadFile("plan-tls-cert", options.cert);
    if (!cert.ok()) return cert.status();
    const auto key = ReadFile("plan-tls-key", options.key);
    if (!key.ok()) return key.status();
    ssl.pem_cert_chain = *cert;
    ssl.pem_private_key = *key;
  }
  return grpc::SslCredentials(ssl);
}

grpc::ChannelArguments MakeArguments(const GrpcClientOptions& options) {
  const int timeout_ms = static_cast<int>(absl::ToInt64Milliseconds(options.connect_timeout));
  grpc::ChannelArguments arguments;
  if (!options.insecure) arguments.SetSslTargetNameOverride(options.server_name);
  arguments.SetMaxReceiveMessageSize(kMaxPlanBytes);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kAheadBytes);
  // A connection of its own for each dial, tried once.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, timeout_ms);  // also the connect timeout
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  return arguments;
}

// One dial and the stream that comes of it. Keeps itself alive until OnDone. A hold keeps the call
// open to operations that the owner thread starts; none is started once it is removed.
class Call final : public grpc::ClientBidiReactor<Report, Plan>,
                   public std::enable_shared_from_this<Call> {
 public:
  Call(std::string endpoint, std::string ca, PlanLink::Handler* handler,
       std::shared_ptr<PostGate> gate)
      : endpoint_(std::move(endpoint)),
        ca_(std::move(ca)),
        handler_(handler),
        gate_(std::move(gate)) {}

  void Start(std::shared_ptr<grpc::Channel> channel, const std::string& token) {
    self_ = shared_from_this();
    channel_ = std::move(channel);
    {
      MutexLock lock(&mutex_);
      released_ = done_ = false;
    }
    if (!token.empty()) context_.AddMetadata("authorization", absl::StrCat("Bearer ", token));
    plan::v1::PlanService::Stub(channel_).async()->Attach(&context_, this);
    AddHold();
    StartCall();
  }
  void Fail(const absl::Status& why) {
    Tell([this, why] { std::exchange(handler_, nullptr)->OnDown(why); });
  }

  void Write(const Report& report) {
    MutexLock lock(&mutex_);
    if (released_) return;
    if (queue_.size() == kMaxQueuedReports) {
      context_.TryCancel();
      return;
    }
    queue_.push_back(report);
    if (queue_.size() == 1) StartWrite(&queue_.front());
  }
  void Read() {
    MutexLock lock(&mutex_);
    if (released_) return;
    plan_ = plan::NewPlan();
    StartRead(plan_.get());
  }
  // The handler hears no more of this call. On the owner thread.
  void Hangup() {
    handler_ = nullptr;
    context_.TryCancel();
    Release();
  }
  // Returns once gRPC has let go of the call, or after `patience`.
  void WaitDone(absl::Duration patience) {
    const absl::Time deadline = absl::Now() + patience;
    MutexLock lock(&mutex_);
    while (!done_ && absl::Now() < deadline) {
      done_changed_.WaitFor(&mutex_, absl::ToChronoNanoseconds(deadline - absl::Now()));
    }
  }

  void OnReadInitialMetadataDone(bool ok) override {
    if (!ok) return Release();
    Tell([this] { handler_->OnUp(endpoint_); });
    Read();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return Release();
    std::shared_ptr<Plan> plan;
    {
      MutexLock lock(&mutex_);
      plan = std::exchange(plan_, nullptr);
    }
    // The next plan is read once this one was handled: what comes meanwhile waits at its sender.
    Tell([this, plan] {
      handler_->OnPlan(*plan);
      Read();
    });
  }
  void OnWriteDone(bool ok) override {
    MutexLock lock(&mutex_);
    queue_.pop_front();
    if (ok && !released_ && !queue_.empty()) StartWrite(&queue_.front());
  }
  void OnDone(const grpc::Status& status) override {
    absl::Status why;
    {
      MutexLock lock(&mutex_);
      why = FromGrpc(status, ca_);
    }
    Fail(why);
    const std::shared_ptr<Call> self = std::move(self_);  // freed after the lock
    MutexLock lock(&mutex_);
    done_ = true;
    done_changed_.NotifyAll();
  }

 private:
  // Runs `event` on the owner thread unless it has hung up.
  void Tell(std::function<void()> event) {
    std::shared_ptr<PostGate> gate;
    {
      MutexLock lock(&mutex_);
      gate = gate_;
    }
    gate->Post([self = shared_from_this(), event = std::move(event)] {
      if (self->handler_ != nullptr) event();
    });
  }
  void Release() {
    {
      MutexLock lock(&mutex_);
      if (std::exchange(released_, true)) return;
    }
    RemoveHold();
  }

  const std::string endpoint_;
  const std::string ca_;
  PlanLink::Handler* handler_;  // owner thread only; null once hung up
  std::shared_ptr<Call> self_;
  std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
  std::shared_ptr<Plan> plan_;  // gRPC's from StartRead to OnReadDone
  Mutex mutex_;
  const std::shared_ptr<PostGate> gate_ GUARDED_BY(mutex_);
  CondVar done_changed_;
  bool released_ GUARDED_BY(mutex_) = true;      // there is no hold
  bool done_ GUARDED_BY(mutex_) = true;          // gRPC does not know of the call
  std::deque<Report> queue_ GUARDED_BY(mutex_);  // the first is being written
};

}  // namespace

class GrpcClient::Impl {
 public:
  Impl(GrpcClientOptions options, Handler* handler, Post post)
      : options_(std::move(options)),
        handler_(handler),
        gate_(std::make_shared<PostGate>(std::move(post))) {
    plan::KeepCallbackQueue();
  }
  ~Impl() {
    Hangup();
    gate_->Shut();
    if (call_ != nullptr) call_->WaitDone(kHangupPatience);
  }

  void Dial(const std::string& endpoint) {
    call_ = std::make_shared<Call>(endpoint, options_.ca, handler_, gate_);
    if (const absl::Status status = Start(endpoint); !status.ok()) call_->Fail(status);
  }
  void Send(const Report& report) {
    if (call_ != nullptr) call_->Write(report);
  }
  void Hangup() {
    if (call_ != nullptr) call_->Hangup();
  }

 private:
  absl::Status Start(const std::string& endpoint) {
    const auto credentials = MakeCredentials(options_);
    if (!credentials.ok()) return credentials.status();
    std::string token;
    if (!options_.insecure) {
      const auto content = ReadFile("token-file", options_.token_file);
      if (!content.ok()) return content.status();
      token = std::string(absl::StripAsciiWhitespace(*content));
    }
    call_->Start(grpc::CreateCustomChannel(endpoint, *credentials, MakeArguments(options_)), token);
    return absl::OkStatus();
  }

  const GrpcClientOptions options_;
  Handler* const handler_;
  const std::shared_ptr<PostGate> gate_;
  std::shared_ptr<Call> call_;  // dialled last
};

GrpcClient::GrpcClient(GrpcClientOptions options, Handler* handler, Post post)
    : impl_(std::make_unique<Impl>(std::move(options), handler, std::move(post))) {}
GrpcClient::~GrpcClient() = default;

void GrpcClient::Dial(const std::string& endpoint) { impl_->Dial(endpoint); }
void GrpcClient::Send(const plan::v1::Report& report) { impl_->Send(report); }
void GrpcClient::Hangup() { impl_->Hangup(); }

}  // namespace openelb::link
