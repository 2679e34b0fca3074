// Receivers that keep no sender waiting: passive BGP sessions (RFC 4271, ADD-PATH by RFC 7911) that
// count what is announced, and tell when it came.
//
//   bgp_receiver TABLE LOCAL_AS ADD_PATH ADDRESS[,ADDRESS...]
//       one session at each address; ADD_PATH: 1 to take several paths of a prefix, else 0
//
// TABLE is a file that others map: one Session (below) for each address. The times of UPDATEs are
// those the kernel stamped on the packets as they came in, so they are right even where this
// program runs late. It takes /32 from 10.64.0.0 to 10.65.255.255 and at most 7 paths of each: a
// prefix is one place in a table. Whatever else a sender says ends the program, with a reason.
//
// A session tells its sender End-of-RIB (RFC 4724 2) once it is ESTABLISHED, as a router does that
// has its own table to send.

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <memory>

#include "e2e/bench/bgp_bytes.h"

namespace openelb::bench {
namespace {

constexpr uint32_t kFirst = 0x0a400000;
constexpr size_t kPrefixes = 1 << 17;
constexpr uint32_t kMostPaths = 7;
constexpr int kHoldSeconds = 90;
constexpr size_t kBuffer = 1 << 20;

// What the mapped file holds of each session: numbers that only grow while it lives, but for
// `paths` and `prefixes`, which are what the sender has announced and not withdrawn. Times are
// nanoseconds since 1970, 0: not yet. A new session starts from 0.
struct Session {
  uint64_t established_at;  // the KEEPALIVE that makes the sender ESTABLISHED left
  uint64_t first_at;        // the first UPDATE that changed anything
  uint64_t changed_at;      // the last one that did
  uint64_t said_at;         // the last one that announced or withdrew, changing anything or not
  uint64_t prefixes;
  uint64_t paths;
  uint64_t updates;
  uint64_t octets;
};

uint32_t Read(const uint8_t* at, int bytes) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; ++i) value = value << 8 | at[i];
  return value;
}

uint64_t Nanoseconds(const timespec& at) { return at.tv_sec * 1'000'000'000ull + at.tv_nsec; }

uint64_t Now() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return Nanoseconds(now);
}

class Connection {
 public:
  Connection(int fd, uint32_t as, uint32_t router_id, bool add_path, Session* session)
      : fd_(fd), add_path_(add_path), session_(session), buffer_(kBuffer), paths_(kPrefixes) {
    *session_ = {};
    Say(Open(as, router_id, kHoldSeconds, add_path ? kAddPathReceive : kAddPathNone));
  }
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Takes what has come; false when the session is over.
  bool Take() {
    uint64_t stamp = 0;
    const ssize_t n = Receive(kBuffer - filled_, &stamp);
    if (n <= 0) return n < 0 && errno == EAGAIN;
    filled_ += n;
    size_t at = 0;
    uint64_t changes = 0;
    while (filled_ - at >= kHeader) {
      const size_t size = MessageSize(Text() + at);
      errno = 0;
      if (size < kHeader || size > kLargestMessage) Die("bad message length");
      if (filled_ - at < size) break;
      if (!Handle(buffer_.data() + at, size, stamp, &changes)) return false;
      at += size;
    }
    if (changes > 0) {
      if (session_->first_at == 0) session_->first_at = stamp;
      session_->changed_at = stamp;
    }
    std::copy(buffer_.data() + at, buffer_.data() + filled_, buffer_.data());
    filled_ -= at;
    return true;
  }

  void KeepAlive() { Say(Message(kKeepalive, "")); }

 private:
  // A sender that has gone is noticed by what it says: nothing more.
  void Say(const std::string& message) {
    (void)!send(fd_, message.data(), message.size(), MSG_NOSIGNAL);
  }
  const char* Text() const { return reinterpret_cast<const char*>(buffer_.data()); }

  // `stamp`: when the packet of the last octet came, by the kernel.
  ssize_t Receive(size_t most, uint64_t* stamp) {
    iovec into = {buffer_.data() + filled_, most};
    alignas(cmsghdr) char control[64];
    msghdr message{};
    message.msg_iov = &into;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    const ssize_t n = recvmsg(fd_, &message, MSG_DONTWAIT);
    if (n <= 0) return n;
    const cmsghdr* found = CMSG_FIRSTHDR(&message);
    errno = 0;
    if (found == nullptr || found->cmsg_type != SCM_TIMESTAMPNS) Die("no stamp on a packet");
    timespec at;
    std::memcpy(&at, CMSG_DATA(found), sizeof(at));
    *stamp = Nanoseconds(at);
    return n;
  }

  bool Handle(const uint8_t* message, size_t size, uint64_t stamp, uint64_t* changes) {
    switch (message[18]) {
      case kOpen:
        add_path_ = add_path_ && OffersPaths(message + kHeader, size - kHeader);
        confirmed_at_ = Now();
        KeepAlive();
        return true;
      case kKeepalive:
        if (session_->established_at == 0) {
          session_->established_at = confirmed_at_;
          Say(Message(kUpdate, Big(0, 4)));  // End-of-RIB
        }
        return true;
      case kUpdate:
        Update(message + kHeader, size - kHeader, stamp, changes);
        return true;
      default:
        return false;
    }
  }

  // Whether an OPEN offers to send several IPv4 paths.
  static bool OffersPaths(const uint8_t* body, size_t size) {
    for (const uint8_t *at = body + 10, *end = body + size; at + 2 <= end; at += 2 + at[1]) {
      if (at[0] != 2) continue;
      for (const uint8_t *c = at + 2, *last = std::min(at + 2 + at[1], end); c + 2 <= last;
           c += 2 + c[1]) {
        for (int i = 0; c[0] == 69 && i + 4 <= c[1]; i += 4) {
          if (Read(c + 2 + i, 3) == 0x000101 && (c[2 + i + 3] & kAddPathSend) != 0) return true;
        }
      }
    }
    return false;
  }

