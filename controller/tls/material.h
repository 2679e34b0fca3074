#pragma once
// What controllers need to be trusted by speakers: an authority, the certificate they serve with,
// and earlier authorities whose word still counts. Decides when what is made anew.
//
// Speakers learn of a new authority by a mounted ConfigMap, which takes a while. So an authority is
// replaced long before it ends, and what they are served is signed by the new one only when it has
// to be made anew itself.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "api/tls/certificate.h"

namespace openelb::tls {

struct Material {
  KeyPair authority;                 // signs
  std::vector<std::string> retired;  // earlier ones, newest first; certificates as PEM
  KeyPair serving;

  // All that speakers must trust: the authority, then the retired ones.
  std::string Bundle() const;
  bool operator==(const Material&) const = default;
};

// From the parts that are kept: a bundle and a key for its first certificate. Never fails; Renew
// judges.
Material ReadMaterial(const std::string& bundle, const std::string& authority_key, KeyPair serving);

struct MaterialOptions {
  std::string dns_name;
  absl::Duration authority_lifetime = absl::Hours(24 * 3653);
  absl::Duration serving_lifetime = absl::Hours(24 * 90);
  // How long speakers may take to learn of a new authority.
  absl::Duration spread = absl::Hours(1);
};

// Whether controllers can serve with it at `now`. Error: InvalidArgument saying what is wrong.
absl::Status CheckServing(const Material& material, const std::string& dns_name, absl::Time now);

struct Renewal {
  Material material;
  std::vector<std::string> reasons;  // one sentence for each thing made anew
};

// Makes anew what is missing, unusable, or has less than a third of its time left; nullopt: nothing
// is. Error: Internal, a key could not be made.
absl::StatusOr<std::optional<Renewal>> Renew(const Material& old, const MaterialOptions& options,
                                             absl::Time now);

}  // namespace openelb::tls
