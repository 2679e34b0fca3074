#pragma once
// A TLS client that does what it is told, octet by octet, for tests.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "api/tls/certificate.h"

namespace openelb::http {

inline constexpr char kServerName[] = "openelb-controller.openelb-system.svc";

// A certificate for kServerName.
tls::KeyPair IssueFor(const tls::KeyPair& authority);

// One for a client, which is its own authority.
tls::KeyPair SelfSigned();

// A TCP connection to 127.0.0.1 from `source`; -1: none.
int Dial(uint16_t port, const char* source = "127.0.0.1");

class TestClient {
 public:
  // Connects and verifies the server by `authority`, unless that is empty, showing `own` if it is
  // not; error() tells what went wrong.
  TestClient(uint16_t port, const tls::KeyPair& authority, const tls::KeyPair& own = {});
  ~TestClient();

  const std::string& error() const { return error_; }
  // The server's certificate, PEM.
  std::string certificate() const;
  // False: the connection is broken.
  bool Send(absl::string_view octets);
  // All until the server ends; waits at most 10 s.
  std::string Receive();

 private:
  struct Tls;
  std::unique_ptr<Tls> tls_;
  std::string error_;
};

// A POST, as text.
std::string Post(absl::string_view path, absl::string_view body);
// What comes of it, head and body.
std::string Ask(uint16_t port, const tls::KeyPair& authority, absl::string_view request);

}  // namespace openelb::http
