// The floor that whole-system figures stand beside: a BGP session with nothing behind it. No plan,
// no state machine, no retry: connect, OPEN (RFC 4271 4.2), KEEPALIVE, then UPDATEs built
// beforehand, as fast as told to.
//
//   bare_sender PEER[,PEER...] LOCAL_AS ROUTER_ID routes N [HOPS [PIPE]]
//       N /32 from 10.64.0.0, packed into full messages, once ESTABLISHED. With HOPS over 1 as many
//       paths each (RFC 7911), with next hops from ROUTER_ID on. A line in PIPE (a FIFO) then
//       sends: withdraw, announce (all); one, undo (a route more); less, more (the last next hop of
//       all)
//   bare_sender PEER LOCAL_AS ROUTER_ID watch DIR
//       a file named A.B.C.D appears in DIR: announced; goes: withdrawn
//
// Prints "established" once; ends when a peer does.

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <time.h>

#include <map>

#include "e2e/bench/bgp_bytes.h"

namespace openelb::bench {
namespace {

constexpr int kHoldSeconds = 90;

// One NLRI; path identifier 0: none.
std::string Prefix(uint32_t address, uint32_t path_id) {
  return (path_id == 0 ? "" : Big(path_id, 4)) + Big(32, 1) + Big(address, 4);
}

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
    const size_t size = MessageSize(message);
    if (size < kHeader || size > sizeof(message)) Die("bad message length");
    ReadExactly(fd, message + kHeader, size - kHeader);
    if (message[18] == type) return;
    if (message[18] == kNotification) Die("the peer sent a NOTIFICATION");
  }
}

int Connect(uint32_t peer) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(179);
  to.sin_addr.s_addr = htonl(peer);
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
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

// All that can be asked for, as octets; built before the sessions exist.
class Prepared {
 public:
  Prepared(uint32_t as, uint32_t router_id, uint32_t count, uint32_t hops) {
    std::vector<uint32_t> all(count);
    for (uint32_t i = 0; i < count; ++i) all[i] = Address("10.64.0.0") + i;
    const std::vector<uint32_t> one = {Address("10.64.0.0") + count};
    for (uint32_t hop = 0; hop < hops; ++hop) {
      const std::string attributes = Attributes(as, router_id + hop);
      const uint32_t path_id = hops > 1 ? hop + 1 : 0;
      const auto announce = [&](const std::string& nlri) { return Announce(attributes, nlri); };
      said_["announce"] += Pack(all, path_id, attributes.size(), announce);
      said_["withdraw"] += Pack(all, path_id, 0, Withdraw);
      said_["one"] += Pack(one, path_id, attributes.size(), announce);
      said_["undo"] += Pack(one, path_id, 0, Withdraw);
      if (hop + 1 < hops || hops == 1) continue;
      said_["more"] = Pack(all, path_id, attributes.size(), announce);
      said_["less"] = Pack(all, path_id, 0, Withdraw);
    }
  }
  const std::string& Of(const std::string& word) const {
    const auto found = said_.find(word);
    errno = 0;
    if (found == said_.end()) Die("no such command: " + word);
    return found->second;
  }

 private:
  // As few messages as these prefixes fit in.
  template <typename Wrap>
  static std::string Pack(const std::vector<uint32_t>& addresses, uint32_t path_id,
                          size_t attributes, Wrap wrap) {
    const size_t room = (kLargestMessage - kHeader - 4 - attributes) / (path_id == 0 ? 5 : 9);
    std::string out;
    for (size_t i = 0; i < addresses.size();) {
      std::string nlri;
      for (size_t n = 0; n < room && i < addresses.size(); ++n, ++i) {
        nlri += Prefix(addresses[i], path_id);
      }
      out += wrap(nlri);
    }
    return out;
  }

  std::map<std::string, std::string> said_;
};

// Handles what inotify has: one UPDATE per file that came or went.
void Follow(int watch, int fd, const std::string& attributes) {
  alignas(inotify_event) char events[4096];
  const ssize_t size = read(watch, events, sizeof(events));
  for (ssize_t at = 0; at < size;) {
    const auto* event = reinterpret_cast<const inotify_event*>(events + at);
    const std::string prefix = Prefix(Address(event->name), 0);
    Send(fd, (event->mask & IN_DELETE) ? Withdraw(prefix) : Announce(attributes, prefix));
    at += sizeof(inotify_event) + event->len;
  }
}

// Sends what the lines in a pipe ask for to all.
void Obey(int pipe, const std::vector<int>& fds, const Prepared& prepared) {
  char words[256];
  const ssize_t size = read(pipe, words, sizeof(words));
  for (const char *at = words, *end = words + std::max<ssize_t>(size, 0); at < end;) {
    const char* line = std::find(at, end, '\n');
    const std::string& bytes = prepared.Of({at, line});
    for (const int fd : fds) Send(fd, bytes);
    at = line + 1;
  }
}

int Establish(uint32_t peer, uint32_t as, uint32_t router_id, AddPath add_path) {
  const int fd = Connect(peer);
  Send(fd, Open(as, router_id, kHoldSeconds, add_path));
  ReadUntil(fd, kOpen);
  Send(fd, Message(kKeepalive, ""));
  ReadUntil(fd, kKeepalive);
  return fd;
}

int Run(int argc, char** argv) {
  const uint32_t as = std::strtoul(argv[2], nullptr, 10);
  const uint32_t router_id = Address(argv[3]);
  const bool watches = std::strcmp(argv[4], "watch") == 0;
  const uint32_t hops = argc > 6 ? std::strtoul(argv[6], nullptr, 10) : 1;
  const Prepared prepared(as, router_id, watches ? 0 : std::strtoul(argv[5], nullptr, 10), hops);

  std::vector<pollfd> wait;
  std::vector<int> fds;
  for (const uint32_t peer : Addresses(argv[1])) {
    fds.push_back(Establish(peer, as, router_id, hops > 1 ? kAddPathSend : kAddPathNone));
    wait.push_back({fds.back(), POLLIN, 0});
    if (!watches) Send(fds.back(), prepared.Of("announce"));
  }
  std::printf("established\n");
  std::fflush(stdout);

  int commands = -1;
  if (watches) {
    commands = inotify_init1(IN_CLOEXEC);
    if (inotify_add_watch(commands, argv[5], IN_MOVED_TO | IN_DELETE) < 0) Die(argv[5]);
  } else if (argc > 7) {
    commands = open(argv[7], O_RDWR | O_CLOEXEC);  // so that it has no end
    if (commands < 0) Die(argv[7]);
  }
  wait.push_back({commands, POLLIN, 0});
  for (time_t said = 0;;) {
    poll(wait.data(), wait.size(), 500);
    if (const time_t now = time(nullptr); now != said) {
      said = now;
      for (const int fd : fds) Send(fd, Message(kKeepalive, ""));
    }
    if (wait.back().revents != 0) {
      watches ? Follow(commands, fds[0], Attributes(as, router_id)) : Obey(commands, fds, prepared);
    }
    for (size_t i = 0; i < fds.size(); ++i) {
      char sink[65536];
      if (wait[i].revents != 0 && read(fds[i], sink, sizeof(sink)) <= 0) return 0;
    }
  }
}

}  // namespace
}  // namespace openelb::bench

int main(int argc, char** argv) {
  if (argc < 6 || argc > 8) {
    std::fprintf(
        stderr, "usage: bare_sender PEERS LOCAL_AS ROUTER_ID routes N [HOPS [PIPE]] | watch DIR\n");
    return 2;
  }
  return openelb::bench::Run(argc, argv);
}
