#pragma once
// The Kubernetes API as the source of cluster state: a reflector and an informer for each resource,
// carried by one transport.
//
// Life of a change: the transport brings a piece of a watch; its reflector cuts and reads it; its
// informer tells what is new; what of it matters (slice_gate.h) goes to the handler as one batch.
// While any resource cannot be read, the source is away, and what it sent last stays valid.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "controller/event_source.h"
#include "controller/kube/informer.h"
#include "controller/kube/reflector.h"
#include "controller/kube/slice_gate.h"
#include "controller/kube/store_witness.h"
#include "controller/kube/transport.h"

namespace openelb::kube {

struct KubeSourceOptions {
  std::string ns = "openelb-system";  // where the speakers' DaemonSet lives
  // How long a resource cannot be read before the source counts as away: a watch that is cut and
  // taken up again disturbs nobody.
  absl::Duration away_after = absl::Seconds(1);
  std::vector<Resource> resources = {};  // empty: ResourcesToRead(ns)
};

// Totals of one resource since the start.
struct ResourceCounters {
  std::string resource;  // "services"
  size_t objects = 0;    // known now
  ReflectorCounters reflector;
  InformerCounters informer;
};

// Owner thread only; the handler is called on it too.
class KubeSource final : public EventSource {
 public:
  struct Seams {
    Transport* transport;
    const Clock* clock;
    Random* random;
    LogSink* log;
    ObjectViewer* viewer = nullptr;         // may be null
    const StoreWitness* witness = nullptr;  // may be null: after long absences all is listed
  };
  // What `seams` points to outlives the source.
  KubeSource(const KubeSourceOptions& options, Seams seams);
  // Cancels what is under way; the handler is not called any more.
  ~KubeSource() override;

  // The first Turn begins to read.
  void Start(Handler* handler) override;

  // Sends the requests that are due. Call at NextWakeup (monotonic).
  void Turn();
  absl::Duration NextWakeup() const;

  // Calls `done` when the handler has been sent everything that was committed before this call, as
  // one that has just become leader needs it: a watch may lag, so all is listed anew. While the API
  // server is away that takes as long as it is.
  void RequestFresh(std::function<void()> done);

  // See Reflector::Doubt. Of all resources: they share the way to the server.
  void Doubt(absl::Duration since);

  bool synced() const { return synced_; }
  bool away() const { return away_; }
  std::vector<ResourceCounters> counters() const;

 private:
  class Response;
  struct Feed;
  struct FreshRequest {
    std::vector<uint64_t> lists;  // of each feed, when it was asked for
    std::function<void()> done;
  };

  // Brings one feed forward after time or its response has moved it.
  void Advance(Feed* feed);
  void OnHead(Feed* feed);
  void Relist();
  // Tells the handler how the whole of it stands.
  void Settle();
  const Outage* LongestOutage() const;

  const KubeSourceOptions options_;
  const Seams seams_;
  Logger log_;
  Handler* handler_ = nullptr;
  std::vector<std::unique_ptr<Feed>> feeds_;
  std::vector<FreshRequest> fresh_;
  uint64_t restores_ = 0;  // of the store, that were taken notice of
  SliceGate gate_;
  bool synced_ = false;
  bool away_ = false;
};

}  // namespace openelb::kube
