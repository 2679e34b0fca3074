// The life of a request: Start makes an Attempt, which hands it to the library. The library's
// threads tell the Attempt of the head, of pieces of the body and of the end; the Attempt posts
// each to the owner thread, where Core gives it to the sink. A request has another Attempt when the
// first met a connection that had died while it was idle, or credentials that have been replaced;
// what an earlier Attempt still tells is dropped.
//
// The library ends the process when an exception of its tasks is not looked at, and when a sink of
// its own throws. So every chain of tasks ends in Attempt::Finish, which looks at all, and nothing
// throws in Attempt::Take.

#include "controller/kube/cprest_transport.h"

#include <cpprest/http_client.h>
#include <cpprest/producerconsumerstream.h>
#include <openssl/ssl.h>
#include <pplx/threadpool.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "api/base/host_port.h"
#include "api/base/ip.h"
#include "api/base/mutex.h"
#include "controller/kube/credentials.h"
#include "controller/kube/outstanding.h"
#include "controller/kube/socket.h"
#include "controller/kube/tls.h"

namespace openelb::kube {
namespace {

namespace http = web::http;
namespace asio = boost::asio;
namespace streams = concurrency::streams;
using asio::ip::tcp;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kShutdownPatience{5};
// Attempts have timers of their own, one duration a request; the library's shall never fire.
constexpr std::chrono::hours kNever{24 * 365};
constexpr int kEndOfStream = 2;  // codes up to here have other meanings than those of errno

// What our callbacks within the library have to say; it passes exceptions on to the task's end.
struct ConnectionProblem : std::exception {
  explicit ConnectionProblem(absl::Status s) : status(std::move(s)) {}
  absl::Status status;
};
struct StaleConnection : std::exception {};

// Where the library puts a response's body, piece by piece.
class BodyBuffer final : public streams::details::basic_producer_consumer_buffer<uint8_t> {
 public:
  // `take` does not throw; the library reads on when its task is done.
  using TakeFunction = std::function<pplx::task<size_t>(const uint8_t* data, size_t size)>;
  explicit BodyBuffer(TakeFunction take)
      : basic_producer_consumer_buffer(0), take_(std::move(take)) {}

 protected:
  using basic_producer_consumer_buffer::_putn;
  pplx::task<size_t> _putn(const uint8_t* data, size_t size) override { return take_(data, size); }

 private:
  const TakeFunction take_;
};

// Called by the library before it uses a connection, new or kept; but not before the second address
// of a name, when the first did not answer: there only our own timeouts find that the peer is dead.
void PrepareSocket(tcp::socket* socket, const std::string& host) {
  if (socket->is_open()) {
    if (IsStale(socket->native_handle())) throw StaleConnection();
    return;
  }
  const int family = FamilyOf(host);
  if (family == AF_UNSPEC) return;  // the library's own attempt to resolve it tells
  boost::system::error_code error;
  error = socket->open(family == AF_INET6 ? tcp::v6() : tcp::v4(), error);
  if (!error) DetectDeadPeer(socket->native_handle());
}

// Once a process. The file of authorities that SSL_CERT_FILE named; empty: none.
const std::string& Prepare() {
  static const std::string authorities = [] {
    constexpr const char* kVariable = "SSL_CERT_FILE";
    constexpr const char* kNothing = "/dev/null";
    const char* set = std::getenv(kVariable);
    std::string file = set == nullptr || set == std::string(kNothing) ? "" : set;
    // The library loads all of the file, 20 ms, for every connection, and nearly always in vain.
    // Without it OpenSSL finds those authorities that it needs in the system's folder.
    setenv(kVariable, kNothing, /*overwrite=*/1);
    // What is made first ends last: the pool's threads must not outlive OpenSSL.
    OPENSSL_init_ssl(0, nullptr);
    crossplat::threadpool::initialize_with_threads(CprestTransport::kThreads);
    return file;
  }();
  return authorities;
}

http::client::http_client_config ClientConfig(const ServerConfig& config) {
  http::client::http_client_config client;
  client.set_timeout(kNever);
  client.set_max_redirects(0);  // the token is for this server alone
  client.set_validate_certificates(!config.insecure_skip_tls_verify);
  // RFC 6066 3: no addresses.
  client.set_tlsext_sni_enabled(!config.tls_server_name.empty() ||
                                !IpAddress::Parse(config.host).ok());
  client.set_ssl_context_callback([config](asio::ssl::context& context) {
    absl::Status status = ConfigureTls(config, context.native_handle());
    if (!status.ok()) throw ConnectionProblem(std::move(status));
  });
  client.set_nativehandle_options(
      [host = config.host, tls = config.tls](http::client::native_handle h) {
        PrepareSocket(tls ? &static_cast<asio::ssl::stream<tcp::socket&>*>(h)->next_layer()
                          : static_cast<tcp::socket*>(h),
                      host);
      });
  return client;
}

// The library resolves an IPv6 address only without its brackets.
web::uri BaseUri(const ServerConfig& config) {
  return web::uri_builder()
      .set_scheme(config.tls ? "https" : "http")
      .set_host(config.host)
      .set_port(config.port)
      .set_path(config.base_path)
      .to_uri();
}

absl::Status ErrorOf(const http::http_exception& e) {
  const int code = e.error_code().value();
  if (absl::Status tls = TlsError(static_cast<uint64_t>(code)); !tls.ok()) return tls;
  std::string message = e.what();
  if (code == EHOSTUNREACH) {
    absl::StrAppend(&message, ": refused or unreachable");  // the library makes one of these
  } else if (code > kEndOfStream) {
    absl::StrAppend(&message, ": ", std::strerror(code));
  }
  return absl::UnavailableError(message);
}

}  // namespace

// One try of a request. The owner calls what is public, the library's threads the rest.
class CprestTransport::Attempt final : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(RequestId id, absl::Duration timeout, std::weak_ptr<Core> core,
          std::shared_ptr<PostGate> gate, std::shared_ptr<Outstanding> outstanding)
      : id_(id),
        timeout_(absl::ToChronoNanoseconds(std::min(timeout, absl::Hours(24)))),
        core_(std::move(core)),
        gate_(std::move(gate)),
        outstanding_(std::move(outstanding)),
        timer_(crossplat::threadpool::shared_instance().service()) {}

