#pragma once
// TCP-AO (RFC 5925) on sockets of Linux. What has to be said to the kernel is worked out first, as
// steps, and said then.
//
// A listener has the keys of all peers, and a connection those of its own: it has them from the
// listener if it was accepted. A peer for which there are keys gets no answer to what is not signed
// with one of them. While a connection is up, each end asks with RNextKeyID for the key that the
// other end is to sign with; which of its keys it signs with itself is for the other end to say.

#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "api/base/ip.h"
#include "api/base/tcp_ao.h"
#include "speaker/io/linux_tcp_ao.h"

namespace openelb::io {

// OK: the kernel has TCP-AO. Error: it has not, and says what it lacks.
absl::Status TcpAoSupport();

// One setsockopt.
struct AoStep {
  std::variant<linux_abi::TcpAoAdd, linux_abi::TcpAoDel, linux_abi::TcpAoInfo> option;
  std::string what;  // for errors: "TCP-AO key 1/2 (hmac-sha-1-96) for 10.0.0.1"
  // Of a TcpAoDel the kernel refuses because the peer still asks for that key: take it all the
  // same.
  bool force = false;
};

// For a socket that is to connect: signs with the first key, and asks for it. `keys` is not empty.
std::vector<AoStep> DialSteps(const IpAddress& peer, const TcpAoKeys& keys);
// For a listener.
std::vector<AoStep> ListenerSteps(const IpAddress& peer, const TcpAoKeys& before,
                                  const TcpAoKeys& after);
// For a connection, so that it goes on: TcpAoRollsOver(before, after), and neither is empty. With
// nothing changed it is made to ask for the first key.
std::vector<AoStep> ConnectionSteps(const IpAddress& peer, const TcpAoKeys& before,
                                    const TcpAoKeys& after);

// Up to the first that the kernel refuses.
absl::Status Carry(int fd, const std::vector<AoStep>& steps);

}  // namespace openelb::io
