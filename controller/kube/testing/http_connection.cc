#include "controller/kube/testing/http_connection.h"

#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace openelb::kube {

HttpConnection::HttpConnection(int fd, SSL_CTX* tls) : fd_(fd), shaken_hands_(tls == nullptr) {
  if (tls == nullptr) return;
  ssl_.reset(SSL_new(tls));
  SSL_set_fd(ssl_.get(), fd_);
}

HttpConnection::~HttpConnection() { close(fd_); }

short HttpConnection::events() const {
  const bool writes = wants_write_ || (shaken_hands_ && !out_.empty());
  return static_cast<short>(POLLIN | (writes ? POLLOUT : 0));
}

bool HttpConnection::Advance() {
  if (!shaken_hands_) {
    const Outcome outcome = OutcomeOf(SSL_accept(ssl_.get()));
    if (outcome != Outcome::kDone) return outcome == Outcome::kLater;
    shaken_hands_ = true;
  }
  if (Read() == Outcome::kEnded || WriteSome() == Outcome::kEnded) return false;
  return !closing_ || !out_.empty();
}

HttpConnection::Outcome HttpConnection::OutcomeOf(int result) {
  wants_write_ = false;
  if (result > 0) return Outcome::kDone;
  if (ssl_ == nullptr) {
    return result < 0 && (errno == EAGAIN || errno == EINTR) ? Outcome::kLater : Outcome::kEnded;
  }
  const int error = SSL_get_error(ssl_.get(), result);
  wants_write_ = error == SSL_ERROR_WANT_WRITE;
  ERR_clear_error();
  return error == SSL_ERROR_WANT_READ || wants_write_ ? Outcome::kLater : Outcome::kEnded;
}

HttpConnection::Outcome HttpConnection::Read() {
  char buffer[16384];
  for (;;) {
    const int size = ssl_ != nullptr ? SSL_read(ssl_.get(), buffer, sizeof(buffer))
                                     : static_cast<int>(recv(fd_, buffer, sizeof(buffer), 0));
    if (const Outcome outcome = OutcomeOf(size); outcome != Outcome::kDone) return outcome;
    in_.append(buffer, static_cast<size_t>(size));
  }
}

HttpConnection::Outcome HttpConnection::WriteSome() {
  while (!out_.empty()) {
    const int size = ssl_ != nullptr
                         ? SSL_write(ssl_.get(), out_.data(), static_cast<int>(out_.size()))
                         : static_cast<int>(send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL));
    if (const Outcome outcome = OutcomeOf(size); outcome != Outcome::kDone) return outcome;
    out_.erase(0, static_cast<size_t>(size));
  }
  return Outcome::kDone;
}

bool HttpConnection::HasCertificate() const {
  if (ssl_ == nullptr) return false;
  X509* certificate = SSL_get1_peer_certificate(ssl_.get());
  X509_free(certificate);
  return certificate != nullptr && SSL_get_verify_result(ssl_.get()) == X509_V_OK;
}

std::optional<HttpRequest> HttpConnection::TakeRequest() {
  const size_t end = in_.find("\r\n\r\n");
  if (end == std::string::npos) return std::nullopt;
  const std::vector<std::string> lines = absl::StrSplit(in_.substr(0, end), "\r\n");
  HttpRequest request;
  size_t length = 0;
  std::string token;
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::pair<std::string, std::string> header =
        absl::StrSplit(lines[i], absl::MaxSplits(':', 1));
    absl::string_view value = absl::StripAsciiWhitespace(header.second);
    const std::string name = absl::AsciiStrToLower(header.first);
    if (name == "content-length" && !absl::SimpleAtoi(value, &length)) length = 0;
    if (name == "content-type") request.content_type = std::string(value);
    if (name == "authorization" && absl::ConsumePrefix(&value, "Bearer "))
      token = std::string(value);
  }
  if (in_.size() < end + 4 + length) return std::nullopt;
  const std::vector<std::string> words = absl::StrSplit(lines[0], ' ');
  request.method = words[0];
  request.path = words.size() > 1 ? words[1] : "/";
  request.body = in_.substr(end + 4, length);
  in_.erase(0, end + 4 + length);
  token_ = std::move(token);
  return request;
}

}  // namespace openelb::kube
