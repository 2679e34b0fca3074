#include "controller/admission/https_server.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::admission {
namespace {

using std::chrono::steady_clock;

constexpr auto kDrain = std::chrono::seconds(1);  // for a client that is still sending

steady_clock::duration ToChrono(absl::Duration time) {
  return std::chrono::duration_cast<steady_clock::duration>(absl::ToChronoNanoseconds(time));
}

absl::Status Unfit(absl::string_view what) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": ", reason == nullptr ? "unusable" : reason));
}

absl::StatusOr<std::shared_ptr<SSL_CTX>> MakeContext(const tls::KeyPair& pair) {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (context == nullptr) return Unfit("TLS");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  // One request a connection: nothing to resume, nothing to negotiate again.
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  const auto reader = [](const std::string& pem) {
    return std::unique_ptr<BIO, decltype(&BIO_free_all)>(
        BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free_all);
  };
  const auto certificates = reader(pair.certificate);
  bool first = true;
  while (X509* raw = PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr)) {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(raw, &X509_free);
    const auto taken = std::exchange(first, false) ? SSL_CTX_use_certificate(context.get(), raw)
                                                   : SSL_CTX_add1_chain_cert(context.get(), raw);
    if (taken != 1) return Unfit("certificate");
  }
  if (first) return Unfit("certificate");
  ERR_clear_error();  // the last one was followed by none
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(reader(pair.key).get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  if (key == nullptr || SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1) return Unfit("key");
  return context;
}

}  // namespace

// A connection and how far it has come.
struct HttpsServer::Connection {
  enum class Phase { kShaking, kReading, kWaiting, kWriting, kDraining };
  ~Connection() { close(fd); }

  const uint64_t id;
  const int fd;
  const std::string source;
  steady_clock::time_point deadline;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl;
  Phase phase = Phase::kShaking;
  int16_t events = POLLIN;
  HttpRequest request{};
  std::string out{};
  size_t sent = 0;

  // What a call of OpenSSL that did not succeed waits for. False: nothing will come of it.
  bool Wait(int result) {
    const int error = SSL_get_error(ssl.get(), result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return false;
    events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
    return true;
  }
};

struct HttpsServer::Mailbox {
  explicit Mailbox(int descriptor) : wake(descriptor) {}
  ~Mailbox() { close(wake); }
  void Put(uint64_t connection, HttpAnswer answer) {
    {
      MutexLock lock(&mutex);
      answers.emplace_back(connection, std::move(answer));
    }
    eventfd_write(wake, 1);
  }
  const int wake;  // eventfd
  Mutex mutex;
  std::vector<std::pair<uint64_t, HttpAnswer>> answers GUARDED_BY(mutex);
  bool stopped GUARDED_BY(mutex) = false;
};

struct HttpsServer::Load {
  std::atomic<size_t> requests = 0;
  std::atomic<size_t> octets = 0;
};

absl::StatusOr<std::unique_ptr<HttpsServer>> HttpsServer::Start(const HttpsServerOptions& options,
                                                                const tls::KeyPair& certificate,
                                                                Handler handler) {
  auto context = MakeContext(certificate);
  if (!context.ok()) return context.status();
  auto listener = ListenSocket::Open(options.address);
  if (!listener.ok()) return listener.status();
  const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0) {
    return absl::UnavailableError(absl::StrCat("eventfd: ", std::strerror(errno)));
  }
  std::unique_ptr<HttpsServer> server(new HttpsServer(
      options, *std::move(listener), std::make_shared<Mailbox>(wake), std::move(handler)));
  {
    MutexLock lock(&server->mutex_);
    server->context_ = *std::move(context);
  }
  server->thread_ = std::thread([self = server.get()] { self->Run(); });
  return server;
}

HttpsServer::HttpsServer(const HttpsServerOptions& options, ListenSocket listener,
                         std::shared_ptr<Mailbox> mailbox, Handler handler)
    : options_(options),
      listener_(std::move(listener)),
      mailbox_(std::move(mailbox)),
      load_(std::make_shared<Load>()),
      handler_(std::move(handler)) {}

HttpsServer::~HttpsServer() {
  {
    MutexLock lock(&mailbox_->mutex);
    mailbox_->stopped = true;
  }
  eventfd_write(mailbox_->wake, 1);
  thread_.join();
}

