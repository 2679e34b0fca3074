#include "speaker/io/sim_auth.h"

#include <algorithm>
#include <utility>

namespace openelb::io {
namespace {

// Two ends' keys that are the same one.
bool AreOne(const TcpAoKey& a, const TcpAoKey& b) {
  TcpAoKey mirrored = b;
  std::swap(mirrored.send_id, mirrored.receive_id);
  return a == mirrored;
}

bool Knows(const TcpAoKeys& keys, const TcpAoKey& key) {
  return std::any_of(keys.begin(), keys.end(),
                     [&](const TcpAoKey& known) { return AreOne(known, key); });
}

}  // namespace

absl::Status NoTcpAo() {
  return absl::UnimplementedError("the kernel has no TCP-AO (CONFIG_TCP_AO, Linux 6.7)");
}

bool Answers(const TcpAuth& asked, const TcpAuth& used) {
  if (asked.md5_password != used.md5_password) return false;
  if (asked.ao_keys.empty() || used.ao_keys.empty())
    return asked.ao_keys.empty() && used.ao_keys.empty();
  return Knows(asked.ao_keys, used.ao_keys.front());
}

bool Understood(AoEnd* from, const AoEnd& to) {
  if (from->keys.empty() || to.keys.empty()) return true;
  for (const TcpAoKey& key : from->keys) {
    if (AreOne(key, to.keys.front())) from->current = key;
  }
  if (std::find(from->keys.begin(), from->keys.end(), from->current) == from->keys.end())
    from->current = from->keys.front();
  return Knows(to.keys, from->current);
}

}  // namespace openelb::io
