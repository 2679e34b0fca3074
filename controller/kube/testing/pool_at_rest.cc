#include "controller/kube/testing/pool_at_rest.h"

#include <pplx/pplxtasks.h>  // before: boost lacks what this includes
#include <pplx/threadpool.h>

#include <chrono>
#include <memory>

#include "controller/kube/cprest_transport.h"
#include "controller/kube/outstanding.h"

namespace openelb::kube {
namespace {

// What is run may give the threads more: a task that ends starts those that wait for it.
constexpr int kRounds = 8;
constexpr std::chrono::seconds kPatience{20};

// Returns when all that had been posted before has been run: no thread is left that could do it
// while each of them waits here.
void OccupyEveryThread() {
  const auto free = std::make_shared<Outstanding>();
  const auto occupied = std::make_shared<Outstanding>();
  occupied->Add();
  for (int i = 0; i < CprestTransport::kThreads; ++i) {
    free->Add();
    crossplat::threadpool::shared_instance().service().post([free, occupied] {
      free->Remove();
      occupied->WaitForNone(kPatience);
    });
  }
  free->WaitForNone(kPatience);
  occupied->Remove();
}

}  // namespace

PoolAtRest::~PoolAtRest() {
  for (int round = 0; round < kRounds; ++round) OccupyEveryThread();
}

}  // namespace openelb::kube
