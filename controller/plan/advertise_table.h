#pragma once
// From what operators ask of routes to Model::advertised and advertised_by_eip: the annotation of a
// Service over its Eip's spec.advertise, with communities by name from the BgpConf. What a BgpPeer
// asks belongs to the session (session.h) and is added by the speaker: lists are joined; of single
// values the Service's wins over the Eip's, and that over the BgpPeer's.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "api/kube/service.h"
#include "api/network/v1alpha2/advertise.h"
#include "api/network/v1alpha2/bgp.h"
#include "api/network/v1alpha2/eip.h"
#include "controller/plan/model.h"
#include "controller/plan/planner.h"

namespace openelb::plan {

using CommunityAliases = std::map<std::string, std::string>;

// The attributes that are asked for. Communities that nothing is known of are left out and appended
// to `unknown`.
PathAttributes Resolve(const network::Advertise& advertise, const CommunityAliases& aliases,
                       std::vector<std::string>* unknown);

// What to say of names that are no alias.
std::string UnknownCommunities(const std::vector<std::string>& names);

struct AdvertiseChanges {
  std::set<std::string> services;  // whose routes carry something else than before
  std::set<std::string> eips;      // the same of aggregates
  bool problems = false;           // Problems may answer differently
};

class AdvertiseTable {
 public:
  void Upsert(const kube::Service& service);
  void Upsert(const network::Eip& eip);
  void Upsert(const network::BgpConf& conf);
  void RemoveService(const std::string& key);  // "namespace/name"
  void RemoveEip(const std::string& name);
  void RemoveConf(const std::string& name);
  // The Eip that the Service's announced addresses are from; empty: it has none.
  void SetPool(const std::string& service, const std::string& pool);

  AdvertiseChanges Derive(Model* model);
  void AddProblems(const Model& model, std::set<Problem>* out) const;

 private:
  struct Asked {
    std::string text;  // of the annotation
    network::Advertise advertise;
    std::vector<std::string> errors;
  };
  struct Pool {
    network::Advertise advertise;
    network::Protocol protocol = network::Protocol::kBgp;
    bool operator==(const Pool&) const = default;
  };
  void SetAliases(const CommunityAliases& aliases);
  void SetPoolWish(const std::string& name, const Pool& pool);
  PathAttributes Of(const std::string& service) const;
  PathAttributes OfPool(const std::string& name) const;
  void AddNoEffect(const Model& model, std::set<Problem>* out) const;
  void AddNoHostRoute(const IpAddress& address, const AddressView& view,
                      std::set<Problem>* out) const;

  CommunityAliases aliases_;
  std::map<std::string, Asked> services_;                     // that ask for anything
  std::map<std::string, Pool> pools_;                         // that ask for anything
  std::map<std::string, std::string> pool_of_;                // by Service
  std::map<std::string, std::set<std::string>> services_of_;  // by Eip
  std::set<std::string> touched_;                             // Services
  std::set<std::string> touched_pools_;
  bool problems_ = false;
};

}  // namespace openelb::plan
