#pragma once
// An API server in memory, without time or connections of its own: one request in, one reply or
// watch out. FakeTransport carries it to a client in virtual time, HttpFront over sockets.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/base/clock.h"
#include "api/codec/value.h"
#include "controller/kube/testing/reply.h"
#include "controller/kube/testing/store.h"
#include "controller/kube/testing/watch.h"
#include "controller/kube/testing/writer.h"
#include "controller/kube/transport.h"

namespace openelb::kube::fake {

// A request that reached the server.
struct LoggedRequest {
  std::string verb;      // get, list, watch, create, update, patch, delete
  std::string resource;  // "services", "services/status"
  std::string ns;
  std::string name;
  std::string path;
  std::string body;
  int status = 0;
};

class Server {
 public:
  struct Answer {
    Reply reply;
    std::unique_ptr<Watch> watch;  // when set, the body is its lines
  };

  // `clock` outlives it. The namespaces default, kube-system and openelb-system exist.
  explicit Server(const Clock* clock);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // `behind`: reads see the state of that many revisions ago, as behind a lagging cache.
  Answer Serve(const HttpRequest& request, Revision behind = 0);

  // What tests do as users and other controllers do it, at once and without a request. YAML or
  // JSON; a program error when the server refuses it. The status is written too.
  codec::Value Put(absl::string_view text);
  codec::Value PutObject(const codec::Value& object);
  // A merge patch of one object, status included.
  void Patch(absl::string_view resource, const std::string& ns, const std::string& name,
             absl::string_view patch);
  void Remove(absl::string_view resource, const std::string& ns, const std::string& name);
  // Null when there is none. `resource` is the plural name.
  codec::Value Find(absl::string_view resource, const std::string& ns,
                    const std::string& name) const;

  // Forgets history: watches and pages that begin before the present get 410.
  void Compact() { store_.Compact(store_.revision()); }
  Store Snapshot() const { return store_; }
  // etcd restored: revisions go back. Watches that run see nothing until revisions pass theirs.
  void Restore(Store snapshot);
  Revision revision() const { return store_.revision(); }

  // TokenReview knows the token from now on, for this audience; "": the server's own. `extra`: of
  // the user, such as authentication.kubernetes.io/node-name; a map of lists.
  void AddToken(const std::string& token, const std::string& audience, const std::string& user,
                codec::Value extra = {});
  void RemoveToken(const std::string& token) { tokens_.erase(token); }
  // SubjectAccessReview lets this user, and nobody else, get the path /metrics, and nothing else.
  void AllowMetrics(const std::string& user) { metrics_readers_.insert(user); }
  // Off: an older server that refuses sendInitialEvents.
  void set_watch_list(bool on) { watch_list_ = on; }

  const std::vector<LoggedRequest>& log() const { return log_; }
  void ClearLog() { log_.clear(); }

  // Called after each change of the store; ends with RemoveListener(the number returned).
  int AddListener(std::function<void()> listener);
  void RemoveListener(int number) { listeners_.erase(number); }

 private:
  Reply Get(const ApiRequest& request, Revision behind) const;
  Reply List(const ApiRequest& request, Revision behind) const;
  Answer StartWatch(const ApiRequest& request);
  Reply Write(const ApiRequest& request, const HttpRequest& http);
  Reply ReviewToken(const codec::Value& review) const;
  Reply ReviewAccess(const codec::Value& review) const;
  void TellListeners(Revision before);

  Store store_;
  Writer writer_;
  std::map<std::string, codec::Value> tokens_;  // TokenReviewStatus
  std::set<std::string> metrics_readers_;
  bool watch_list_ = true;
  std::vector<LoggedRequest> log_;
  std::map<int, std::function<void()>> listeners_;
  int next_listener_ = 1;
};

}  // namespace openelb::kube::fake
