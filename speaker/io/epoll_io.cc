#include "speaker/io/epoll_io.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "absl/strings/str_cat.h"

namespace openelb::io {
namespace {

constexpr size_t kReadBuffer = size_t{64} * 1024;
constexpr int kMaxEvents = 64;
constexpr absl::Duration kRetry = absl::Seconds(1);

int PollTimeout(absl::Duration timeout) {
  if (timeout <= absl::ZeroDuration()) return 0;
  // Rounded up: a wake-up just before a timer is due would find nothing to do.
  const int64_t ms = absl::ToInt64Milliseconds(absl::Ceil(timeout, absl::Milliseconds(1)));
  return static_cast<int>(std::min<int64_t>(ms, 60'000));
}

// Reads and forgets what is there. Whether more may come.
bool Discard(int fd) {
  std::array<char, 4096> dropped;
  ssize_t size = 0;
  do {
    size = recv(fd, dropped.data(), dropped.size(), MSG_DONTWAIT);
  } while (size > 0);
  return size < 0 && (errno == EAGAIN || errno == EINTR);
}

}  // namespace

absl::StatusOr<std::unique_ptr<EpollIo>> EpollIo::Create(const Clock* clock) {
  auto io = std::unique_ptr<EpollIo>(new EpollIo(clock));
  io->epoll_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  io->wakeup_ = UniqueFd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  io->reserve_ = UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!io->epoll_.valid() || !io->wakeup_.valid() || !io->reserve_.valid()) {
    return ErrnoStatus(errno, "start the event loop");
  }
  absl::StatusOr<std::unique_ptr<AddressMonitor>> monitor = AddressMonitor::Create();
  if (!monitor.ok()) return monitor.status();
  io->monitor_ = std::move(*monitor);
  absl::Status status = io->Watch(io->wakeup_.get(), [raw = io.get()] { raw->RunMailbox(); });
  if (!status.ok()) return status;
  status = io->Watch(io->monitor_->fd(), [raw = io.get()] { raw->OnInterfaces(); });
  if (!status.ok()) return status;
  return io;
}

// ---- the loop ----

void EpollIo::RunOnce(absl::Duration timeout) {
  if (!later_.empty()) timeout = absl::ZeroDuration();
  timeout = std::min(timeout, refresh_at_ - clock_->Monotonic());
  for (const auto& [id, lingering] : lingering_) {
    timeout = std::min(timeout, lingering.until - clock_->Monotonic());
  }
  std::array<epoll_event, kMaxEvents> events;
  const int count = epoll_wait(epoll_.get(), events.data(), kMaxEvents, PollTimeout(timeout));
  for (const std::function<void()>& call : std::exchange(later_, {})) call();
  for (int i = 0; i < count; ++i) OnEvent(events[i].data.u64, events[i].events);
  if (refresh_at_ <= clock_->Monotonic()) OnInterfaces();
  std::erase_if(lingering_, [now = clock_->Monotonic()](const auto& entry) {
    return entry.second.until <= now;
  });
}

void EpollIo::OnEvent(uint64_t id, uint32_t events) {
  if (connections_.contains(id)) {
    OnConnection(id, events);
  } else if (auto listener = listeners_.find(id); listener != listeners_.end()) {
    OnListener(listener->second);
  } else if (auto lingering = lingering_.find(id); lingering != lingering_.end()) {
    if (!Discard(lingering->second.fd.get())) lingering_.erase(lingering);
  } else if (auto watched = watched_.find(id); watched != watched_.end()) {
    const std::function<void()> readable = watched->second.readable;  // it may end the watch
    readable();
  }
}

void EpollIo::Post(std::function<void()> task) {
  MutexLock lock(&mutex_);
  mailbox_.push_back(std::move(task));
  if (mailbox_.size() == 1) eventfd_write(wakeup_.get(), 1);
}

void EpollIo::RunMailbox() {
  std::vector<std::function<void()>> tasks;
  {
    MutexLock lock(&mutex_);
    eventfd_t count = 0;
    eventfd_read(wakeup_.get(), &count);
    tasks.swap(mailbox_);
  }
  for (const std::function<void()>& task : tasks) task();
}

absl::Status EpollIo::Watch(int fd, std::function<void()> readable) {
  const uint64_t id = next_id_++;
  absl::Status status = Add(fd, id, EPOLLIN);
  if (status.ok()) watched_[id] = {fd, std::move(readable)};
  return status;
}

void EpollIo::Unwatch(int fd) {
  if (std::erase_if(watched_, [fd](const auto& entry) { return entry.second.fd == fd; }) > 0) {
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  }
}

void EpollIo::OnInterfaces() {
  const std::vector<InterfaceAddress> addresses = monitor_->own_addresses();
  const absl::StatusOr<bool> changed = monitor_->Refresh();
  refresh_at_ = changed.ok() ? absl::InfiniteDuration() : clock_->Monotonic() + kRetry;
  if (!changed.ok() || !*changed) return;
  if (handler_ != nullptr && monitor_->own_addresses() != addresses)
    handler_->OnInterfacesChanged();
  const auto watchers = interface_watchers_;  // one may end a watch
  for (const auto& [id, watcher] : watchers) {
    if (interface_watchers_.contains(id)) watcher();
  }
}

void EpollIo::OnRoutes() {
  const absl::StatusOr<bool> changed = routes_->Refresh();
  if (changed.ok() && *changed && handler_ != nullptr) handler_->OnInterfacesChanged();
}

std::map<Family, std::string> EpollIo::DefaultRoutes() {
  if (routes_ == nullptr) {
    absl::StatusOr<std::unique_ptr<RouteMonitor>> monitor = RouteMonitor::Create();
    if (!monitor.ok() || !Watch((*monitor)->fd(), [this] { OnRoutes(); }).ok()) return {};
    routes_ = *std::move(monitor);
  }
  return routes_->routes();
}

uint64_t EpollIo::WatchInterfaces(std::function<void()> changed) {
  const uint64_t id = next_id_++;
  interface_watchers_[id] = std::move(changed);
  return id;
}

absl::Status EpollIo::Add(int fd, uint64_t id, uint32_t interest) {
  epoll_event event{};
  event.events = interest;
  event.data.u64 = id;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return ErrnoStatus(errno, "watch a descriptor");
  }
  return absl::OkStatus();
}

void EpollIo::SetInterest(ConnId conn, Connection* connection, uint32_t interest) {
  if (connection->interest == interest) return;
  connection->interest = interest;
  epoll_event event{};
  event.events = interest;
  event.data.u64 = conn;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection->fd.get(), &event);
}

