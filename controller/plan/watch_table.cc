#include "controller/plan/watch_table.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/plan/speaker_table.h"
#include "controller/tls/hmac.h"

namespace openelb::plan {
namespace {

constexpr size_t kSecretOctets = 20;  // the most that Keyed SHA1 takes (RFC 5880 4.4)

std::string Key(const WatchEnd& own, const WatchEnd& other) {
  return absl::StrCat("bfd/", own.interface, "/", other.address.ToString());
}

// The same at both ends, another for every session.
std::string SecretOf(const Watch& watch, absl::string_view secret) {
  const std::string text =
      absl::StrJoin({std::string("openelb watch"), watch.low.node, watch.high.node,
                     watch.low.interface, watch.high.interface},
                    absl::string_view("\0", 1));
  return tls::HmacSha256(secret, text).substr(0, kSecretOctets);
}

}  // namespace

std::optional<Watch> FindWatch(const NodeLink& a, const NodeLink& b) {
  if (b.node < a.node) return FindWatch(b, a);
  if (a.interface.empty() || b.interface.empty()) return std::nullopt;
  std::optional<std::pair<IpAddress, IpAddress>> best;
  for (const InterfaceAddress& low : a.view.prefixes) {
    if (low.interface != a.interface || low.address.IsLinkLocal()) continue;
    for (const InterfaceAddress& high : b.view.prefixes) {
      if (high.interface != b.interface || high.address == low.address) continue;
      if (!low.Prefix().Contains(high.address) || !high.Prefix().Contains(low.address)) continue;
      const std::pair pair(low.address, high.address);
      if (!best || pair < *best) best = pair;
    }
  }
  if (!best) return std::nullopt;
  return Watch{{std::string(a.node), std::string(a.interface), best->first},
               {std::string(b.node), std::string(b.interface), best->second}};
}

void WatchTable::SetSecret(std::string secret) {
  if (secret == secret_) return;
  secret_ = std::move(secret);
  rewrite_ = true;
}

void WatchTable::Rewrite(SetStore* sets) {
  if (!std::exchange(rewrite_, false)) return;
  for (const auto& [node, keys] : sessions_) {
    for (const auto& [key, sessions] : keys) Write(node, key, sessions, sets);
  }
}

void WatchTable::Need(const IpAddress& address, std::set<Watch> watches, SetStore* sets) {
  std::set<Watch>& held = needs_[address];
  if (held != watches) {
    for (const Watch& watch : watches) {
      if (!held.contains(watch)) Add(watch, sets);
    }
    for (const Watch& watch : held) {
      if (!watches.contains(watch)) Drop(watch, sets);
    }
    held = std::move(watches);
  }
  if (held.empty()) needs_.erase(address);
}

void WatchTable::Add(const Watch& watch, SetStore* sets) {
  for (const auto& [own, other] :
       {std::pair(&watch.low, &watch.high), std::pair(&watch.high, &watch.low)}) {
    const std::string key = Key(*own, *other);
    Sessions& sessions = sessions_[own->node][key];
    if (++sessions[watch] == 1) Write(own->node, key, sessions, sets);
  }
}

void WatchTable::Drop(const Watch& watch, SetStore* sets) {
  for (const auto& [own, other] :
       {std::pair(&watch.low, &watch.high), std::pair(&watch.high, &watch.low)}) {
    const std::string key = Key(*own, *other);
    const auto node = sessions_.find(own->node);
    const auto sessions = node->second.find(key);
    if (--sessions->second.at(watch) > 0) continue;
    sessions->second.erase(watch);
    if (!sessions->second.empty()) {
      Write(own->node, key, sessions->second, sets);
      continue;
    }
    sets->Erase(NodeSet(own->node), key);
    node->second.erase(sessions);
    if (node->second.empty()) sessions_.erase(node);
  }
}

void WatchTable::Write(const std::string& node, const std::string& key, const Sessions& sessions,
                       SetStore* sets) const {
  const Watch& watch = sessions.begin()->first;
  const bool is_low = watch.low.node == node;
  const WatchEnd& own = is_low ? watch.low : watch.high;
  const WatchEnd& other = is_low ? watch.high : watch.low;
  const auto interval = static_cast<uint32_t>(absl::ToInt64Microseconds(interval_));
  v1::ResourceBody body;
  v1::BfdSession& session = *body.mutable_bfd_session();
  session.set_interface(own.interface);
  session.set_peer(other.address.ToString());
  session.set_local(own.address.ToString());
  session.set_node(other.node);
  session.set_desired_min_tx_us(interval);
  session.set_required_min_rx_us(interval);
  session.set_detect_mult(static_cast<uint32_t>(multiplier_));
  session.set_secret(SecretOf(watch, secret_));
  sets->Put(NodeSet(node), key, body);
}

}  // namespace openelb::plan
