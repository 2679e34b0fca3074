#include "speaker/bgp/listeners.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace openelb::bgp {
namespace {

constexpr absl::Duration kLongestRetry = absl::Seconds(30);

}  // namespace

void Listeners::Configure(const std::optional<link::BgpInstance>& instance, absl::Duration now) {
  std::vector<io::ListenOptions> wanted;
  if (instance.has_value() && instance->listen_port > 0) {
    for (const IpAddress& address : instance->listen_addresses) {
      wanted.push_back({address, static_cast<uint16_t>(instance->listen_port)});
    }
  }
  // First make room: a new socket may need the port of an old one.
  std::erase_if(sockets_, [&](const Socket& socket) {
    if (std::find(wanted.begin(), wanted.end(), socket.options) != wanted.end()) return false;
    if (socket.problem.empty()) io_->Unlisten(socket.options);
    return true;
  });
  for (const io::ListenOptions& options : wanted) {
    const auto same = [&](const Socket& socket) { return socket.options == options; };
    if (std::any_of(sockets_.begin(), sockets_.end(), same)) continue;
    sockets_.push_back({options, {}, {}, absl::InfiniteDuration()});
    Open(&sockets_.back(), now);
  }
}

void Listeners::Open(Socket* socket, absl::Duration now) {
  const absl::Status status = io_->Listen(socket->options);
  socket->problem.clear();
  socket->retry_at = absl::InfiniteDuration();
  const std::string key =
      absl::StrCat("bgp listen ", socket->options.address.ToString(), " ", socket->options.port);
  if (status.ok()) {
    logger_->Recovered(key, "BGP listens", {{"port", socket->options.port}});
    return;
  }
  socket->problem = absl::StrCat("BgpConf listenPort ", socket->options.port,
                                 ": peers cannot connect: ", status.message());
  logger_->Damped(key, "BGP does not listen", socket->problem);
  socket->retry_at = now + socket->backoff.Next(kLongestRetry, random_);
}

void Listeners::Tick(absl::Duration now) {
  for (Socket& socket : sockets_) {
    if (now >= socket.retry_at) Open(&socket, now);
  }
}

absl::Duration Listeners::NextWakeup() const {
  absl::Duration next = absl::InfiniteDuration();
  for (const Socket& socket : sockets_) next = std::min(next, socket.retry_at);
  return next;
}

std::vector<std::string> Listeners::problems() const {
  std::vector<std::string> problems;
  for (const Socket& socket : sockets_) {
    if (!socket.problem.empty()) problems.push_back(socket.problem);
  }
  return problems;
}

}  // namespace openelb::bgp
