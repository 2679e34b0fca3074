// The floor that whole-system figures stand beside: a BGP session with nothing behind it. No plan,
// no state machine, no retry: connect, OPEN (RFC 4271 4.2, 4-octet AS by RFC 6793), KEEPALIVE, then
// UPDATEs as fast as told to.
//
//   bare_sender PEER LOCAL_AS ROUTER_ID routes N    N /32 from 10.64.0.0, packed into full
//   messages, once ESTABLISHED bare_sender PEER LOCAL_AS ROUTER_ID watch DIR   a file named A.B.C.D
//   appears in DIR: announced; goes: withdrawn
//
// Prints "established" once; ends when the peer does.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

constexpr size_t kHeader = 19;
constexpr size_t kLargestMessage = 4096;
constexpr int kHoldSeconds = 90;
enum Type : uint8_t { kOpen = 1, kUpdate = 2, kKeepalive = 4 };

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "bare_sender: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

std::string Big(uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

std::string Message(Type type, const std::string& body) {
  return std::string(16, '\xff') + Big(kHeader + body.size(), 2) + Big(type, 1) + body;
}

uint32_t Address(const char* text) {
  in_addr address;
  if (inet_pton(AF_INET, text, &address) != 1) Die(std::string("not an IPv4 address: ") + text);
  return ntohl(address.s_addr);
}

std::string Open(uint32_t as, uint32_t router_id) {
  // IPv4 unicast (RFC 4760) and the AS number in 4 octets.
  const std::string capabilities = Big(0x010400010001, 6) + Big(0x4104, 2) + Big(as, 4);
  const std::string parameter = Big(2, 1) + Big(capabilities.size(), 1) + capabilities;
  return Message(kOpen, Big(4, 1) + Big(as > 0xffff ? 23456 : as, 2) + Big(kHoldSeconds, 2) +
                            Big(router_id, 4) + Big(parameter.size(), 1) + parameter);
}

std::string Prefix(uint32_t address) { return Big(32, 1) + Big(address, 4); }

// ORIGIN IGP, AS_PATH of our AS alone, NEXT_HOP.
std::string Attributes(uint32_t as, uint32_t next_hop) {
  return Big(0x400101, 3) + Big(0, 1) + Big(0x400206, 3) + Big(2, 1) + Big(1, 1) + Big(as, 4) +
         Big(0x400304, 3) + Big(next_hop, 4);
}

std::string Announce(const std::string& attributes, const std::string& prefixes) {
  return Message(kUpdate, Big(0, 2) + Big(attributes.size(), 2) + attributes + prefixes);
}

std::string Withdraw(const std::string& prefixes) {
  return Message(kUpdate, Big(prefixes.size(), 2) + prefixes + Big(0, 2));
}

void Send(int fd, const std::string& bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t n = write(fd, bytes.data() + sent, bytes.size() - sent);
    if (n <= 0) Die("write");
    sent += n;
  }
}

void ReadExactly(int fd, char* to, size_t size) {
  for (size_t got = 0; got < size;) {
    const ssize_t n = read(fd, to + got, size - got);
    if (n <= 0) Die("the peer ended the session");
    got += n;
  }
}

// Reads whole messages until one of `type`.
void ReadUntil(int fd, Type type) {
  while (true) {
    char message[kLargestMessage];
    ReadExactly(fd, message, kHeader);
    const size_t size =
        (static_cast<uint8_t>(message[16]) << 8) | static_cast<uint8_t>(message[17]);
    if (size < kHeader || size > sizeof(message)) Die("bad message length");
    ReadExactly(fd, message + kHeader, size - kHeader);
    if (message[18] == type) return;
    if (message[18] == 3) Die("the peer sent a NOTIFICATION");
  }
}

int Connect(uint32_t peer) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(179);
  to.sin_addr.s_addr = htonl(peer);
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) Die("socket");
    if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0) {
      const int one = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
      return fd;
    }
    close(fd);
    usleep(10'000);
  }
  Die("connect");
}

void SendRoutes(int fd, const std::string& attributes, uint32_t count) {
  const uint32_t first = Address("10.64.0.0");
  const size_t room =
      (kLargestMessage - kHeader - 4 - attributes.size()) / 5;  // a /32 takes 5 bytes
  std::string out;
  for (uint32_t i = 0; i < count;) {
    std::string prefixes;
    for (size_t n = 0; n < room && i < count; ++n, ++i) prefixes += Prefix(first + i);
    out += Announce(attributes, prefixes);
  }
  Send(fd, out);
}

// Handles what inotify has: one UPDATE per file that came or went.
void Follow(int watch, int fd, const std::string& attributes) {
  alignas(inotify_event) char events[4096];
  const ssize_t size = read(watch, events, sizeof(events));
  for (ssize_t at = 0; at < size;) {
    const auto* event = reinterpret_cast<const inotify_event*>(events + at);
    const std::string prefix = Prefix(Address(event->name));
    Send(fd, (event->mask & IN_DELETE) ? Withdraw(prefix) : Announce(attributes, prefix));
    at += sizeof(inotify_event) + event->len;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: bare_sender PEER LOCAL_AS ROUTER_ID routes N | watch DIR\n");
    return 2;
  }
  const uint32_t as = std::strtoul(argv[2], nullptr, 10);
  const uint32_t router_id = Address(argv[3]);
  const std::string attributes = Attributes(as, router_id);

  const int fd = Connect(Address(argv[1]));
  Send(fd, Open(as, router_id));
  ReadUntil(fd, kOpen);
  Send(fd, Message(kKeepalive, ""));
  ReadUntil(fd, kKeepalive);
  std::printf("established\n");
  std::fflush(stdout);

  int watch = -1;
  if (std::strcmp(argv[4], "watch") == 0) {
    watch = inotify_init1(IN_CLOEXEC);
    if (inotify_add_watch(watch, argv[5], IN_MOVED_TO | IN_DELETE) < 0) Die(argv[5]);
  } else {
    SendRoutes(fd, attributes, std::strtoul(argv[5], nullptr, 10));
  }
  while (true) {
    pollfd wait[2] = {{fd, POLLIN, 0}, {watch, POLLIN, 0}};
    const int ready = poll(wait, watch < 0 ? 1 : 2, 1000);
    if (ready == 0) Send(fd, Message(kKeepalive, ""));
    if (wait[0].revents != 0) {
      char sink[65536];
      if (read(fd, sink, sizeof(sink)) <= 0) return 0;
    }
    if (watch >= 0 && wait[1].revents != 0) Follow(watch, fd, attributes);
  }
}
