#pragma once
// Certificates for tests, made on the spot.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"

namespace openelb::kube {

// PEM texts.
struct TestCertificate {
  std::string certificate;
  std::string key;
};

class TestAuthority {
 public:
  TestAuthority();
  ~TestAuthority();

  // PEM.
  const std::string& certificate() const { return own_.certificate; }
  // `alternative_name`: of a server, "IP:127.0.0.1" or "DNS:localhost"; empty for a client. Valid
  // for `validity` from now on; a negative one ended that long ago.
  TestCertificate Issue(const std::string& name, const std::string& alternative_name,
                        absl::Duration validity = absl::Hours(1));

 private:
  struct Keys;

  std::unique_ptr<Keys> keys_;
  TestCertificate own_;
  int64_t serial_ = 1;
};

}  // namespace openelb::kube