absl::Status HttpsServer::SetCertificate(const tls::KeyPair& certificate) {
  auto context = MakeContext(certificate);
  if (!context.ok()) return context.status();
  MutexLock lock(&mutex_);
  context_ = *std::move(context);
  return absl::OkStatus();
}

HttpsServerCounters HttpsServer::counters() const {
  MutexLock lock(&mutex_);
  return counters_;
}

void HttpsServer::Count(uint64_t HttpsServerCounters::* what) {
  MutexLock lock(&mutex_);
  ++(counters_.*what);
}

void HttpsServer::Run() {
  std::vector<pollfd> polled;
  std::vector<uint64_t> ids;
  for (;;) {
    polled = {{mailbox_->wake, POLLIN, 0}, {listener_.fd(), POLLIN, 0}};
    ids.clear();
    for (const auto& [id, connection] : connections_) {
      polled.push_back({connection->fd, connection->events, 0});
      ids.push_back(id);
    }
    // A few times a second is soon enough to drop who stays silent.
    poll(polled.data(), polled.size(), connections_.empty() ? -1 : 250);
    if (polled[0].revents != 0) {
      MutexLock lock(&mailbox_->mutex);
      if (mailbox_->stopped) break;
    }
    TakeAnswers();
    const auto now = steady_clock::now();
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto it = connections_.find(ids[i]);
      if (it == connections_.end()) continue;  // it has its answer
      Connection& connection = *it->second;
      const bool late = now >= connection.deadline;
      if (late && connection.phase != Connection::Phase::kDraining)
        Count(&HttpsServerCounters::too_slow);
      if (late || (polled[i + 2].revents != 0 && !Advance(&connection))) connections_.erase(it);
    }
    ShedOctets();
    if (polled[1].revents != 0) Accept();
  }
  connections_.clear();
}

void HttpsServer::Accept() {
  const std::optional<Accepted> accepted = AcceptClient(listener_);
  if (!accepted) {
    if (IsShortage(errno)) poll(nullptr, 0, 100);
    return;
  }
  const int fd = accepted->fd;
  Count(&HttpsServerCounters::accepted);
  std::string source = accepted->address.ToString();
  if (connections_.size() >= options_.most_connections) MakeRoom(source);
  if (connections_.size() >= options_.most_connections) {
    close(fd);
    return;
  }
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl(nullptr, &SSL_free);
  {
    MutexLock lock(&mutex_);
    ssl.reset(SSL_new(static_cast<SSL_CTX*>(context_.get())));
  }
  if (ssl == nullptr || SSL_set_fd(ssl.get(), fd) != 1) {
    close(fd);
    return;
  }
  SSL_set_accept_state(ssl.get());
  const uint64_t id = next_id_++;
  connections_[id] = std::make_unique<Connection>(
      id, fd, std::move(source), steady_clock::now() + ToChrono(options_.patience), std::move(ssl));
}

// Takes it from the source that has most connections, the newcomer counted: the oldest of them that
// is not waiting for us.
void HttpsServer::MakeRoom(const std::string& source) {
  std::map<std::string, size_t> counts = {{source, 1}};
  for (const auto& [id, connection] : connections_) ++counts[connection->source];
  auto victim = connections_.end();
  for (auto it = connections_.begin(); it != connections_.end(); ++it) {
    const Connection& connection = *it->second;
    if (connection.phase == Connection::Phase::kWaiting) continue;
    if (victim == connections_.end() ||
        counts[connection.source] > counts[victim->second->source]) {
      victim = it;
    }
  }
  Count(&HttpsServerCounters::crowded);
  if (victim != connections_.end()) connections_.erase(victim);
}

void HttpsServer::ShedOctets() {
  size_t held = 0;
  auto largest = connections_.end();
  for (auto it = connections_.begin(); it != connections_.end(); ++it) {
    const size_t size = it->second->request.size();
    held += size;
    if (largest == connections_.end() || size > largest->second->request.size()) largest = it;
  }
  if (held <= options_.most_octets) return;
  Count(&HttpsServerCounters::crowded);
  connections_.erase(largest);
}

