#include "api/base/tcp_ao.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace openelb {
namespace {

constexpr std::array<std::pair<absl::string_view, TcpAoAlgorithm>, 4> kAlgorithms = {{
    {"hmac-sha-1-96", TcpAoAlgorithm::kHmacSha1_96},
    {"aes-128-cmac-96", TcpAoAlgorithm::kAes128Cmac96},
    {"hmac-sha-256-96", TcpAoAlgorithm::kHmacSha256_96},
    {"hmac-sha-256-128", TcpAoAlgorithm::kHmacSha256_128},
}};

bool Contains(const TcpAoKeys& keys, const TcpAoKey& key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

// Whether another one of `keys` has one of the ids of `key`.
bool SharesId(const TcpAoKey& key, const TcpAoKeys& keys) {
  return std::any_of(keys.begin(), keys.end(), [&](const TcpAoKey& other) {
    return other != key && (other.send_id == key.send_id || other.receive_id == key.receive_id);
  });
}

}  // namespace

absl::string_view TcpAoAlgorithmName(TcpAoAlgorithm algorithm) {
  return kAlgorithms[static_cast<size_t>(algorithm)].first;
}

std::optional<TcpAoAlgorithm> ParseTcpAoAlgorithm(absl::string_view name) {
  for (const auto& [known, algorithm] : kAlgorithms) {
    if (name == known) return algorithm;
  }
  return std::nullopt;
}

std::string TcpAoAlgorithmNames() {
  return absl::StrJoin(kAlgorithms, ", ", [](std::string* out, const auto& entry) {
    absl::StrAppend(out, entry.first);
  });
}

std::string SharedTcpAoId(std::span<const TcpAoKey> keys) {
  for (size_t i = 0; i < keys.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (keys[i].send_id == keys[j].send_id) return absl::StrCat("sendId ", keys[i].send_id);
      if (keys[i].receive_id == keys[j].receive_id)
        return absl::StrCat("receiveId ", keys[i].receive_id);
    }
  }
  return "";
}

TcpAoKeys TcpAoKeysBesides(const TcpAoKeys& keys, const TcpAoKeys& others) {
  TcpAoKeys besides;
  std::copy_if(keys.begin(), keys.end(), std::back_inserter(besides),
               [&](const TcpAoKey& key) { return !Contains(others, key); });
  return besides;
}

bool TcpAoRollsOver(const TcpAoKeys& before, const TcpAoKeys& after) {
  if (before.empty() || after.empty()) return before.empty() && after.empty();
  return !SharesId(before.front(), after) && !SharesId(after.front(), before);
}

}  // namespace openelb
