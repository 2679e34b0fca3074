#pragma once
// From Services and EndpointSlices to Model::services.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/base/ip.h"
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
  // Of a slice, as planning sees them; null pointer: there is no such slice.
  const std::vector<kube::Endpoint>* FindEndpoints(const std::string& key) const;

  // Returns the Services whose view changed.
  std::set<std::string> Derive(Model* model, Visits* visits);

 private:
  // What is read of one.
  struct Slice {
    std::string service;
    std::optional<Family> family;           // nullopt: host names, which count for nothing
    std::vector<kube::Endpoint> endpoints;  // as planning sees them: Hold keeps them ready
  };
  // Returns whether anything was withheld.
  bool KeepReady(Slice* slice) const;
  void Store(const std::string& key, Slice slice);
  ServiceView View(const std::string& key) const;

  bool hold_ = false;
  std::map<std::string, kube::TrafficPolicy> policies_;  // by Service, of those that exist
  std::map<std::string, Slice> slices_;
  std::map<std::string, std::set<std::string>> slices_of_;  // slices by Service
  std::map<std::string, Slice> withheld_;  // the real ones, where Hold keeps others
  std::set<std::string> touched_;
};

}  // namespace openelb::plan
