// Secrets: no message repeats what is in one.
#include <utility>

#include "absl/strings/escaping.h"
#include "api/codec/kinds.h"

namespace openelb::codec {

Object DecodeSecret(kube::ObjectMeta meta, const Field& root) {
  kube::Secret secret;
  secret.meta = std::move(meta);
  root.Skip({"type", "immutable"});
  for (const auto& [key, value] : root["data"].Members()) {
    std::string& text = secret.data[key];
    if (!absl::Base64Unescape(value.Secret(), &text))
      value.Error("not base64 (RFC 4648 section 4)");
  }
  // As an API server does with manifests.
  for (const auto& [key, value] : root["stringData"].Members()) secret.data[key] = value.Secret();
  return secret;
}

}  // namespace openelb::codec
