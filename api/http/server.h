#pragma once
// The HTTP server of webhooks and metrics, with TLS or without. One thread, one request a
// connection; anybody may connect, so time, octets and connections are limited, and who takes most
// of them pays first.
//
// Neither cpprestsdk's http_listener, which its authors advise against in production (measured,
// with its timeout at 5 s: 1,000 silent connections and a body that did not come were all still
// there after 30 s; a body of 200 MB was taken, for 900 MB of memory), nor Debian's civetweb, which
// is built without IPv6 and takes two seconds to stop.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "api/base/host_port.h"
#include "api/base/listen_socket.h"
#include "api/base/mutex.h"
#include "api/http/request.h"
#include "api/tls/server_context.h"

namespace openelb::http {

struct Connection;

struct ServerOptions {
  HostPort address;
  std::shared_ptr<tls::ServerContext> tls;  // null: plain text
  Takes takes = {};
  // At once, and as many requests whose answer is awaited, also where their client is gone.
  size_t most_connections = 64;
  size_t most_octets = 8 << 20;  // of requests; and again of those whose answer is awaited
  absl::Duration patience = absl::Seconds(5);  // for a request, and again for its answer
};

// Totals since the start.
struct ServerCounters {
  uint64_t accepted = 0;   // connections
  uint64_t no_tls = 0;     // of these, those with which no TLS came about
  uint64_t no_http = 0;    // and those whose request was refused before its end
  uint64_t too_large = 0;  // of which because of its length
  uint64_t too_slow = 0;   // did not come to an end in time
  uint64_t crowded = 0;    // closed because others needed the room
};

class Server {
 public:
  // To be called once, from any thread, also after the server's end.
  using Reply = std::function<void(Answer)>;
  // Called on the server's thread, one at a time: while it runs nobody else is answered.
  using Handler = std::function<void(Request request, Reply reply)>;
  // Called on the server's thread before the handler, which follows where `verdict` is given
  // nothing; else that is the answer. To be given once, from any thread.
  using Verdict = std::function<void(std::optional<Answer>)>;
  using Guard = std::function<void(const Request& request, Verdict verdict)>;

  // `guard` null: the handler is for everybody. Error: as of ListenSocket.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options, Handler handler,
                                                       Guard guard = nullptr);
  // Closes all connections; waits for a handler that runs.
  ~Server();

  uint16_t port() const { return listener_.port(); }
  ServerCounters counters() const;

 private:
  struct Mailbox;  // of what other threads have for this one
  struct Load;     // requests that were handed over

  Server(ServerOptions options, ListenSocket listener, std::shared_ptr<Mailbox> mailbox,
         Handler handler, Guard guard);
  void Run();
  void Accept();
  void MakeRoom(const std::string& source);
  // False: the connection is finished.
  bool Advance(Connection* connection);
  bool Shake(Connection* connection);
  bool Read(Connection* connection);
  bool Write(Connection* connection);
  bool Drain(Connection* connection);
  void HandOver(Connection* connection);
  void Handle(Request request, Reply reply);
  void SetAnswer(Connection* connection, const Answer& answer);
  void SendAnswer(uint64_t connection, const Answer& answer);
  void OpenMail();
  void ShedOctets();
  void Count(uint64_t ServerCounters::* what);

  const ServerOptions options_;
  const ListenSocket listener_;
  const std::shared_ptr<Mailbox> mailbox_;
  const std::shared_ptr<Load> load_;
  const Handler handler_;
  const Guard guard_;
  std::map<uint64_t, std::unique_ptr<Connection>> connections_;  // oldest first; its thread's
  uint64_t next_id_ = 0;
  mutable Mutex mutex_;
  ServerCounters counters_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace openelb::http
