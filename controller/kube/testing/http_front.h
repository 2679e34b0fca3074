#pragma once
// The server in memory on a loopback port, over TLS or in plain text: what a transport of
// production is tested against. Time in it is real.

#include <openssl/ssl.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "api/base/mutex.h"
#include "api/base/scheduler.h"
#include "controller/kube/testing/fake_transport.h"
#include "controller/kube/testing/http_connection.h"
#include "controller/kube/testing/server.h"
#include "controller/kube/testing/test_pki.h"

namespace openelb::kube {

class HttpFront {
 public:
  // Who may ask: whoever shows one of the tokens, or a certificate of the authority. Neither given:
  // everybody.
  struct Access {
    std::set<std::string> tokens;
    std::string client_authority;  // PEM
  };

  // Listens on 127.0.0.1. `certificate`: the server's own; empty: plain text.
  explicit HttpFront(const TestCertificate& certificate = {}, Access access = {});
  ~HttpFront();
  HttpFront(const HttpFront&) = delete;
  HttpFront& operator=(const HttpFront&) = delete;

  uint16_t port() const { return port_; }
  // Runs `function` on the front's thread and waits for it: the one way to the server and its
  // faults.
  void Do(const std::function<void(fake::Server* server, FakeTransport* transport)>& function);
  // For connections made from now on; those that stand, stay.
  void SetAccess(Access access);
  void SetCertificate(const TestCertificate& certificate);
  // Connections accepted so far.
  int accepted() const { return accepted_; }

 private:
  class Sink;
  struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  void Run();
  void Wait();
  void Accept();
  // Reads and writes; removes connections that have ended.
  void AdvanceAll();
  // False: no complete request has come.
  bool Serve(HttpConnection* connection);
  bool MayAsk(const HttpConnection& connection) const;
  void MakeContext();
  absl::Duration Elapsed() const { return clock_.Monotonic() - start_; }

  const SystemClock clock_;
  const absl::Duration start_ = clock_.Monotonic();
  int listener_ = -1;
  int wake_ = -1;  // eventfd
  uint16_t port_ = 0;
  TestCertificate certificate_;
  Access access_;
  std::unique_ptr<SSL_CTX, FreeContext> context_;
  Scheduler scheduler_{clock_.Wall()};
  fake::Server server_{&scheduler_};
  FakeTransport transport_{&server_, &scheduler_};
  std::vector<std::unique_ptr<HttpConnection>> connections_;
  std::atomic<int> accepted_ = 0;

  Mutex mutex_;
  CondVar done_;
  std::vector<std::function<void()>> posted_ GUARDED_BY(mutex_);
  bool stop_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace openelb::kube
