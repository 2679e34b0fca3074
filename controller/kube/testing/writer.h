#pragma once
// Creating, changing and deleting objects by the API server's rules: what a write may touch, when
// it conflicts, what it bumps, when a deleted object is gone.

#include <cstdint>
#include <string>

#include "api/base/clock.h"
#include "api/codec/value.h"
#include "controller/kube/testing/ownership.h"
#include "controller/kube/testing/reply.h"
#include "controller/kube/testing/resource_type.h"
#include "controller/kube/testing/store.h"

namespace openelb::kube::fake {

class Writer {
 public:
  // Both outlive it.
  Writer(Store* store, const Clock* clock) : store_(store), clock_(clock) {}

  Reply Create(const ApiRequest& request, codec::Value object);
  Reply Update(const ApiRequest& request, codec::Value object);
  Reply MergePatch(const ApiRequest& request, const codec::Value& patch);
  // Server-side apply.
  Reply Apply(const ApiRequest& request, codec::Value config);
  // `options`: metav1.DeleteOptions or null; its preconditions count.
  Reply Delete(const ApiRequest& request, const codec::Value& options);

 private:
  Reply Insert(const ApiRequest& request, codec::Value object, const Manager& manager);
  // Brings `live` to `updated`, or says why not.
  Reply Finish(const ApiRequest& request, const codec::Value& live, codec::Value updated,
               const Manager& manager);
  void DeleteContentsOf(const std::string& ns);
  std::string Now() const;
  std::string NextUid();

  Store* const store_;
  const Clock* const clock_;
  uint64_t uids_ = 0;
};

}  // namespace openelb::kube::fake
