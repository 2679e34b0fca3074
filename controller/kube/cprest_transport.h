#pragma once
// The Transport to a real API server: HTTP/1.1 by cpprestsdk, over TLS or in plain text.

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "api/base/post.h"
#include "controller/kube/config.h"
#include "controller/kube/transport.h"

namespace openelb::kube {

// Connections are kept for later requests and are made anew where they have died meanwhile. What is
// answered 401 is sent once more when token or client certificate have been replaced on disk since.
// When the owner thread is slow, the server is read no faster: at most kMaxBytesInFlight and one
// chunk of a response wait for it, and become one piece.
class CprestTransport final : public Transport {
 public:
  static constexpr size_t kMaxBytesInFlight = size_t{256} << 10;
  static constexpr int kThreads = 4;

  // First thing in main: sets the environment and the size of the thread pool, which serves all
  // transports of the process and outlives them.
  static void PrepareProcess();

  // `post` leads to the owner thread, which makes all calls here, the destructor's included.
  CprestTransport(ServerConfig config, std::string user_agent, openelb::Post post);
  // Cancels all requests and waits, for 5 s at most, until nothing of them is left in other
  // threads.
  ~CprestTransport() override;
  CprestTransport(const CprestTransport&) = delete;
  CprestTransport& operator=(const CprestTransport&) = delete;

  RequestId Start(HttpRequest request, std::shared_ptr<ResponseSink> sink) override;
  void Cancel(RequestId request) override;

  // Why the server may refuse us: as Credentials::Problem.
  std::string CredentialsProblem(absl::Time now) const;

 private:
  class Attempt;
  class Core;

  std::shared_ptr<Core> core_;
};

}  // namespace openelb::kube
