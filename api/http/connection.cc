#include "api/http/connection.h"

#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace openelb::http {
namespace {

std::optional<size_t> OfTls(Connection* connection, int result) {
  if (result > 0) return static_cast<size_t>(result);
  const int error = SSL_get_error(connection->ssl.get(), result);
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return 0;
  connection->events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
  return std::nullopt;
}

std::optional<size_t> OfSocket(Connection* connection, ssize_t result, int16_t awaited) {
  if (result >= 0) return static_cast<size_t>(result);
  if (errno != EAGAIN && errno != EINTR) return 0;
  connection->events = awaited;
  return std::nullopt;
}

}  // namespace

Connection::~Connection() { close(fd); }

std::optional<size_t> Connection::Shake() {
  ERR_clear_error();
  return OfTls(this, SSL_do_handshake(ssl.get()));
}

std::optional<size_t> Connection::Receive(char* buffer, size_t size) {
  if (ssl == nullptr) return OfSocket(this, recv(fd, buffer, size, 0), POLLIN);
  ERR_clear_error();
  return OfTls(this, SSL_read(ssl.get(), buffer, static_cast<int>(size)));
}

std::optional<size_t> Connection::Send(const char* octets, size_t size) {
  if (ssl == nullptr) return OfSocket(this, send(fd, octets, size, MSG_NOSIGNAL), POLLOUT);
  ERR_clear_error();
  return OfTls(this, SSL_write(ssl.get(), octets, static_cast<int>(size)));
}

}  // namespace openelb::http
