#include "speaker/io/ao_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "api/base/socket_address.h"
#include "speaker/io/socket.h"

namespace openelb::io {
namespace {

using linux_abi::TcpAoAdd;
using linux_abi::TcpAoDel;
using linux_abi::TcpAoInfo;

// What the kernel calls an algorithm, and how many octets of its outcome are sent (RFC 5926 3.2).
struct KernelAlgorithm {
  TcpAoAlgorithm algorithm;
  const char* name;
  uint8_t maclen;
};
constexpr std::array<KernelAlgorithm, 4> kAlgorithms = {{
    {TcpAoAlgorithm::kHmacSha1_96, "hmac(sha1)", 12},
    {TcpAoAlgorithm::kAes128Cmac96, "cmac(aes128)", 12},
    {TcpAoAlgorithm::kHmacSha256_96, "hmac(sha256)", 12},
    {TcpAoAlgorithm::kHmacSha256_128, "hmac(sha256)", 16},
}};

const KernelAlgorithm& Kernel(TcpAoAlgorithm algorithm) {
  return *std::find_if(kAlgorithms.begin(), kAlgorithms.end(),
                       [&](const KernelAlgorithm& known) { return known.algorithm == algorithm; });
}

std::string What(const IpAddress& peer, const TcpAoKey& key) {
  return absl::StrCat("TCP-AO key ", key.send_id, "/", key.receive_id, " (",
                      TcpAoAlgorithmName(key.algorithm), ") for ", peer.ToString());
}

uint8_t Bits(const IpAddress& address) { return address.is_v4() ? 32 : 128; }

AoStep Add(const IpAddress& peer, const TcpAoKey& key, bool use = false) {
  TcpAoAdd add{};
  add.addr = ToSocketAddress(peer, 0).storage;
  const KernelAlgorithm& algorithm = Kernel(key.algorithm);
  std::strncpy(add.alg_name, algorithm.name, sizeof(add.alg_name) - 1);
  add.set_current = use;
  add.set_rnext = use;
  add.prefix = Bits(peer);
  add.sndid = key.send_id;
  add.rcvid = key.receive_id;
  add.maclen = algorithm.maclen;
  add.keyflags = key.include_tcp_options ? 0 : linux_abi::kTcpAoKeyExcludeOptions;
  add.keylen = static_cast<uint8_t>(std::min(key.secret.size(), sizeof(add.key)));
  std::copy_n(key.secret.begin(), add.keylen, add.key);
  return {add, What(peer, key)};
}

// `instead`: what the socket is to use if it uses `key`; null: listeners use none.
AoStep Delete(const IpAddress& peer, const TcpAoKey& key, const TcpAoKey* instead) {
  TcpAoDel del{};
  del.addr = ToSocketAddress(peer, 0).storage;
  del.prefix = Bits(peer);
  del.sndid = key.send_id;
  del.rcvid = key.receive_id;
  if (instead != nullptr) {
    del.current_key = instead->send_id;
    del.rnext = instead->receive_id;
  }
  return {del, What(peer, key), instead != nullptr};
}

// From now on only what is signed is taken, and the peer is asked to sign with `key`. A connection
// that began without TCP-AO refuses that (EISCONN).
AoStep Ask(const IpAddress& peer, const TcpAoKey& key) {
  TcpAoInfo info{};
  info.set_rnext = 1;
  info.rnext = key.receive_id;
  info.ao_required = 1;
  return {info, absl::StrCat("use of ", What(peer, key))};
}

template <typename Option>
int Set(int fd, int name, const Option& option) {
  return setsockopt(fd, IPPROTO_TCP, name, &option, sizeof(option));
}

int Set(int fd, const TcpAoAdd& add) { return Set(fd, linux_abi::kTcpAoAddKey, add); }
int Set(int fd, const TcpAoDel& del) { return Set(fd, linux_abi::kTcpAoDelKey, del); }
int Set(int fd, const TcpAoInfo& info) { return Set(fd, linux_abi::kTcpAoInfo, info); }

absl::Status NoTcpAo() {
  return absl::UnimplementedError("the kernel has no TCP-AO (CONFIG_TCP_AO, Linux 6.7)");
}

absl::Status Refused(const AoStep& step, int error) {
  if (error == ENOPROTOOPT) return NoTcpAo();
  const auto* add = std::get_if<TcpAoAdd>(&step.option);
  // What the crypto API says of algorithms that it has not (CONFIG_CRYPTO_*).
  if (add != nullptr && error == ENOENT) {
    return absl::UnimplementedError(absl::StrCat(step.what, ": the kernel has no ", add->alg_name));
  }
  return ErrnoStatus(error, step.what);
}

}  // namespace

absl::Status TcpAoSupport() {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  TcpAoInfo info{};
  socklen_t size = sizeof(info);
  // A new socket has no TCP-AO yet: ENOENT.
  if (getsockopt(fd.get(), IPPROTO_TCP, linux_abi::kTcpAoInfo, &info, &size) == 0 ||
      errno == ENOENT) {
    return absl::OkStatus();
  }
  return errno == ENOPROTOOPT ? NoTcpAo() : ErrnoStatus(errno, "TCP-AO");
}

std::vector<AoStep> DialSteps(const IpAddress& peer, const TcpAoKeys& keys) {
  std::vector<AoStep> steps;
  for (const TcpAoKey& key : keys) steps.push_back(Add(peer, key, /*use=*/steps.empty()));
  steps.push_back(Ask(peer, keys.front()));
  return steps;
}

std::vector<AoStep> ListenerSteps(const IpAddress& peer, const TcpAoKeys& before,
                                  const TcpAoKeys& after) {
  std::vector<AoStep> steps;
  for (const TcpAoKey& key : TcpAoKeysBesides(before, after))
    steps.push_back(Delete(peer, key, nullptr));
  for (const TcpAoKey& key : TcpAoKeysBesides(after, before)) steps.push_back(Add(peer, key));
  return steps;
}

std::vector<AoStep> ConnectionSteps(const IpAddress& peer, const TcpAoKeys& before,
                                    const TcpAoKeys& after) {
  std::vector<AoStep> steps;
  TcpAoKeys added = TcpAoKeysBesides(after, before);
  const TcpAoKey& first = after.front();
  if (!added.empty() && added.front() == first) {
    steps.push_back(Add(peer, first));
    added.erase(added.begin());
  }
  steps.push_back(Ask(peer, first));
  for (const TcpAoKey& key : TcpAoKeysBesides(before, after))
    steps.push_back(Delete(peer, key, &first));
  for (const TcpAoKey& key : added) steps.push_back(Add(peer, key));
  return steps;
}

absl::Status Carry(int fd, const std::vector<AoStep>& steps) {
  for (const AoStep& step : steps) {
    if (std::visit([&](const auto& option) { return Set(fd, option); }, step.option) == 0) continue;
    int error = errno;
    if (error == EBUSY && step.force) {
      TcpAoDel del = std::get<TcpAoDel>(step.option);
      del.set_current = 1;
      del.set_rnext = 1;
      error = Set(fd, del) == 0 ? 0 : errno;
    }
    if (error != 0) return Refused(step, error);
  }
  return absl::OkStatus();
}

}  // namespace openelb::io
