#pragma once
// TLS to an API server: whom we trust, what we show, and what a failure means.

#include <openssl/ssl.h>

#include <cstdint>

#include "absl/status/status.h"
#include "controller/kube/config.h"

namespace openelb::kube {

// Prepares the context of one new connection. With `config.ca` nothing else is trusted, also not
// the system's authorities. The server's certificate must bear the name or the address we dial, and
// a name in its subject does not count (RFC 6125 6.4.4). Files are read now, so that a change is
// seen by the next connection. Error: Unavailable naming the file that is unfit.
absl::Status ConfigureTls(const ServerConfig& config, SSL_CTX* context);

// What an error of OpenSSL's queue on such a connection means. Unauthenticated: the server's
// certificate is refused, and why. Unavailable: another failure of TLS. Ok: `code` is no error of
// TLS.
absl::Status TlsError(uint64_t code);

}  // namespace openelb::kube
