#include "controller/push/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "api/base/host_port.h"

namespace openelb::push {
namespace {

constexpr int kShortageMs = 100;  // for descriptors or memory to be given back
// What is sent and not acknowledged for so long ends a connection: as long as gRPC's keepalive.
constexpr unsigned kUnacknowledgedMs = 1000;

// What gRPC's own listener asks for; connections take it over. Without the first a plan would wait
// for the acknowledgement of what was sent before.
void Prepare(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUnacknowledgedMs, sizeof kUnacknowledgedMs);
}

// Which socket a descriptor is. gRPC closes it without telling us, and its number is soon
// another's; a socket's inode is nobody else's for four thousand million sockets.
uint64_t HandleOf(int fd) {
  struct stat about{};
  const uint64_t inode = fstat(fd, &about) == 0 ? about.st_ino : 0;
  return inode << 24 | static_cast<uint64_t>(fd);
}

bool IsOpen(uint64_t handle) { return HandleOf(static_cast<int>(handle & 0xffffff)) == handle; }

// "10.0.0.1:1234" or "[fe80::1]:1234", without the zone, of what gRPC calls a peer.
std::string AddressOfPeer(absl::string_view peer) {
  const size_t scheme = peer.find(':');
  if (scheme == absl::string_view::npos) return "";
  std::string text =
      absl::StrReplaceAll(peer.substr(scheme + 1), {{"%5B", "["}, {"%5D", "]"}, {"%25", "%"}});
  if (const size_t zone = text.find('%'); zone != std::string::npos) {
    text.erase(zone, text.find(']', zone) - zone);
  }
  return text;
}

}  // namespace

std::string HostOfPeer(absl::string_view peer) {
  auto parsed = ParseHostPort(AddressOfPeer(peer));
  return parsed.ok() ? std::move(parsed->host) : "";
}

Listener::Listener(ListenSocket socket, ConnectionTable::Limits limits,
                   std::function<void(int fd)> serve)
    : socket_(std::move(socket)), serve_(std::move(serve)), table_(limits, IsOpen) {
  Prepare(socket_.fd());
}

Listener::~Listener() {
  Stop();
  MutexLock lock(&mutex_);  // what gRPC's threads told last is seen before it goes
}

void Listener::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Listener::Stop() {
  stopping_ = true;
  shutdown(socket_.fd(), SHUT_RDWR);  // wakes whoever waits for it
  if (thread_.joinable()) thread_.join();
}

void Listener::OnKnown(absl::string_view peer) {
  MutexLock lock(&mutex_);
  table_.OnKnown(AddressOfPeer(peer));
}

void Listener::OnEnded(absl::string_view peer) {
  MutexLock lock(&mutex_);
  table_.OnEnded(AddressOfPeer(peer));
}

ListenerCounters Listener::counters() {
  MutexLock lock(&mutex_);
  return {table_.counters(), shortages_};
}

void Listener::Run() {
  while (!stopping_) {
    const std::optional<Accepted> accepted = AcceptClient(socket_);
    if (accepted) {
      Take(*accepted);
    } else if (IsShortage(errno)) {
      {
        MutexLock lock(&mutex_);
        ++shortages_;
      }
      poll(nullptr, 0, kShortageMs);
    } else {
      pollfd wanted{socket_.fd(), POLLIN, 0};
      poll(&wanted, 1, -1);
    }
  }
}

void Listener::Take(const Accepted& accepted) {
  const std::string host = accepted.address.ToString();
  const std::string peer = HostPort{host, accepted.port}.ToString();
  bool taken;
  {
    MutexLock lock(&mutex_);
    taken = table_.Take(peer, host, HandleOf(accepted.fd));
  }
  if (!taken) {
    // Without this each refusal would stay with us for a minute, as the kernel's memory of it.
    const linger reset{.l_onoff = 1, .l_linger = 0};
    setsockopt(accepted.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(accepted.fd);
    return;
  }
  serve_(accepted.fd);
}

}  // namespace openelb::push
