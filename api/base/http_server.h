#pragma once
// The small HTTP server behind --metrics-addr: /metrics, /healthz, /readyz.
//
// Debian's civetweb is built without IPv6 and takes two seconds to stop; GET of a few fixed paths
// needs neither it nor a thread a connection.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "api/base/host_port.h"
#include "api/base/listen_socket.h"

namespace openelb {

struct HttpReply {
  int status = 200;
  std::string body;
};

// By path. Called on the server's thread, one at a time: what they read must be safe to read there,
// and while one runs nobody else is answered.
using HttpHandlers = std::map<std::string, std::function<HttpReply()>, std::less<>>;

// The whole answer, head included, to a request's head (all up to the empty line): GET and HEAD of
// a known path; 404, 405 and 400 for the rest.
std::string AnswerHttp(absl::string_view request, const HttpHandlers& handlers);

class HttpServer {
 public:
  // Addresses and errors: those of ListenSocket.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const HostPort& address,
                                                           HttpHandlers handlers);
  // Stops answering and waits for a handler that runs.
  ~HttpServer();

  uint16_t port() const { return listener_.port(); }

 private:
  // A client that sends or reads slowly costs one of these for a few seconds.
  struct Connection;

  HttpServer(ListenSocket listener, int wake, HttpHandlers handlers);
  void Run();
  void Accept(std::vector<Connection>* connections);
  // False: the connection is finished.
  bool Advance(Connection* connection);

  const ListenSocket listener_;
  const int wake_;  // eventfd: stop
  const HttpHandlers handlers_;
  std::thread thread_;
};

}  // namespace openelb
