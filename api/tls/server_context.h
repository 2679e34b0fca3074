#pragma once
// What a TLS server (RFC 8446) shows to clients and asks of them. Any thread.

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/base/mutex.h"
#include "api/tls/certificate.h"
#include "api/tls/pem_files.h"

namespace openelb::tls {

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslPtr = std::unique_ptr<SSL, SslFree>;

class ServerContext {
 public:
  // `authorities`, PEM: clients may show a certificate that one of these signed, and are left when
  // they show another; empty: none is asked for. Error: InvalidArgument, what cannot be used.
  static absl::StatusOr<std::shared_ptr<ServerContext>> Of(const KeyPair& certificate,
                                                           const std::string& authorities = "");
  // What is in the files, as it is when a client connects; where that cannot be used, what last
  // could, at first `otherwise` without authorities. Without `files.cert` and `files.key` that is
  // what is shown. `on_read` hears what came of reading them, now and whenever they have changed,
  // on one thread at a time. Error: as above, of `otherwise`.
  using OnRead = std::function<void(const absl::Status&)>;
  static absl::StatusOr<std::shared_ptr<ServerContext>> OfFiles(PemFiles files,
                                                                const KeyPair& otherwise,
                                                                OnRead on_read);

  // Whoever connects from now on is shown this one. Error: InvalidArgument, and the one before
  // stays.
  absl::Status SetCertificate(const KeyPair& certificate);

  // The server's end of a new connection; null for want of memory.
  SslPtr NewConnection();

 private:
  explicit ServerContext(std::string authorities) : authorities_(std::move(authorities)) {}
  absl::Status ReadFiles() REQUIRES(mutex_);

  Mutex mutex_;
  std::string authorities_ GUARDED_BY(mutex_);
  KeyPair certificate_ GUARDED_BY(mutex_);
  std::shared_ptr<SSL_CTX> context_ GUARDED_BY(mutex_);  // of these
  std::optional<PemFileWatch> files_ GUARDED_BY(mutex_);
  OnRead on_read_ GUARDED_BY(mutex_);
};

// Whether the client of `ssl`, with which TLS has come about, has shown a certificate: one that did
// not count would have ended the handshake.
bool ShowsCertificate(const SSL* ssl);

}  // namespace openelb::tls
