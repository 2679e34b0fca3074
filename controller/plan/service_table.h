#pragma once
// From Services and EndpointSlices to Model::services.

#include <map>
#include <set>
#include <string>

#include "api/kube/endpoint_slice.h"
#include "api/kube/service.h"
#include "controller/plan/model.h"
#include "controller/plan/planner.h"

namespace openelb::plan {

class ServiceTable {
 public:
  void Upsert(const kube::Service& service);
  void Upsert(const kube::EndpointSlice& slice);
  void RemoveService(const std::string& key);  // "namespace/name"
  void RemoveSlice(const std::string& key);    // "namespace/name"
  void Hold(bool hold);
  const kube::EndpointSlice* FindSlice(const std::string& key) const;

  // Returns the Services whose view changed.
  std::set<std::string> Derive(Model* model, Visits* visits);

 private:
  struct Slice {
    std::string service;
    kube::EndpointSlice object;  // as planning sees it: Hold keeps endpoints ready
  };
  kube::EndpointSlice KeepReady(const std::string& service, kube::EndpointSlice slice,
                                bool* withheld) const;
  void Store(const std::string& key, const kube::EndpointSlice& slice);
  ServiceView View(const std::string& key) const;

  bool hold_ = false;
  std::map<std::string, kube::TrafficPolicy> policies_;  // by Service, of those that exist
  std::map<std::string, Slice> slices_;
  std::map<std::string, std::set<std::string>> slices_of_;  // slices by Service
  std::map<std::string, kube::EndpointSlice> withheld_;  // the real ones, where Hold keeps others
  std::set<std::string> touched_;
};

}  // namespace openelb::plan
