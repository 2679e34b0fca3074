#pragma once
// The contract suite: what our client relies on, asked of an API server through a Transport. The
// same tests run against the double and against a real kube-apiserver; each program brings its
// Backend.

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "api/codec/value.h"
#include "controller/kube/testing/fake_transport.h"
#include "controller/kube/testing/server.h"
#include "controller/kube/transport.h"
#include "gtest/gtest.h"

namespace openelb::kube::contract {

struct Forgotten {
  std::string revision;
  std::string token;  // for the second page of "/api/v1/namespaces?limit=1" of then
};

// An API server and the way to it. The thread of the test owns the transport.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual Transport* transport() = 0;
  // Lets time pass until `done` says so. False: not within 20 s.
  virtual bool RunUntil(const std::function<bool()>& done) = 0;
  // A moment that the server has forgotten since.
  virtual Forgotten Forget() = 0;
  // A token of the ServiceAccount default/default for `audience`.
  virtual std::string NewToken(const std::string& audience) = 0;
  // Reaches into a double; a failure on a real server.
  virtual void Do(const std::function<void(fake::Server* server, FakeTransport* faults)>& function);
};

// What backends with a double share.
inline constexpr const char* kToken = "a.good.token";
void AddToken(const std::string& audience, fake::Server* server);
Forgotten ForgetPresent(fake::Server* server);

// Each program defines its own.
std::unique_ptr<Backend> MakeBackend();

struct Answer {
  int status = 0;  // 0: none came
  HttpHeaders headers;
  codec::Value body;
  std::string text;
  absl::Status done;

  // Of metav1.Status.
  std::string reason() const;
  std::string message() const;
  // Of an object or a list.
  std::string revision() const;
};

struct Event {
  std::string type;  // empty: none came
  codec::Value object;

  std::string name() const;
  std::string revision() const;
};

// A watch under way.
class Stream final : public ResponseSink {
 public:
  void OnHead(int status, const HttpHeaders& headers) override;
  void OnData(absl::string_view data) override;
  void OnDone(const absl::Status& status) override;

  int status = 0;
  std::deque<Event> events;
  std::optional<absl::Status> done;

 private:
  std::string rest_;
};

class ContractTest : public ::testing::Test {
 protected:
  // Makes `ns_`, a namespace of the test's own.
  ContractTest();
  ~ContractTest() override;

  // `body` is YAML, sent as JSON.
  Answer Get(const std::string& path) { return Send("GET", path, "", ""); }
  Answer Post(const std::string& path, absl::string_view body);
  Answer Put(const std::string& path, const codec::Value& body);
  Answer Put(const std::string& path, absl::string_view body);
  Answer Merge(const std::string& path, absl::string_view body);
  Answer Apply(const std::string& path, absl::string_view manager, absl::string_view body,
               bool force = false);
  Answer Delete(const std::string& path, absl::string_view options = "");
  // `body` as it is.
  Answer Send(const std::string& method, const std::string& path, const std::string& body,
              const std::string& content_type, absl::Duration timeout = absl::Seconds(10));

  std::shared_ptr<Stream> Watch(const std::string& path, const std::string& query,
                                absl::Duration timeout = absl::Seconds(60));
  // The next event that is no plain bookmark; an empty one when none comes.
  Event Next(Stream* stream);
  // "ADDED a", "MODIFIED b": of the next `count` events.
  std::vector<std::string> NextNames(Stream* stream, int count);
  void Cancel(const Stream* stream);

  // "/api/v1/namespaces/NS/secrets"
  std::string Secrets() const { return "/api/v1/namespaces/" + ns_ + "/secrets"; }
  std::string Services() const { return "/api/v1/namespaces/" + ns_ + "/services"; }
  std::string Leases() const {
    return "/apis/coordination.k8s.io/v1/namespaces/" + ns_ + "/leases";
  }
  // Secrets of these names.
  void Make(const std::vector<std::string>& names);
  // A new Eip of the test's own; its path.
  std::string MakeEip();

  std::unique_ptr<Backend> backend_ = MakeBackend();
  std::string ns_;

 private:
  std::vector<std::pair<RequestId, std::shared_ptr<Stream>>> streams_;
};

}  // namespace openelb::kube::contract
