#pragma once
// The HTTPS server behind the webhooks. One thread, one request a connection; anybody may connect,
// so time, octets and connections are limited, and who takes most of them pays first.
//
// Not cpprestsdk's http_listener, which its authors advise against in production. Measured, with
// its timeout at 5 s: 1,000 silent connections and a body that did not come were all still there
// after 30 s; a body of 200 MB was taken, for 900 MB of memory.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "api/base/host_port.h"
#include "api/base/listen_socket.h"
#include "api/base/mutex.h"
#include "controller/admission/http_request.h"
#include "controller/tls/certificate.h"

namespace openelb::admission {

struct HttpsServerOptions {
  HostPort address;
  // At once, and as many requests whose answer is awaited, also where their client is gone.
  size_t most_connections = 64;
  size_t most_octets = 8 << 20;  // of requests; and again of those whose answer is awaited
  absl::Duration patience = absl::Seconds(5);  // for a request, and again for its answer
};

// Totals since the start.
struct HttpsServerCounters {
  uint64_t accepted = 0;   // connections
  uint64_t no_tls = 0;     // of these, those with which no TLS came about
  uint64_t no_http = 0;    // and those whose request was refused before its end
  uint64_t too_large = 0;  // of which because of its length
  uint64_t too_slow = 0;   // did not come to an end in time
  uint64_t crowded = 0;    // closed because others needed the room
};

class HttpsServer {
 public:
  // To be called once, from any thread, also after the server's end.
  using Reply = std::function<void(HttpAnswer)>;
  // Called on the server's thread: hands over and returns.
  using Handler = std::function<void(std::string path, std::string body, Reply reply)>;

  // Error: as of ListenSocket, or of SetCertificate.
  static absl::StatusOr<std::unique_ptr<HttpsServer>> Start(const HttpsServerOptions& options,
                                                            const tls::KeyPair& certificate,
                                                            Handler handler);
  // Closes all connections.
  ~HttpsServer();

  // Whoever connects from now on is shown this one. Any thread. Error: InvalidArgument, and the one
  // before stays.
  absl::Status SetCertificate(const tls::KeyPair& certificate);

  uint16_t port() const { return listener_.port(); }
  HttpsServerCounters counters() const;

 private:
  struct Connection;
  struct Mailbox;  // of answers, from other threads
  struct Load;     // requests that were handed over

  HttpsServer(const HttpsServerOptions& options, ListenSocket listener,
              std::shared_ptr<Mailbox> mailbox, Handler handler);
  void Run();
  void Accept();
  void MakeRoom(const std::string& source);
  // False: the connection is finished.
  bool Advance(Connection* connection);
  bool Shake(Connection* connection);
  bool Read(Connection* connection);
  void HandOver(Connection* connection);
  bool Write(Connection* connection);
  bool Drain(Connection* connection);
  void Answer(Connection* connection, const HttpAnswer& answer);
  void TakeAnswers();
  void ShedOctets();
  void Count(uint64_t HttpsServerCounters::* what);

  const HttpsServerOptions options_;
  const ListenSocket listener_;
  const std::shared_ptr<Mailbox> mailbox_;
  const std::shared_ptr<Load> load_;
  const Handler handler_;
  std::map<uint64_t, std::unique_ptr<Connection>> connections_;  // oldest first; its thread's
  uint64_t next_id_ = 0;
  mutable Mutex mutex_;
  std::shared_ptr<void> context_ GUARDED_BY(mutex_);  // an SSL_CTX
  HttpsServerCounters counters_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace openelb::admission
