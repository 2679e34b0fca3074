#include "controller/push/connection_table.h"

namespace openelb::push {

bool ConnectionTable::Take(const std::string& peer, const std::string& host, uint64_t handle) {
  // Its port is free again, so that the one before has ended.
  if (const auto old = connections_.find(peer); old != connections_.end()) Forget(old);
  if (Full(host)) Sweep();
  if (Full(host)) {
    ++counters_.refused;
    return false;
  }
  ++counters_.taken;
  const auto [it, is_new] = connections_.emplace(peer, Connection{.host = host, .handle = handle});
  Count(it->second, +1);
  return true;
}

void ConnectionTable::OnKnown(absl::string_view peer) {
  const auto it = connections_.find(peer);
  if (it != connections_.end() && it->second.streams++ == 0) Count(it->second, -1);
}

void ConnectionTable::OnEnded(absl::string_view peer) {
  const auto it = connections_.find(peer);
  if (it == connections_.end() || it->second.streams == 0) return;
  if (--it->second.streams == 0) Count(it->second, +1);
}

void ConnectionTable::Sweep() {
  for (auto it = connections_.begin(); it != connections_.end();) {
    const bool ended = it->second.streams == 0 && !is_open_(it->second.handle);
    it = ended ? Forget(it) : std::next(it);
  }
}

bool ConnectionTable::Full(const std::string& host) const {
  const auto of_host = strangers_.find(host);
  return counters_.strangers >= limits_.strangers ||
         (of_host != strangers_.end() && of_host->second >= limits_.strangers_of_host);
}

void ConnectionTable::Count(const Connection& connection, int change) {
  counters_.strangers += change;
  const auto of_host = strangers_.try_emplace(connection.host).first;
  of_host->second += change;
  if (of_host->second == 0) strangers_.erase(of_host);
}

ConnectionTable::Connections::iterator ConnectionTable::Forget(Connections::iterator it) {
  if (it->second.streams == 0) Count(it->second, -1);
  return connections_.erase(it);
}

}  // namespace openelb::push