  RequestId id() const { return id_; }

  void Run(http::client::http_client* client, http::http_request request) {
    {
      MutexLock lock(&mutex_);
      last_sign_ = steady_clock::now();
      Watch();
    }
    outstanding_->Add();
    const auto self = shared_from_this();
    request.set_response_stream(streams::ostream(streams::streambuf<uint8_t>(
        std::make_shared<BodyBuffer>([self](const uint8_t* data, size_t size) noexcept {
          return self->Take(reinterpret_cast<const char*>(data), size);
        }))));
    client->request(request, cancel_.get_token())
        .then(
            [self](const pplx::task<http::http_response>& head) {
              const http::http_response response = head.get();
              self->TellHead(response);
              return response.content_ready();
            },
            pplx::cancellation_token::none())
        .then([self](const pplx::task<http::http_response>& whole) { self->Finish(whole); },
              pplx::cancellation_token::none());
  }

  // What has come of the body since the last call; lets the library read on.
  std::string TakeBody() {
    std::optional<Pause> pause;
    std::string body;
    {
      MutexLock lock(&mutex_);
      body_told_ = false;
      body.swap(body_);
      pause.swap(pause_);
      if (pause.has_value()) last_sign_ = steady_clock::now();
    }
    if (pause.has_value()) pause->read_on.set(pause->size);
    return body;
  }

  // Nothing more is told.
  void Abandon() {
    Stop([] {});
    cancel_.cancel();
  }

 private:
  // The library waits with a piece of the body.
  struct Pause {
    pplx::task_completion_event<size_t> read_on;
    size_t size;
  };

  void Tell(std::function<void(Core&, Attempt*)> what) {
    gate_->Post([what = std::move(what), core = core_, self = shared_from_this()] {
      if (const auto owner = core.lock()) what(*owner, self.get());
    });
  }
  void TellHead(const http::http_response& response);
  void TellBody() REQUIRES(mutex_);
  void TellEnd(const absl::Status& status);
  void TellStale();

  pplx::task<size_t> Take(const char* data, size_t size) {
    MutexLock lock(&mutex_);
    if (stopped_) return pplx::task_from_result(size);
    last_sign_ = steady_clock::now();
    body_.append(data, size);
    if (head_told_) TellBody();  // the first bytes may come before the task of the head is done
    if (body_.size() <= kMaxBytesInFlight) return pplx::task_from_result(size);
    pause_ = Pause{{}, size};
    return pplx::create_task(pause_->read_on);
  }

  void Finish(const pplx::task<http::http_response>& whole) {
    try {
      whole.get();
      TellEnd(absl::OkStatus());
    } catch (const StaleConnection&) {
      TellStale();
    } catch (const ConnectionProblem& e) {
      TellEnd(e.status);
    } catch (const http::http_exception& e) {
      TellEnd(ErrorOf(e));
    } catch (const std::exception& e) {
      TellEnd(absl::UnavailableError(e.what()));
    }
    outstanding_->Remove();
  }

