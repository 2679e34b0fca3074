// Asks who has each of many addresses, at a fixed rate, and tells when the kernel saw each question
// and each word about these addresses on the interface: ARP (RFC 826), or neighbour discovery (RFC
// 4861) where they are IPv6.
//
//   neighbor_load INTERFACE SOURCE FIRST COUNT RATE SECONDS
//
// COUNT addresses from FIRST on are asked for in turns, far ones one after the other, from SOURCE;
// at a RATE of 0 it only listens. Says "ready" before the first second; at the end come the frames:
//
//   SECONDS.NANOSECONDS KIND NUMBER MAC      NUMBER counts from FIRST, MAC is who sent it
//   dropped N                                at last: frames that there was no room for
//
// KIND: "ask" is a question of ours, "told" an answer to us alone, "announced" for all to hear.

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

namespace {

constexpr int kReceiveBuffer = 256 << 20;
constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kLastAnswers = kSecond / 2;
// Between an address and the one asked for next; prime, so that all have their turn.
constexpr uint32_t kStride = 2'039;

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "neighbor_load: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

std::string Big(uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

uint32_t Read32(const uint8_t* at) {
  return uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | at[3];
}

// An address as the octets of its family.
std::string Octets(const char* text) {
  std::array<char, 16> octets;
  if (inet_pton(AF_INET, text, octets.data()) == 1) return {octets.data(), 4};
  if (inet_pton(AF_INET6, text, octets.data()) == 1) return {octets.data(), 16};
  Die(std::string("not an address: ") + text);
}

// `first` and the ones after it differ in their last 32 bits.
std::string Nth(const std::string& first, uint32_t n) {
  const size_t prefix = first.size() - 4;
  const uint32_t last = Read32(reinterpret_cast<const uint8_t*>(first.data()) + prefix);
  return first.substr(0, prefix) + Big(last + n, 4);
}

struct Station {
  std::string mac;
  std::string address;
};

std::string ArpQuestion(const Station& us, const std::string& target) {
  return std::string(6, '\xff') + us.mac + Big(ETHERTYPE_ARP, 2) + Big(0x000108000604, 6) +
         Big(1, 2) + us.mac + us.address + std::string(6, '\0') + target;
}

uint16_t Checksum(const std::string& octets) {
  uint32_t sum = 0;
  for (size_t i = 0; i < octets.size(); ++i) {
    sum += static_cast<uint8_t>(octets[i]) << (i % 2 == 0 ? 8 : 0);
  }
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

std::string NdpQuestion(const Station& us, const std::string& target) {
  const std::string group =
      Big(0xff02, 2) + std::string(9, '\0') + Big(0x01ff, 2) + target.substr(13);
  const std::string body = Big(0, 4) + target + Big(0x0101, 2) + us.mac;
  const std::string pseudo = us.address + group + Big(body.size() + 4, 4) + Big(IPPROTO_ICMPV6, 4);
  const std::string icmp =
      Big(0x8700, 2) + Big(Checksum(pseudo + Big(0x87000000, 4) + body), 2) + body;
  return Big(0x3333, 2) + group.substr(12) + us.mac + Big(ETHERTYPE_IPV6, 2) + Big(0x60000000, 4) +
         Big(icmp.size(), 2) + Big(IPPROTO_ICMPV6, 1) + Big(255, 1) + us.address + group + icmp;
}

struct Frame {
  int64_t at;
  const char* kind;
  uint32_t number;
  std::array<uint8_t, 6> mac;
};

class Wire {
 public:
  Wire(const char* interface, const std::string& first, uint32_t count)
      : first_(first),
        count_(count),
        fd_(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0)),
        out_(socket(AF_PACKET, SOCK_RAW, 0)) {
    if (fd_ < 0 || out_ < 0) Die("socket");
    const int one = 1;
    setsockopt(fd_, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one));
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof(kReceiveBuffer));
    ifreq request{};
    std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
    if (ioctl(fd_, SIOCGIFHWADDR, &request) != 0) Die(interface);
    mac_.assign(request.ifr_hwaddr.sa_data, 6);
    sockaddr_ll local{};
    local.sll_family = AF_PACKET;
    local.sll_ifindex = static_cast<int>(if_nametoindex(interface));
    if (bind(out_, reinterpret_cast<sockaddr*>(&local), sizeof(local)) != 0) Die("bind");
    local.sll_protocol = htons(ETH_P_ALL);
    if (bind(fd_, reinterpret_cast<sockaddr*>(&local), sizeof(local)) != 0) Die("bind");
  }

  const std::string& mac() const { return mac_; }
  const std::vector<Frame>& frames() const { return frames_; }

  void Send(const std::string& frame) const {
    while (send(out_, frame.data(), frame.size(), 0) < 0) {
      if (errno != EAGAIN && errno != ENOBUFS) Die("send");
    }
  }

