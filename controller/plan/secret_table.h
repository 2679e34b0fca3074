#pragma once
// The Secrets of the controller's namespace, for what BgpPeers take from them.

#include <map>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "api/kube/secret.h"
#include "api/network/v1alpha2/bgp.h"

namespace openelb::plan {

class SecretTable {
 public:
  // `system_namespace`: where the Secrets are; empty: the first that has one of the name.
  explicit SecretTable(std::string system_namespace) : namespace_(std::move(system_namespace)) {}

  // Whether something is another than before.
  bool Upsert(const kube::Secret& secret);
  bool Remove(const std::string& namespace_, const std::string& name);

  // The text under a key, without the line break that editors and `echo` leave at its end. Error:
  // NotFound or InvalidArgument, saying what is missing where, never what is there.
  absl::StatusOr<std::string> Find(const network::SecretKeyRef& ref) const;

 private:
  const std::string namespace_;
  std::map<std::pair<std::string, std::string>, std::map<std::string, std::string>>
      secrets_;  // by namespace and name: the data
};

}  // namespace openelb::plan
