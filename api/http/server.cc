#include "api/http/server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/http/connection.h"

namespace openelb::http {
namespace {

using std::chrono::steady_clock;

constexpr auto kDrain = std::chrono::seconds(1);  // for a client that is still sending

steady_clock::duration ToChrono(absl::Duration time) {
  return std::chrono::duration_cast<steady_clock::duration>(absl::ToChronoNanoseconds(time));
}

}  // namespace

struct Server::Mailbox {
  explicit Mailbox(int descriptor) : wake(descriptor) {}
  ~Mailbox() { close(wake); }
  // `letter` is run on the server's thread while there is one.
  void Put(std::function<void()> letter) {
    {
      MutexLock lock(&mutex);
      if (stopped) return;
      letters.push_back(std::move(letter));
    }
    eventfd_write(wake, 1);
  }
  const int wake;  // eventfd
  Mutex mutex;
  std::vector<std::function<void()>> letters GUARDED_BY(mutex);
  bool stopped GUARDED_BY(mutex) = false;
};

struct Server::Load {
  std::atomic<size_t> requests = 0;
  std::atomic<size_t> octets = 0;
};

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options, Handler handler,
                                                      Guard guard) {
  auto listener = ListenSocket::Open(options.address);
  if (!listener.ok()) return listener.status();
  const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0) return absl::UnavailableError(absl::StrCat("eventfd: ", std::strerror(errno)));
  std::unique_ptr<Server> server(new Server(std::move(options), *std::move(listener),
                                            std::make_shared<Mailbox>(wake), std::move(handler),
                                            std::move(guard)));
  server->thread_ = std::thread([self = server.get()] { self->Run(); });
  return server;
}

Server::Server(ServerOptions options, ListenSocket listener, std::shared_ptr<Mailbox> mailbox,
               Handler handler, Guard guard)
    : options_(std::move(options)),
      listener_(std::move(listener)),
      mailbox_(std::move(mailbox)),
      load_(std::make_shared<Load>()),
      handler_(std::move(handler)),
      guard_(std::move(guard)) {}

Server::~Server() {
  {
    MutexLock lock(&mailbox_->mutex);
    mailbox_->stopped = true;
  }
  eventfd_write(mailbox_->wake, 1);
  thread_.join();
  // Letters hold replies, and these the mailbox.
  std::vector<std::function<void()>> unread;
  {
    MutexLock lock(&mailbox_->mutex);
    unread.swap(mailbox_->letters);
  }
}

ServerCounters Server::counters() const {
  MutexLock lock(&mutex_);
  return counters_;
}

void Server::Count(uint64_t ServerCounters::* what) {
  MutexLock lock(&mutex_);
  ++(counters_.*what);
}

void Server::Run() {
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
    OpenMail();
    const auto now = steady_clock::now();
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto it = connections_.find(ids[i]);
      if (it == connections_.end()) continue;  // it has its answer
      Connection& connection = *it->second;
      const bool late = now >= connection.deadline;
      if (late && connection.phase != Connection::Phase::kDraining)
        Count(&ServerCounters::too_slow);
      if (late || (polled[i + 2].revents != 0 && !Advance(&connection))) connections_.erase(it);
    }
    ShedOctets();
    if (polled[1].revents != 0) Accept();
  }
  connections_.clear();
}

void Server::Accept() {
  const std::optional<Accepted> accepted = AcceptClient(listener_);
  if (!accepted) {
    if (IsShortage(errno)) poll(nullptr, 0, 100);
    return;
  }
  const int fd = accepted->fd;
  Count(&ServerCounters::accepted);
  std::string source = accepted->address.ToString();
  if (connections_.size() >= options_.most_connections) MakeRoom(source);
  if (connections_.size() >= options_.most_connections) {
    close(fd);
    return;
  }
  tls::SslPtr ssl;
  if (options_.tls != nullptr) {
    ssl = options_.tls->NewConnection();
    if (ssl == nullptr || SSL_set_fd(ssl.get(), fd) != 1) {
      close(fd);
      return;
    }
    SSL_set_accept_state(ssl.get());
  }
  const uint64_t id = next_id_++;
  const auto phase = ssl ? Connection::Phase::kShaking : Connection::Phase::kReading;
  connections_[id] = std::make_unique<Connection>(
      id, fd, std::move(source), steady_clock::now() + ToChrono(options_.patience), std::move(ssl),
      phase, RequestReader(options_.takes), POLLIN);
}

// Takes it from the source that has most connections, the newcomer counted: the oldest of them that
// is not waiting for us.
void Server::MakeRoom(const std::string& source) {
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
  Count(&ServerCounters::crowded);
  if (victim != connections_.end()) connections_.erase(victim);
}

