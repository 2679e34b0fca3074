#pragma once
// One client's connection, and how far it has come. Its server's thread.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "api/http/request.h"
#include "api/tls/server_context.h"

namespace openelb::http {

struct Connection {
  enum class Phase { kShaking, kReading, kWaiting, kWriting, kDraining };
  ~Connection();  // closes

  const uint64_t id;
  const int fd;
  const std::string source;  // address
  std::chrono::steady_clock::time_point deadline;
  tls::SslPtr ssl;  // null: plain text
  Phase phase;
  RequestReader request;
  int16_t events;  // of poll, to wait for
  std::string out{};
  size_t sent = 0;

  // Octets moved, or 1 for a handshake that is done; 0: the connection is at its end; nullopt: it
  // cannot go on now, and `events` says what to wait for.
  std::optional<size_t> Shake();
  std::optional<size_t> Receive(char* buffer, size_t size);
  std::optional<size_t> Send(const char* octets, size_t size);
};

}  // namespace openelb::http
