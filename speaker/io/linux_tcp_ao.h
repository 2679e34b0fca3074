#pragma once
// What Linux calls TCP-AO towards programs, from include/uapi/linux/tcp.h of Linux 6.7, the first
// to have it; headers of distributions may be older. Semantics:
// Documentation/networking/tcp_ao.rst.

#include <sys/socket.h>

#include <cstdint>

namespace openelb::io::linux_abi {

// Socket options at the level IPPROTO_TCP.
inline constexpr int kTcpAoAddKey = 38;
inline constexpr int kTcpAoDelKey = 39;
inline constexpr int kTcpAoInfo = 40;

inline constexpr uint8_t kTcpAoKeyExcludeOptions = 1 << 1;  // in keyflags

// struct tcp_ao_add, for TCP_AO_ADD_KEY.
struct alignas(8) TcpAoAdd {
  sockaddr_storage addr;  // of the peer; its port must be 0
  char alg_name[64];      // as the kernel's crypto API has it
  int32_t ifindex;        // of a VRF
  uint32_t set_current : 1, set_rnext : 1, reserved : 30;
  uint16_t reserved2;
  uint8_t prefix;  // bits of addr that count
  uint8_t sndid;
  uint8_t rcvid;
  uint8_t maclen;  // octets; 0: 12
  uint8_t keyflags;
  uint8_t keylen;
  uint8_t key[80];
};

// struct tcp_ao_del, for TCP_AO_DEL_KEY.
struct alignas(8) TcpAoDel {
  sockaddr_storage addr;
  int32_t ifindex;
  uint32_t set_current : 1, set_rnext : 1, del_async : 1, reserved : 29;
  uint16_t reserved2;
  uint8_t prefix;
  uint8_t sndid;
  uint8_t rcvid;
  uint8_t current_key;  // a send id
  uint8_t rnext;        // a receive id
  uint8_t keyflags;
};

// struct tcp_ao_info_opt, for TCP_AO_INFO.
struct alignas(8) TcpAoInfo {
  uint32_t set_current : 1, set_rnext : 1, ao_required : 1, set_counters : 1, accept_icmps : 1,
      reserved : 27;
  uint16_t reserved2;
  uint8_t current_key;  // a send id
  uint8_t rnext;        // a receive id
  uint64_t pkt_good;
  uint64_t pkt_bad;
  uint64_t pkt_key_not_found;
  uint64_t pkt_ao_required;
  uint64_t pkt_dropped_icmp;
};

}  // namespace openelb::io::linux_abi