  // Ends with `last_words` unless it has ended before.
  void Stop(const std::function<void()>& last_words) {
    std::optional<Pause> pause;
    {
      MutexLock lock(&mutex_);
      if (stopped_) return;
      stopped_ = true;
      timer_.cancel();
      pause.swap(pause_);
      last_words();
    }
    if (pause.has_value()) pause->read_on.set(pause->size);
  }

  // Wakes up when the silence could have lasted too long.
  void Watch() REQUIRES(mutex_) {
    timer_.expires_at(last_sign_ + timeout_);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!error && self != nullptr) self->OnTimer();
    });
  }
  void OnTimer() {
    {
      MutexLock lock(&mutex_);
      if (stopped_) return;
      if (pause_.has_value()) last_sign_ = steady_clock::now();  // it is us who are silent
      if (steady_clock::now() < last_sign_ + timeout_) return Watch();
    }
    TellEnd(absl::DeadlineExceededError(
        absl::StrCat("no sign of life for ", absl::FormatDuration(absl::FromChrono(timeout_)))));
    cancel_.cancel();
  }

  const RequestId id_;
  const std::chrono::nanoseconds timeout_;
  const std::weak_ptr<Core> core_;
  const std::shared_ptr<PostGate> gate_;
  const std::shared_ptr<Outstanding> outstanding_;
  pplx::cancellation_token_source cancel_;

  Mutex mutex_;
  asio::steady_timer timer_ GUARDED_BY(mutex_);
  steady_clock::time_point last_sign_ GUARDED_BY(mutex_);
  bool head_told_ GUARDED_BY(mutex_) = false;
  bool stopped_ GUARDED_BY(mutex_) = false;
  std::string body_ GUARDED_BY(mutex_);        // what the owner has not taken
  bool body_told_ GUARDED_BY(mutex_) = false;  // and will take
  std::optional<Pause> pause_ GUARDED_BY(mutex_);
};

// What the owner thread holds.
class CprestTransport::Core final : public std::enable_shared_from_this<Core> {
 public:
  Core(ServerConfig config, std::string user_agent, openelb::Post post)
      : config_(std::move(config)),
        user_agent_(std::move(user_agent)),
        gate_(std::make_shared<PostGate>(std::move(post))),
        outstanding_(std::make_shared<Outstanding>()),
        credentials_(config_) {}

  RequestId Start(HttpRequest request, std::shared_ptr<ResponseSink> sink) {
    const RequestId id = ++last_id_;
    Exchange& exchange = exchanges_[id];
    exchange.request = std::move(request);
    exchange.sink = std::move(sink);
    Try(id, &exchange);
    return id;
  }

  void Cancel(RequestId id) {
    const auto node = exchanges_.extract(id);
    if (!node.empty()) node.mapped().attempt->Abandon();
  }

  void Shut() {
    gate_->Shut();
    while (!exchanges_.empty()) Cancel(exchanges_.begin()->first);
    outstanding_->WaitForNone(kShutdownPatience);
  }

  void OnHead(Attempt* attempt, int status, const HttpHeaders& headers) {
    Exchange* exchange = Find(attempt);
    if (exchange == nullptr) return;
    if (status == 401 && !exchange->renewed && credentials_.Renewed(exchange->authorization)) {
      exchange->renewed = true;
      attempt->Abandon();
      return Try(attempt->id(), exchange);
    }
    const std::shared_ptr<ResponseSink> sink = exchange->sink;
    sink->OnHead(status, headers);
  }

  void OnBody(Attempt* attempt) {
    const std::string body = attempt->TakeBody();
    if (const Exchange* exchange = Find(attempt)) {
      const std::shared_ptr<ResponseSink> sink = exchange->sink;
      sink->OnData(body);
    }
  }

  void OnEnd(Attempt* attempt, const absl::Status& status) {
    if (Find(attempt) == nullptr) return;
    // Where one connection broke, the kept ones may be as dead, and the library may have kept one
    // that was never made: when it could not rewind a body.
    if (!status.ok()) client_.reset();
    const auto node = exchanges_.extract(attempt->id());
    node.mapped().sink->OnDone(status);
  }

  // Nothing was sent. The connection is out of the pool, so this ends with the last of them.
  void OnStale(Attempt* attempt) {
    if (Exchange* exchange = Find(attempt)) Try(attempt->id(), exchange);
  }

  const Credentials& credentials() const { return credentials_; }

 private:
  struct Exchange {
    HttpRequest request;
    std::shared_ptr<ResponseSink> sink;
    std::shared_ptr<Attempt> attempt;  // the present one
    std::string authorization;         // shown by it
    bool renewed = false;              // after a 401
  };

