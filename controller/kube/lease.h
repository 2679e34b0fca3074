#pragma once
// A coordination.k8s.io Lease as client-go's leader election writes it, and our annotations.

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "api/codec/value.h"
#include "controller/kube/leadership.h"

namespace openelb::kube {

inline constexpr const char* kEpochAnnotation = "openelb.kubesphere.io/epoch";
inline constexpr const char* kEndpointAnnotation = "openelb.kubesphere.io/endpoint";
inline constexpr const char* kRecoveringAnnotation = "openelb.kubesphere.io/recovering";

struct LeaseRecord {
  std::string holder;       // identity; empty: nobody, such as after an orderly stop
  absl::Duration duration;  // how long it stands unchanged before another may take it
  absl::Time acquired;
  absl::Time renewed;       // for people: who waits measures for itself how long it stands
  int64_t transitions = 0;  // of the leadership
  uint64_t epoch = 0;       // the annotation; 0: missing or no epoch
  std::string endpoint;     // likewise: HOST:PORT where the holder serves speakers
  bool recovering = false;  // likewise: the holder distrusts the cluster's store, and asks speakers
  std::string damage;       // what of the above could not be read, one sentence; empty: nothing
};

// Whatever stands there by hand: what cannot be read is as if missing, durations are held within
// 1 s..1 min (15 s when missing).
LeaseRecord ReadLease(const codec::Value& lease);

// Puts `record` into `lease`, whose other fields stay. `lease` may be null.
void WriteLease(const LeaseRecord& record, codec::Value* lease);

}  // namespace openelb::kube
