#pragma once
// What the two bare ends of a BGP session share: messages as octets (RFC 4271 4), and nothing of
// the product, which they are compared with.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace openelb::bench {

inline constexpr size_t kHeader = 19;
inline constexpr size_t kLargestMessage = 4096;
enum Type : uint8_t { kOpen = 1, kUpdate = 2, kNotification = 3, kKeepalive = 4 };
enum AddPath : uint8_t { kAddPathNone = 0, kAddPathReceive = 1, kAddPathSend = 2 };  // RFC 7911 4

// Ends the program with what failed, and errno's word for it if it is set.
[[noreturn]] inline void Die(const std::string& what) {
  std::fprintf(stderr, "%s: %s%s%s\n", program_invocation_short_name, what.c_str(),
               errno == 0 ? "" : ": ", errno == 0 ? "" : std::strerror(errno));
  std::exit(1);
}

inline std::string Big(uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

inline std::string Message(Type type, const std::string& body) {
  return std::string(16, '\xff') + Big(kHeader + body.size(), 2) + Big(type, 1) + body;
}

// In host order.
inline uint32_t Address(const std::string& text) {
  in_addr address;
  if (inet_pton(AF_INET, text.c_str(), &address) != 1) Die("not an IPv4 address: " + text);
  return ntohl(address.s_addr);
}

inline std::vector<uint32_t> Addresses(const std::string& list) {
  std::vector<uint32_t> found;
  for (size_t at = 0; at <= list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    found.push_back(Address(list.substr(at, end - at)));
    at = end + 1;
  }
  return found;
}

// IPv4 unicast (RFC 4760), the AS number in 4 octets (RFC 6793), ADD-PATH (RFC 7911) if asked for.
inline std::string Open(uint32_t as, uint32_t router_id, int hold_s, AddPath add_path) {
  std::string capabilities = Big(0x010400010001, 6) + Big(0x4104, 2) + Big(as, 4);
  if (add_path != kAddPathNone)
    capabilities += Big(0x4504, 2) + Big(0x000101, 3) + Big(add_path, 1);
  const std::string parameter = Big(2, 1) + Big(capabilities.size(), 1) + capabilities;
  return Message(kOpen, Big(4, 1) + Big(as > 0xffff ? 23456 : as, 2) + Big(hold_s, 2) +
                            Big(router_id, 4) + Big(parameter.size(), 1) + parameter);
}

inline void Send(int fd, const std::string& bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t n = write(fd, bytes.data() + sent, bytes.size() - sent);
    if (n <= 0) Die("write");
    sent += n;
  }
}

inline size_t MessageSize(const char* header) {
  return static_cast<uint8_t>(header[16]) << 8 | static_cast<uint8_t>(header[17]);
}

}  // namespace openelb::bench