  // Frames that the kernel had no room for.
  unsigned Dropped() const {
    tpacket_stats stats{};
    socklen_t size = sizeof(stats);
    if (getsockopt(fd_, SOL_PACKET, PACKET_STATISTICS, &stats, &size) != 0) Die("statistics");
    return stats.tp_drops;
  }

  void Drain() {
    while (true) {
      std::array<uint8_t, 128> data;
      alignas(cmsghdr) std::array<char, 128> control;
      sockaddr_ll from{};
      iovec vector{data.data(), data.size()};
      msghdr message{};
      message.msg_name = &from;
      message.msg_namelen = sizeof(from);
      message.msg_iov = &vector;
      message.msg_iovlen = 1;
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      const ssize_t size = recvmsg(fd_, &message, 0);
      if (size < 0) return;
      const bool ask = from.sll_pkttype == PACKET_OUTGOING;
      const std::optional<uint32_t> number = About(data.data(), static_cast<size_t>(size), ask);
      const cmsghdr* stamped = CMSG_FIRSTHDR(&message);
      if (!number.has_value() || stamped == nullptr) continue;
      timespec stamp{};
      std::memcpy(&stamp, CMSG_DATA(stamped), sizeof(stamp));
      const char* kind = ask ? "ask" : from.sll_pkttype == PACKET_HOST ? "told" : "announced";
      Frame frame{stamp.tv_sec * kSecond + stamp.tv_nsec, kind, *number, {}};
      std::memcpy(frame.mac.data(), data.data() + 6, 6);
      frames_.push_back(frame);
    }
  }

 private:
  // Which of the addresses a frame asks for, or speaks for.
  std::optional<uint32_t> About(const uint8_t* data, size_t size, bool ask) const {
    const bool v4 = first_.size() == 4;
    size_t at = 0;
    if (v4) {
      if (size < 42 || data[12] != 0x08 || data[13] != 0x06) return std::nullopt;
      at = ask ? 38 : 28;
    } else {
      if (size < 78 || data[12] != 0x86 || data[13] != 0xdd || data[20] != IPPROTO_ICMPV6 ||
          data[54] != (ask ? 135 : 136)) {
        return std::nullopt;
      }
      at = 62;
    }
    const size_t prefix = first_.size() - 4;
    if (std::memcmp(data + at, first_.data(), prefix) != 0) return std::nullopt;
    const auto* first = reinterpret_cast<const uint8_t*>(first_.data());
    const uint32_t number = Read32(data + at + prefix) - Read32(first + prefix);
    if (number >= count_) return std::nullopt;
    return number;
  }

  const std::string first_;
  const uint32_t count_;
  // Only a socket for all protocols sees what goes out, and none what it sent itself.
  const int fd_;
  const int out_;
  std::string mac_;
  std::vector<Frame> frames_;
};

int64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

void SleepUntil(int64_t when) {
  const timespec until{when / kSecond, when % kSecond};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "usage: neighbor_load INTERFACE SOURCE FIRST COUNT RATE SECONDS\n");
    return 2;
  }
  const std::string first = Octets(argv[3]);
  const auto count = static_cast<uint32_t>(std::strtoul(argv[4], nullptr, 10));
  if (count == 0) {
    std::fprintf(stderr, "neighbor_load: COUNT is %s, must be 1 or more\n", argv[4]);
    return 2;
  }
  const int64_t rate = std::strtol(argv[5], nullptr, 10);
  Wire wire(argv[1], first, count);
  const Station us{wire.mac(), Octets(argv[2])};
  std::vector<std::string> questions;
  for (uint32_t i = 0; i < count; ++i) {
    const std::string target = Nth(first, i);
    questions.push_back(first.size() == 4 ? ArpQuestion(us, target) : NdpQuestion(us, target));
  }
  std::printf("ready\n");
  std::fflush(stdout);

  const int64_t start = Now();
  const int64_t end = start + std::strtol(argv[6], nullptr, 10) * kSecond;
  for (int64_t i = 0; rate > 0; ++i) {
    const int64_t due = start + i * kSecond / rate;
    if (due >= end) break;
    SleepUntil(due);
    wire.Send(questions[static_cast<uint64_t>(i) * kStride % count]);
    wire.Drain();
  }
  // On a busy machine the last question is late, and so is its answer.
  const int64_t until = std::max(end, Now()) + kLastAnswers;
  while (Now() < until) {
    wire.Drain();
    SleepUntil(Now() + kSecond / 1000);
  }
  for (const Frame& frame : wire.frames()) {
    const auto& m = frame.mac;
    std::printf("%lld.%09lld %s %u %02x:%02x:%02x:%02x:%02x:%02x\n",
                static_cast<long long>(frame.at / kSecond),
                static_cast<long long>(frame.at % kSecond), frame.kind, frame.number, m[0], m[1],
                m[2], m[3], m[4], m[5]);
  }
  std::printf("dropped %u\n", wire.Dropped());
}
