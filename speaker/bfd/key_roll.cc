#include "speaker/bfd/key_roll.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace openelb::bfd {

Authentication SharedSecret(absl::string_view secret) {
  std::array<uint8_t, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const uint8_t*>(secret.data()), secret.size(), digest.data());
  return {AuthenticationType::kMeticulousKeyedSha1, {{digest[0], std::string(secret)}}};
}

KeyRoll::KeyRoll(Key key, absl::Duration accept_old)
    : accept_old_(accept_old),
      steps_{{std::move(key), -absl::InfiniteDuration(), -absl::InfiniteDuration()}} {}

void KeyRoll::Change(const Key& key, absl::Duration now, bool at_once) {
  if (key == steps_.back().key) return;
  steps_.erase(steps_.begin(), steps_.begin() + static_cast<ptrdiff_t>(FirstAccepted(now)));
  steps_.push_back({key, at_once ? now : now + kSignOld, now + accept_old_});
}

size_t KeyRoll::FirstAccepted(absl::Duration now) const {
  size_t first = steps_.size() - 1;
  while (first > 0 && steps_[first].alone_at > now) --first;
  return first;
}

std::vector<Key> KeyRoll::Keys(absl::Duration now) const {
  const auto signing = std::find_if(steps_.rbegin(), steps_.rend(),
                                    [now](const Step& step) { return step.signs_at <= now; });
  std::vector<Key> keys{signing->key};
  for (size_t i = FirstAccepted(now); i < steps_.size(); ++i) {
    const Key& key = steps_[i].key;
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  }
  return keys;
}

absl::Duration KeyRoll::NextChange(absl::Duration now) const {
  absl::Duration next = absl::InfiniteDuration();
  for (const Step& step : steps_) {
    for (const absl::Duration at : {step.signs_at, step.alone_at}) {
      if (at > now) next = std::min(next, at);
    }
  }
  return next;
}

}  // namespace openelb::bfd
