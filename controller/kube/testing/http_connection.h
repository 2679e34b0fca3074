#pragma once
// One connection of HttpFront: TLS or plain text, HTTP/1.1 requests in, bytes out.

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "controller/kube/transport.h"

namespace openelb::kube {

class HttpConnection {
 public:
  // Takes the socket, which does not block; `tls`: null for plain text.
  HttpConnection(int fd, SSL_CTX* tls);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  int fd() const { return fd_; }
  // What to poll for.
  short events() const;
  // Reads and writes what is possible without waiting. False: the connection has ended.
  bool Advance();
  // Once, when it is complete. The path holds the query; timeout is not set.
  std::optional<HttpRequest> TakeRequest();
  // Of the last request: the bearer token, empty without one.
  const std::string& token() const { return token_; }
  // Whether the client has shown a certificate of those we trust.
  bool HasCertificate() const;

  void Write(absl::string_view bytes) { out_.append(bytes.data(), bytes.size()); }
  // It ends once all is written.
  void CloseAfterwards() { closing_ = true; }

  RequestId request = 0;  // under way for this connection; 0: none

 private:
  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  enum class Outcome { kDone, kLater, kEnded };
  Outcome OutcomeOf(int result);
  Outcome Read();
  Outcome WriteSome();

  const int fd_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  bool wants_write_ = false;
  bool shaken_hands_ = false;
  bool closing_ = false;
  std::string in_;
  std::string out_;
  std::string token_;
};

}  // namespace openelb::kube