  Exchange* Find(Attempt* attempt) {
    const auto it = exchanges_.find(attempt->id());
    return it == exchanges_.end() || it->second.attempt.get() != attempt ? nullptr : &it->second;
  }

  void Try(RequestId id, Exchange* exchange) {
    exchange->authorization = credentials_.Authorization();
    exchange->attempt = std::make_shared<Attempt>(id, exchange->request.timeout, weak_from_this(),
                                                  gate_, outstanding_);
    try {
      exchange->attempt->Run(Client(), Build(*exchange));
    } catch (const std::exception& e) {  // such as a path that is none
      gate_->Post([core = weak_from_this(), attempt = exchange->attempt,
                   error = absl::InvalidArgumentError(e.what())] {
        if (const auto owner = core.lock()) owner->OnEnd(attempt.get(), error);
      });
    }
  }

  // Connections that showed a certificate since replaced are not used again.
  http::client::http_client* Client() {
    if (client_ == nullptr || client_certificate_ != credentials_.certificate_number()) {
      client_certificate_ = credentials_.certificate_number();
      client_ =
          std::make_unique<http::client::http_client>(BaseUri(config_), ClientConfig(config_));
    }
    return client_.get();
  }

  http::http_request Build(const Exchange& exchange) const {
    const HttpRequest& from = exchange.request;
    http::http_request request(from.method);
    request.set_request_uri(web::uri(from.path));
    http::http_headers& headers = request.headers();
    headers.add("Accept", "application/json");
    headers.add("User-Agent", user_agent_);
    headers.add("Host", config_.tls_server_name.empty()
                            ? HostPort{config_.host, config_.port}.ToString()
                            : config_.tls_server_name);
    if (!exchange.authorization.empty()) headers.add("Authorization", exchange.authorization);
    if (from.method == "GET") return request;
    // The library sends a request again when a kept connection breaks under it, except where it
    // cannot rewind the body.
    streams::producer_consumer_buffer<uint8_t> body(from.body.size() + 1);
    body.putn_nocopy(reinterpret_cast<const uint8_t*>(from.body.data()), from.body.size()).wait();
    body.close(std::ios_base::out).wait();
    request.set_body(body.create_istream(), from.body.size(), from.content_type);
    if (from.content_type.empty()) headers.remove("Content-Type");
    return request;
  }

  const ServerConfig config_;
  const std::string user_agent_;
  const std::shared_ptr<PostGate> gate_;
  const std::shared_ptr<Outstanding> outstanding_;
  Credentials credentials_;
  std::unique_ptr<http::client::http_client> client_;
  uint64_t client_certificate_ = 0;
  std::map<RequestId, Exchange> exchanges_;
  RequestId last_id_ = 0;
};

void CprestTransport::Attempt::TellHead(const http::http_response& response) {
  HttpHeaders headers;
  for (const auto& [name, value] : response.headers()) headers[absl::AsciiStrToLower(name)] = value;
  MutexLock lock(&mutex_);
  if (stopped_) return;
  last_sign_ = steady_clock::now();
  Tell([status = response.status_code(), headers = std::move(headers)](Core& core, Attempt* self) {
    core.OnHead(self, status, headers);
  });
  head_told_ = true;
  if (!body_.empty()) TellBody();
}

void CprestTransport::Attempt::TellBody() {
  if (body_told_) return;  // a burst of pieces is one
  body_told_ = true;
  Tell([](Core& core, Attempt* self) { core.OnBody(self); });
}

void CprestTransport::Attempt::TellEnd(const absl::Status& status) {
  Stop(
      [this, &status] { Tell([status](Core& core, Attempt* self) { core.OnEnd(self, status); }); });
}

void CprestTransport::Attempt::TellStale() {
  Stop([this] { Tell([](Core& core, Attempt* self) { core.OnStale(self); }); });
}

void CprestTransport::PrepareProcess() { Prepare(); }

CprestTransport::CprestTransport(ServerConfig config, std::string user_agent, openelb::Post post) {
  const std::string& authorities = Prepare();
  if (!config.ca.given()) config.ca.file = authorities;
  core_ = std::make_shared<Core>(std::move(config), std::move(user_agent), std::move(post));
}

CprestTransport::~CprestTransport() { core_->Shut(); }

RequestId CprestTransport::Start(HttpRequest request, std::shared_ptr<ResponseSink> sink) {
  return core_->Start(std::move(request), std::move(sink));
}

void CprestTransport::Cancel(RequestId request) { core_->Cancel(request); }

std::string CprestTransport::CredentialsProblem(absl::Time now) const {
  return core_->credentials().Problem(now);
}

}  // namespace openelb::kube