// ---- listeners ----

absl::Status EpollIo::Listen(const ListenOptions& options) {
  absl::StatusOr<UniqueFd> fd = StartListen(options);
  if (!fd.ok()) return fd.status();
  for (const auto& [peer, auth] : auth_) {
    if (peer.family() != options.address.family()) continue;
    absl::Status status = ChangeListenerAuth(fd->get(), peer, {}, auth);
    if (!status.ok()) return status;
  }
  const uint64_t id = next_id_++;
  absl::Status status = Add(fd->get(), id, EPOLLIN);
  if (!status.ok()) return status;
  listeners_[id] = {std::move(*fd), options};
  return absl::OkStatus();
}

void EpollIo::Unlisten(const ListenOptions& options) {
  std::erase_if(listeners_, [&](const auto& entry) { return entry.second.options == options; });
}

absl::Status EpollIo::SetListenerAuth(const IpAddress& peer, const TcpAuth& auth) {
  const auto known = auth_.find(peer);
  const TcpAuth before = known == auth_.end() ? TcpAuth() : known->second;
  // A later listener would fail with what the kernel refuses, for all peers.
  absl::Status result = CheckAuth(peer, auth);
  if (!result.ok()) return result;
  const auto each = [&](const auto& act) {
    for (const auto& [id, listener] : listeners_) {
      if (listener.options.address.family() == peer.family()) act(listener);
    }
  };
  each([&](const Listener& listener) {
    result.Update(ChangeListenerAuth(listener.fd.get(), peer, before, auth));
    // What has connected already did so with what was asked before.
    TurnAway(listener, peer);
  });
  auth_.erase(peer);
  if (!result.ok()) {
    each([&](const Listener& listener) {
      ChangeListenerAuth(listener.fd.get(), peer, auth, {}).IgnoreError();
    });
  } else if (!auth.empty()) {
    auth_[peer] = auth;
  }
  return result;
}

