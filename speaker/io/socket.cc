#include "speaker/io/socket.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "api/base/socket_address.h"
#include "speaker/io/ao_socket.h"

namespace openelb::io {
namespace {

int SetInt(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof(value));
}

absl::StatusOr<UniqueFd> OpenTcp(Family family, absl::string_view what) {
  const int domain = family == Family::kV4 ? AF_INET : AF_INET6;
  UniqueFd fd(socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus(errno, what);
  return fd;
}

// The TCP MD5 key for segments to and from `peer`; an empty password removes it.
absl::Status SetMd5(int fd, const IpAddress& peer, const std::string& password) {
  const std::string what = absl::StrCat("TCP MD5 password for ", peer.ToString());
  if (password.size() > TCP_MD5SIG_MAXKEYLEN) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": ", password.size(), " octets, at most ",
                                                   TCP_MD5SIG_MAXKEYLEN, " are allowed"));
  }
  tcp_md5sig key{};
  const SocketAddress address = ToSocketAddress(peer, 0);
  std::memcpy(&key.tcpm_addr, &address.storage, sizeof(key.tcpm_addr));
  key.tcpm_keylen = static_cast<uint16_t>(password.size());
  std::copy(password.begin(), password.end(), key.tcpm_key);
  if (setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key)) != 0) {
    if (password.empty() && errno == ENOENT) return absl::OkStatus();  // there was none
    return ErrnoStatus(errno, what);
  }
  return absl::OkStatus();
}

}  // namespace

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) close(fd_);
}

absl::Status ErrnoStatus(int error, absl::string_view what) {
  return absl::ErrnoToStatus(error, what);
}

