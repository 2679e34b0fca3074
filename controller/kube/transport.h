#pragma once
// The seam to an API server: HTTP requests out, responses as they arrive. cpprestsdk in production,
// a double in memory in tests.

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace openelb::kube {

struct HttpRequest {
  std::string method = "GET";
  std::string path;          // with the query: "/api/v1/nodes?limit=500"
  std::string content_type;  // of `body`; empty without one
  std::string body;
  // The longest silence: until the head of the response, then between two pieces of its body.
  absl::Duration timeout = absl::Seconds(10);
};

// Names in lower case.
using HttpHeaders = std::map<std::string, std::string>;

// Receives one response: OnHead, any number of OnData, OnDone; or OnDone alone when there was none.
// Called on the owner thread of the transport, never from within Start or Cancel.
class ResponseSink {
 public:
  virtual ~ResponseSink() = default;
  virtual void OnHead(int status, const HttpHeaders& headers) = 0;
  // A piece of the body, cut anywhere.
  virtual void OnData(absl::string_view data) = 0;
  // Ok: the body is complete. Unavailable: the connection could not be made or broke.
  // DeadlineExceeded: silence. Unauthenticated: TLS does not trust the server. Nothing follows.
  virtual void OnDone(const absl::Status& status) = 0;
};

using RequestId = uint64_t;  // never reused within a process

// What is sent carries the credentials of this process. A request that may change something is
// never repeated by the transport unless it cannot have been done: nothing of it reached the
// server, or the answer was 401.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual RequestId Start(HttpRequest request, std::shared_ptr<ResponseSink> sink) = 0;
  // No call to the request's sink follows. Unknown and finished requests are ignored.
  virtual void Cancel(RequestId request) = 0;
};

}  // namespace openelb::kube