void EpollIo::TurnAway(const Listener& listener, const IpAddress& peer) {
  for (absl::StatusOr<Accepted> next = Next(listener); next.ok(); next = Next(listener)) {
    const IpAddress local = next->local;
    const IpAddress remote = next->remote;
    if (remote == peer) continue;
    const std::optional<ConnId> conn = Take(*std::move(next));
    if (!conn.has_value()) continue;
    later_.push_back([this, conn = *conn, local, remote] {
      if (connections_.contains(conn)) handler_->OnAccepted(conn, local, remote);
    });
  }
}

absl::StatusOr<Accepted> EpollIo::Next(const Listener& listener) {
  absl::StatusOr<Accepted> accepted = AcceptNext(listener.fd.get());
  if (absl::IsResourceExhausted(accepted.status())) {
    // The connection is turned away; left waiting, it would wake this loop for ever.
    reserve_ = UniqueFd();
    AcceptNext(listener.fd.get()).IgnoreError();
    reserve_ = UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  return accepted;
}

std::optional<ConnId> EpollIo::Take(Accepted accepted) {
  SetConnectionOptions(accepted.fd.get(), accepted.remote.family());
  const ConnId conn = next_id_++;
  if (!Add(accepted.fd.get(), conn, EPOLLIN).ok()) return std::nullopt;
  Connection& connection = connections_[conn];
  connection.fd = std::move(accepted.fd);
  connection.remote = accepted.remote;
  connection.connected = true;
  connection.interest = EPOLLIN;
  const auto auth = auth_.find(accepted.remote);
  if (auth != auth_.end()) connection.ao_keys = auth->second.ao_keys;
  return conn;
}

void EpollIo::OnListener(const Listener& listener) {
  absl::StatusOr<Accepted> accepted = Next(listener);
  if (!accepted.ok()) return;
  const IpAddress local = accepted->local;
  const IpAddress remote = accepted->remote;
  if (const auto conn = Take(*std::move(accepted))) handler_->OnAccepted(*conn, local, remote);
}

// ---- connections ----

ConnId EpollIo::Dial(const DialOptions& options) {
  const ConnId conn = next_id_++;
  absl::StatusOr<UniqueFd> fd = StartConnect(options);
  absl::Status status = fd.status();
  if (status.ok()) status = Add(fd->get(), conn, EPOLLOUT);
  Connection& connection = connections_[conn];
  connection.remote = options.remote;
  connection.ao_keys = options.auth.ao_keys;
  connection.interest = EPOLLOUT;
  if (status.ok()) {
    connection.fd = std::move(*fd);
  } else {
    later_.push_back([this, conn, status] { Drop(conn, status); });
  }
  return conn;
}

absl::Status EpollIo::SetTtl(ConnId conn, int ttl, int min_ttl) {
  auto it = connections_.find(conn);
  if (it == connections_.end()) return absl::NotFoundError("no such connection");
  const int fd = it->second.fd.get();
  absl::Status status = io::SetTtl(fd, it->second.remote.family(), ttl);
  status.Update(SetMinTtl(fd, it->second.remote.family(), min_ttl));
  return status;
}

absl::Status EpollIo::SetAoKeys(ConnId conn, const TcpAoKeys& keys) {
  auto it = connections_.find(conn);
  if (it == connections_.end()) return absl::NotFoundError("no such connection");
  Connection& connection = it->second;
  if (!TcpAoRollsOver(connection.ao_keys, keys)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the connection with ", connection.remote.ToString(), " has other TCP-AO keys"));
  }
  absl::Status status =
      Carry(connection.fd.get(), ConnectionSteps(connection.remote, connection.ao_keys, keys));
  if (status.ok()) connection.ao_keys = keys;
  return status;
}

size_t EpollIo::Write(ConnId conn, std::span<const uint8_t> data) {
  auto it = connections_.find(conn);
  if (it == connections_.end() || !it->second.connected) return 0;
  Connection& connection = it->second;
  // A connection that is broken takes nothing; the event that says so follows by itself.
  const ssize_t sent =
      send(connection.fd.get(), data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  const size_t taken = sent < 0 ? 0 : static_cast<size_t>(sent);
  connection.taken += taken;
  written_ += taken;
  if (taken < data.size()) SetInterest(conn, &connection, EPOLLIN | EPOLLOUT);
  return taken;
}

std::string EpollIo::InterfaceOf(ConnId conn) {
  const auto it = connections_.find(conn);
  return it == connections_.end() ? "" : io::InterfaceOf(it->second.fd.get());
}

uint64_t EpollIo::Acknowledged(ConnId conn) {
  auto it = connections_.find(conn);
  if (it == connections_.end() || !it->second.connected) return 0;
  return it->second.taken - std::min(it->second.taken, Unacknowledged(it->second.fd.get()));
}

void EpollIo::Close(ConnId conn) {
  auto closed = connections_.extract(conn);
  if (closed.empty() || !closed.mapped().connected) return;
  UniqueFd fd = std::move(closed.mapped().fd);
  shutdown(fd.get(), SHUT_WR);
  if (!Discard(fd.get()) || lingering_.size() >= kMaxLingering) return;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = conn;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd.get(), &event);
  lingering_[conn] = {std::move(fd), clock_->Monotonic() + kLinger};
}

void EpollIo::OnConnection(ConnId conn, uint32_t events) {
  Connection& connection = connections_[conn];
  if (!connection.connected) {
    OnConnecting(conn, &connection);
    return;
  }
  if ((events & EPOLLOUT) != 0) {
    SetInterest(conn, &connection, EPOLLIN);
    handler_->OnWritable(conn);
  }
  if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) Read(conn);
}

