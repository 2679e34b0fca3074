#pragma once
// X.509 certificates (RFC 5280) on keys of the curve P-256, as PEM texts.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace openelb::tls {

struct KeyPair {
  std::string certificate;  // PEM
  std::string key;          // PEM, PKCS #8
  bool operator==(const KeyPair&) const = default;
};

struct CertificateInfo {
  absl::Time not_before;
  absl::Time not_after;
  bool is_authority = false;
  std::vector<std::string> dns_names;
};

// A self-signed authority that may sign servers' certificates only. Error: Internal, as for Issue.
absl::StatusOr<KeyPair> MakeAuthority(absl::Time not_before, absl::Time not_after);

// A certificate for the server `dns_name`.
absl::StatusOr<KeyPair> Issue(const KeyPair& authority, const std::string& dns_name,
                              absl::Time not_before, absl::Time not_after);

// Of the first certificate in `pem`. Error: InvalidArgument.
absl::StatusOr<CertificateInfo> ReadCertificate(const std::string& pem);

// The certificates in `pem`, each as a PEM text of its own; what is none ends them.
std::vector<std::string> SplitCertificates(const std::string& pem);

// Whether certificate and key can be read and belong together. Error: InvalidArgument.
absl::Status CheckPair(const KeyPair& pair);

// Whether `authority`'s key signed `certificate`. Both PEM. Error: InvalidArgument.
absl::Status CheckSigned(const std::string& certificate, const std::string& authority);

}  // namespace openelb::tls