  void Update(const uint8_t* body, size_t size, uint64_t stamp, uint64_t* changes) {
    const uint8_t* const end = body + size;
    errno = 0;
    if (size < 4) Die("an UPDATE without lengths");
    const uint8_t* withdrawn = body + 2;
    const uint8_t* attributes = withdrawn + Read(body, 2);
    if (attributes + 2 > end) Die("withdrawn routes beyond the UPDATE");
    const uint8_t* announced = attributes + 2 + Read(attributes, 2);
    if (announced > end) Die("attributes beyond the UPDATE");
    for (const uint8_t* at = attributes + 2; at + 4 <= announced;) {
      if (at[1] == 14 || at[1] == 15) Die("IPv4 routes in MP_REACH_NLRI are not counted here");
      at += (at[0] & 0x10) != 0 ? 4 + Read(at + 2, 2) : 3 + at[2];
    }
    ++session_->updates;
    session_->octets += kHeader + size;
    if (withdrawn < attributes || announced < end) session_->said_at = stamp;
    *changes += Count(withdrawn, attributes, false) + Count(announced, end, true);
  }

  // How many paths that changes.
  uint64_t Count(const uint8_t* at, const uint8_t* end, bool announced) {
    uint64_t changed = 0;
    const int length = add_path_ ? 9 : 5;
    for (; at < end; at += length) {
      if (at + length > end || at[length - 5] != 32) Die("a prefix that is not a /32");
      const uint32_t index = Read(at + length - 4, 4) - kFirst;
      if (index >= kPrefixes) Die("a prefix outside 10.64.0.0/15");
      Paths& known = paths_[index];
      const uint64_t before = known.count;
      if (!Change(&known, add_path_ ? Read(at, 4) : 0, announced)) continue;
      ++changed;
      session_->paths += known.count - before;
      session_->prefixes += static_cast<uint64_t>(known.count != 0) - (before != 0 ? 1 : 0);
    }
    return changed;
  }

  // The identifiers of the paths of one prefix.
  struct Paths {
    uint32_t ids[kMostPaths];
    uint32_t count;
  };
  // False if it is so already.
  static bool Change(Paths* paths, uint32_t id, bool announced) {
    uint32_t* const end = paths->ids + paths->count;
    uint32_t* const found = std::find(paths->ids, end, id);
    if ((found != end) == announced) return false;
    if (announced) {
      if (paths->count == kMostPaths) Die("more than 7 paths of a prefix");
      *end = id;
      ++paths->count;
    } else {
      *found = *(end - 1);
      --paths->count;
    }
    return true;
  }

  const int fd_;
  bool add_path_;
  Session* const session_;
  std::vector<uint8_t> buffer_;
  size_t filled_ = 0;
  uint64_t confirmed_at_ = 0;
  std::vector<Paths> paths_;  // of each prefix
};

int Listen(uint32_t address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  const int room = 16 << 20;  // what a sender may be ahead
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one));
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(179);
  at.sin_addr.s_addr = htonl(address);
  if (bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof(at)) != 0 || listen(fd, 8) != 0) {
    Die("listen");
  }
  return fd;
}

Session* Map(const char* path, size_t sessions) {
  const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const size_t size = sessions * sizeof(Session);
  if (fd < 0 || ftruncate(fd, static_cast<off_t>(size)) != 0) Die(path);
  void* const table = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (table == MAP_FAILED) Die(path);
  close(fd);
  return static_cast<Session*>(table);
}

void Run(char** argv) {
  const std::vector<uint32_t> addresses = Addresses(argv[4]);
  Session* const table = Map(argv[1], addresses.size());
  const uint32_t as = std::strtoul(argv[2], nullptr, 10);
  std::vector<int> listeners;
  std::vector<std::unique_ptr<Connection>> connections(addresses.size());
  const int all = epoll_create1(EPOLL_CLOEXEC);
  // The number of an event: of a listener, or of a connection after all listeners.
  const auto watch = [all](int fd, uint64_t number) {
    epoll_event event = {.events = EPOLLIN, .data = {.u64 = number}};
    if (epoll_ctl(all, EPOLL_CTL_ADD, fd, &event) != 0) Die("epoll_ctl");
  };
  for (const uint32_t address : addresses) {
    listeners.push_back(Listen(address));
    watch(listeners.back(), listeners.size() - 1);
  }
  std::printf("listening\n");
  std::fflush(stdout);
  while (true) {
    epoll_event events[32];
    const int count = epoll_wait(all, events, 32, 10'000);
    for (size_t i = 0; count == 0 && i < connections.size(); ++i) {
      if (connections[i] != nullptr) connections[i]->KeepAlive();
    }
    for (int i = 0; i < count; ++i) {
      const size_t slot = events[i].data.u64 % addresses.size();
      if (events[i].data.u64 >= addresses.size()) {
        if (!connections[slot]->Take()) connections[slot].reset();
        continue;
      }
      const int fd = accept4(listeners[slot], nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      if (connections[slot] != nullptr) {  // one session at an address
        close(fd);
        continue;
      }
      connections[slot] =
          std::make_unique<Connection>(fd, as, addresses[slot], argv[3][0] == '1', &table[slot]);
      watch(fd, slot + addresses.size());
    }
  }
}

}  // namespace
}  // namespace openelb::bench

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: bgp_receiver TABLE LOCAL_AS ADD_PATH ADDRESS[,ADDRESS...]\n");
    return 2;
  }
  openelb::bench::Run(argv);
}