void EpollIo::OnConnecting(ConnId conn, Connection* connection) {
  if (const int error = PendingError(connection->fd.get()); error != 0) {
    Drop(conn, ErrnoStatus(error, absl::StrCat("connect to ", connection->remote.ToString())));
    return;
  }
  connection->connected = true;
  SetInterest(conn, connection, EPOLLIN);
  handler_->OnConnected(conn, LocalAddress(connection->fd.get()));
}

void EpollIo::Read(ConnId conn) {
  auto it = connections_.find(conn);
  if (it == connections_.end()) return;  // closed by the handler
  std::array<uint8_t, kReadBuffer> buffer;
  // Before an error is reported, what had come in is read.
  const ssize_t size = recv(it->second.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size > 0) {
    handler_->OnData(conn, {buffer.data(), static_cast<size_t>(size)});
  } else if (size == 0) {
    Drop(conn, absl::OkStatus());
  } else if (errno != EAGAIN && errno != EINTR) {
    Drop(conn, ErrnoStatus(errno, absl::StrCat("connection with ", it->second.remote.ToString())));
  }
}

void EpollIo::Drop(ConnId conn, const absl::Status& why) {
  if (connections_.erase(conn) > 0) handler_->OnClosed(conn, why);
}

}  // namespace openelb::io