absl::StatusOr<UniqueFd> StartConnect(const DialOptions& options) {
  const std::string what =
      absl::StrCat("connect to ", options.remote.ToString(), options.interface.empty() ? "" : "%",
                   options.interface, " port ", options.port);
  absl::StatusOr<UniqueFd> fd = OpenTcp(options.remote.family(), what);
  if (!fd.ok()) return fd;
  SetConnectionOptions(fd->get(), options.remote.family());
  if (!options.auth.md5_password.empty()) {
    absl::Status status = SetMd5(fd->get(), options.remote, options.auth.md5_password);
    if (!status.ok()) return status;
  }
  if (!options.auth.ao_keys.empty()) {
    absl::Status status = Carry(fd->get(), DialSteps(options.remote, options.auth.ao_keys));
    if (!status.ok()) return status;
  }
  if (options.ttl != 0) {
    absl::Status status = SetTtl(fd->get(), options.remote.family(), options.ttl);
    if (!status.ok()) return status;
  }
  if (options.min_ttl != 0) {
    absl::Status status = SetMinTtl(fd->get(), options.remote.family(), options.min_ttl);
    if (!status.ok()) return status;
  }
  if (options.source.has_value()) {
    // The port is chosen when it is clear for which remote address.
    SetInt(fd->get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    SocketAddress source = ToSocketAddress(*options.source, 0);
    if (bind(fd->get(), source.get(), source.size) != 0) {
      return ErrnoStatus(errno, absl::StrCat(what, " from ", options.source->ToString()));
    }
  }
  SocketAddress remote = ToSocketAddress(options.remote, options.port);
  if (!options.interface.empty()) {
    const unsigned index = if_nametoindex(options.interface.c_str());
    if (index == 0) return ErrnoStatus(errno, what);
    reinterpret_cast<sockaddr_in6*>(&remote.storage)->sin6_scope_id = index;
  }
  if (connect(fd->get(), remote.get(), remote.size) != 0 && errno != EINPROGRESS) {
    return ErrnoStatus(errno, what);
  }
  return fd;
}

absl::StatusOr<UniqueFd> StartListen(const ListenOptions& options) {
  const std::string what =
      absl::StrCat("listen on ", options.address.ToString(), " port ", options.port);
  absl::StatusOr<UniqueFd> fd = OpenTcp(options.address.family(), what);
  if (!fd.ok()) return fd;
  SetInt(fd->get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (options.address.is_v6()) SetInt(fd->get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  SocketAddress local = ToSocketAddress(options.address, options.port);
  if (bind(fd->get(), local.get(), local.size) != 0 || listen(fd->get(), SOMAXCONN) != 0) {
    return ErrnoStatus(errno, what);
  }
  return fd;
}

void SetConnectionOptions(int fd, Family family) {
  SetInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  // CS6, network control (RFC 4594 section 3.1): routers mark and queue BGP so.
  if (family == Family::kV4) {
    SetInt(fd, IPPROTO_IP, IP_TOS, IPTOS_CLASS_CS6);
  } else {
    SetInt(fd, IPPROTO_IPV6, IPV6_TCLASS, IPTOS_CLASS_CS6);
  }
}

absl::Status CheckAuth(const IpAddress& peer, const TcpAuth& auth) {
  const absl::StatusOr<UniqueFd> fd = OpenTcp(peer.family(), "open a socket");
  return fd.ok() ? ChangeListenerAuth(fd->get(), peer, {}, auth) : fd.status();
}

// Keys of both kinds for one peer the kernel refuses (EKEYREJECTED): those that go, go first.
absl::Status ChangeListenerAuth(int fd, const IpAddress& peer, const TcpAuth& before,
                                const TcpAuth& after) {
  absl::Status status;
  if (after.md5_password.empty() && !before.md5_password.empty()) status = SetMd5(fd, peer, "");
  status.Update(Carry(fd, ListenerSteps(peer, before.ao_keys, after.ao_keys)));
  if (status.ok() && !after.md5_password.empty()) status = SetMd5(fd, peer, after.md5_password);
  if (status.ok()) return status;
  SetMd5(fd, peer, "").IgnoreError();
  for (const TcpAoKeys& keys : {before.ao_keys, after.ao_keys}) {
    for (const AoStep& step : ListenerSteps(peer, keys, {})) Carry(fd, {step}).IgnoreError();
  }
  return status;
}

absl::Status SetTtl(int fd, Family family, int ttl) {
  const int failed = family == Family::kV4 ? SetInt(fd, IPPROTO_IP, IP_TTL, ttl)
                                           : SetInt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl);
  if (failed != 0) return ErrnoStatus(errno, absl::StrCat("TTL ", ttl));
  return absl::OkStatus();
}

absl::Status SetMinTtl(int fd, Family family, int min_ttl) {
  const int failed = family == Family::kV4 ? SetInt(fd, IPPROTO_IP, IP_MINTTL, min_ttl)
                                           : SetInt(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, min_ttl);
  if (failed != 0) return ErrnoStatus(errno, absl::StrCat("least TTL ", min_ttl));
  return absl::OkStatus();
}

int PendingError(int fd) {
  int error = 0;
  socklen_t size = sizeof(error);
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

IpAddress LocalAddress(int fd) {
  SocketAddress local;
  local.size = sizeof(local.storage);
  getsockname(fd, local.get(), &local.size);
  return FromSocketAddress(local.storage);
}

std::string InterfaceOf(int fd) {
  SocketAddress remote;
  remote.size = sizeof(remote.storage);
  char name[IF_NAMESIZE];
  if (getpeername(fd, remote.get(), &remote.size) != 0 || remote.storage.ss_family != AF_INET6) {
    return "";
  }
  const uint32_t index = reinterpret_cast<const sockaddr_in6*>(&remote.storage)->sin6_scope_id;
  return if_indextoname(index, name) == nullptr ? "" : name;
}

uint64_t Unacknowledged(int fd) {
  int octets = 0;
  return ioctl(fd, SIOCOUTQ, &octets) == 0 ? static_cast<uint64_t>(octets) : 0;
}

absl::StatusOr<Accepted> AcceptNext(int listener) {
  SocketAddress remote;
  remote.size = sizeof(remote.storage);
  UniqueFd fd(accept4(listener, remote.get(), &remote.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd.valid()) {
    if (errno == EMFILE || errno == ENFILE) return absl::ResourceExhaustedError("accept");
    return absl::NotFoundError("accept");
  }
  const IpAddress local = LocalAddress(fd.get());
  return Accepted{std::move(fd), local, FromSocketAddress(remote.storage)};
}

}  // namespace openelb::io