bool HttpsServer::Advance(Connection* connection) {
  ERR_clear_error();
  switch (connection->phase) {
    case Connection::Phase::kShaking:
      return Shake(connection);
    case Connection::Phase::kReading:
      return Read(connection);
    case Connection::Phase::kWaiting:
      return false;  // only that it broke can have woken us
    case Connection::Phase::kWriting:
      return Write(connection);
    case Connection::Phase::kDraining:
      return Drain(connection);
  }
  return false;
}

bool HttpsServer::Shake(Connection* c) {
  const int result = SSL_do_handshake(c->ssl.get());
  if (result != 1) {
    if (c->Wait(result)) return true;
    Count(&HttpsServerCounters::no_tls);
    return false;
  }
  c->phase = Connection::Phase::kReading;
  c->events = POLLIN;
  return Read(c);
}

// One record at a time, but for those that are here already, of which poll knows nothing.
bool HttpsServer::Read(Connection* c) {
  do {
    char buffer[16 << 10];
    const int got = SSL_read(c->ssl.get(), buffer, sizeof buffer);
    if (got <= 0) return c->Wait(got);
    c->request.Take({buffer, static_cast<size_t>(got)});
    if (c->request.refusal()) {
      Count(&HttpsServerCounters::no_http);
      const int status = c->request.refusal()->status;
      if (status == 413 || status == 431) Count(&HttpsServerCounters::too_large);
      Answer(c, *c->request.refusal());
      return Write(c);
    }
    if (c->request.complete()) {
      c->phase = Connection::Phase::kWaiting;
      c->events = 0;
      c->deadline = steady_clock::now() + ToChrono(options_.patience);
      HandOver(c);
      return true;
    }
  } while (SSL_pending(c->ssl.get()) > 0);
  c->events = POLLIN;
  return true;
}

// What is handed over counts until nobody holds its Reply any more.
void HttpsServer::HandOver(Connection* c) {
  const absl::string_view body = c->request.body();
  if (load_->requests >= options_.most_connections ||
      load_->octets + body.size() > options_.most_octets) {
    Count(&HttpsServerCounters::crowded);
    return mailbox_->Put(c->id, {503, "too many requests wait for an answer: try again\n"});
  }
  ++load_->requests;
  load_->octets += body.size();
  const std::shared_ptr<void> ticket(nullptr, [load = load_, size = body.size()](void*) {
    --load->requests;
    load->octets -= size;
  });
  handler_(c->request.path(), std::string(body),
           [mailbox = mailbox_, id = c->id, ticket](HttpAnswer answer) {
             mailbox->Put(id, std::move(answer));
           });
}

void HttpsServer::Answer(Connection* c, const HttpAnswer& answer) {
  c->out = RenderHttp(answer);
  c->phase = Connection::Phase::kWriting;
  c->events = POLLOUT;
}

bool HttpsServer::Write(Connection* c) {
  while (c->sent < c->out.size()) {
    const int sent =
        SSL_write(c->ssl.get(), c->out.data() + c->sent, static_cast<int>(c->out.size() - c->sent));
    if (sent <= 0) return c->Wait(sent);
    c->sent += static_cast<size_t>(sent);
  }
  SSL_shutdown(c->ssl.get());
  if (!c->request.refusal()) return false;
  // To close at once would reset the connection, and the client might never read the answer.
  shutdown(c->fd, SHUT_WR);
  c->phase = Connection::Phase::kDraining;
  c->events = POLLIN;
  c->deadline = std::min(c->deadline, steady_clock::now() + kDrain);
  return true;
}

bool HttpsServer::Drain(Connection* c) {
  char buffer[16 << 10];
  const ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

void HttpsServer::TakeAnswers() {
  std::vector<std::pair<uint64_t, HttpAnswer>> answers;
  eventfd_t woken = 0;
  eventfd_read(mailbox_->wake, &woken);
  {
    MutexLock lock(&mailbox_->mutex);
    answers.swap(mailbox_->answers);
  }
  for (const auto& [id, answer] : answers) {
    const auto it = connections_.find(id);
    if (it == connections_.end()) continue;
    Answer(it->second.get(), answer);
    ERR_clear_error();
    if (!Write(it->second.get())) connections_.erase(it);
  }
}

}  // namespace openelb::admission