void Server::ShedOctets() {
  size_t held = 0;
  auto largest = connections_.end();
  for (auto it = connections_.begin(); it != connections_.end(); ++it) {
    const size_t size = it->second->request.size();
    held += size;
    if (largest == connections_.end() || size > largest->second->request.size()) largest = it;
  }
  if (held <= options_.most_octets) return;
  Count(&ServerCounters::crowded);
  connections_.erase(largest);
}

bool Server::Advance(Connection* connection) {
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

bool Server::Shake(Connection* c) {
  const std::optional<size_t> done = c->Shake();
  if (!done) return true;
  if (*done == 0) {
    Count(&ServerCounters::no_tls);
    return false;
  }
  c->phase = Connection::Phase::kReading;
  c->events = POLLIN;
  return Read(c);
}

// One record at a time, but for those that are here already, of which poll knows nothing.
bool Server::Read(Connection* c) {
  do {
    char buffer[16 << 10];
    const std::optional<size_t> got = c->Receive(buffer, sizeof buffer);
    if (!got) return true;
    if (*got == 0) return false;
    c->request.Take({buffer, *got});
    if (c->request.refusal()) {
      Count(&ServerCounters::no_http);
      const int status = c->request.refusal()->status;
      if (status == 413 || status == 431) Count(&ServerCounters::too_large);
      SetAnswer(c, *c->request.refusal());
      return Write(c);
    }
    if (c->request.complete()) {
      c->phase = Connection::Phase::kWaiting;
      c->events = 0;
      c->deadline = steady_clock::now() + ToChrono(options_.patience);
      HandOver(c);
      return true;
    }
  } while (c->ssl != nullptr && SSL_pending(c->ssl.get()) > 0);
  c->events = POLLIN;
  return true;
}

// What is handed over counts until nobody holds its Reply any more.
void Server::HandOver(Connection* c) {
  const size_t size = c->request.body_size();
  const auto put = [this, mailbox = mailbox_, id = c->id](Answer answer) {
    mailbox->Put([this, id, answer = std::move(answer)] { SendAnswer(id, answer); });
  };
  if (load_->requests >= options_.most_connections || load_->octets + size > options_.most_octets) {
    Count(&ServerCounters::crowded);
    return put({503, "too many requests wait for an answer: try again\n"});
  }
  ++load_->requests;
  load_->octets += size;
  const std::shared_ptr<void> ticket(nullptr, [load = load_, size](void*) {
    --load->requests;
    load->octets -= size;
  });
  Request request = c->request.request();
  request.certified = c->ssl != nullptr && tls::ShowsCertificate(c->ssl.get());
  Handle(std::move(request), [put, ticket](Answer answer) { put(std::move(answer)); });
}

void Server::Handle(Request request, Reply reply) {
  if (!guard_) return handler_(std::move(request), std::move(reply));
  const auto shared = std::make_shared<Request>(std::move(request));
  guard_(*shared, [this, mailbox = mailbox_, shared,
                   reply = std::move(reply)](std::optional<Answer> refusal) {
    if (refusal) return reply(*std::move(refusal));
    mailbox->Put([this, shared, reply] { handler_(std::move(*shared), reply); });
  });
}

void Server::SetAnswer(Connection* c, const Answer& answer) {
  c->out = Render(answer, !c->request.head());
  c->phase = Connection::Phase::kWriting;
  c->events = POLLOUT;
}

bool Server::Write(Connection* c) {
  while (c->sent < c->out.size()) {
    const std::optional<size_t> sent = c->Send(c->out.data() + c->sent, c->out.size() - c->sent);
    if (!sent) return true;
    if (*sent == 0) return false;
    c->sent += *sent;
  }
  if (c->ssl != nullptr) SSL_shutdown(c->ssl.get());
  if (!c->request.refusal()) return false;
  // To close at once would reset the connection, and the client might never read the answer.
  shutdown(c->fd, SHUT_WR);
  c->phase = Connection::Phase::kDraining;
  c->events = POLLIN;
  c->deadline = std::min(c->deadline, steady_clock::now() + kDrain);
  return true;
}

bool Server::Drain(Connection* c) {
  char buffer[16 << 10];
  const ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

// Letters that a letter brings wait for the next round.
void Server::OpenMail() {
  std::vector<std::function<void()>> letters;
  eventfd_t woken = 0;
  eventfd_read(mailbox_->wake, &woken);
  {
    MutexLock lock(&mailbox_->mutex);
    letters.swap(mailbox_->letters);
  }
  for (const auto& letter : letters) letter();
}

void Server::SendAnswer(uint64_t id, const Answer& answer) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  SetAnswer(it->second.get(), answer);
  if (!Write(it->second.get())) connections_.erase(it);
}

}  // namespace openelb::http
