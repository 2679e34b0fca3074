#pragma once
// A server on loopback that does byte for byte what a test says, also what no server should.

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/strings/string_view.h"
#include "api/base/mutex.h"
#include "controller/kube/testing/test_pki.h"

struct ssl_st;
struct ssl_ctx_st;

namespace openelb::kube {

// One accepted connection; its script's thread calls all of it.
class ScriptConnection {
 public:
  ScriptConnection(int fd, ssl_ctx_st* tls);
  ~ScriptConnection();
  ScriptConnection(const ScriptConnection&) = delete;
  ScriptConnection& operator=(const ScriptConnection&) = delete;

  // Head and body as they came; empty: the peer is gone.
  std::string ReadRequest();
  // False: the peer is gone.
  bool Write(absl::string_view data);
  // One chunk of a body (RFC 9112 7.1).
  bool WriteChunk(absl::string_view data);
  // Head and body of a complete answer.
  bool Answer(int status, absl::string_view body, absl::string_view headers = "");
  // Blocks until the peer closes.
  void WaitForClose();
  // Says farewell, and returns when the peer's kernel has heard it.
  void FinishAndWait();
  // The end of the connection becomes a reset.
  void Reset();

  // The common name in the client's certificate; empty without one.
  std::string client() const;
  // For the server, from its own thread: makes all reads and writes fail.
  void Abort() const;

 private:
  friend class ScriptServer;
  bool Handshake();
  long Read(char* data, size_t size);

  const int fd_;
  ssl_st* const tls_;
  std::string read_;  // and not yet returned
};

class ScriptServer {
 public:
  // Runs in a thread for each connection, which closes when it returns.
  using Script = std::function<void(ScriptConnection*)>;

  struct Options {
    bool v6 = false;
    uint16_t port = 0;  // 0: any
    std::optional<TestCertificate> tls;
    std::string client_authority;  // PEM: clients may show certificates of it
  };

  explicit ScriptServer(Script script) : ScriptServer(Options(), std::move(script)) {}
  ScriptServer(const Options& options, Script script);
  // Breaks all connections.
  ~ScriptServer();
  ScriptServer(const ScriptServer&) = delete;
  ScriptServer& operator=(const ScriptServer&) = delete;

  uint16_t port() const { return port_; }
  int accepted() const;
  // Connections whose script still runs.
  int open() const;
  // Breaks all connections; takes new ones.
  void BreakAll();

 private:
  struct Served;
  void Accept();

  const Script script_;
  const std::shared_ptr<ssl_ctx_st> tls_;
  int listener_ = -1;
  uint16_t port_ = 0;
  mutable Mutex mutex_;
  std::list<std::unique_ptr<Served>> served_ GUARDED_BY(mutex_);
  int accepted_ GUARDED_BY(mutex_) = 0;
  std::thread acceptor_;
};

}  // namespace openelb::kube
