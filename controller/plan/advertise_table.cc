#include "controller/plan/advertise_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/codec/advertise.h"
#include "api/network/v1alpha2/community.h"
#include "api/network/v1alpha2/names.h"

namespace openelb::plan {
namespace {

void Add(const network::Community& community, PathAttributes* out) {
  if (const auto* standard = std::get_if<network::StandardCommunity>(&community))
    out->communities.push_back(standard->value);
  if (const auto* extended = std::get_if<network::ExtendedCommunity>(&community))
    out->extended_communities.push_back(extended->value);
  if (const auto* large = std::get_if<network::LargeCommunity>(&community))
    out->large_communities.push_back(large->parts);
}

ObjectKey EipKey(const std::string& name) { return {network::Eip::kKind, "", name}; }

// A single value that two Services of one address ask for differently.
template <typename T>
bool Contradicts(const std::optional<T>& asked, const std::optional<T>& given) {
  return asked.has_value() && asked != given;
}

// Whether that changed anything. Those that ask for nothing are left out.
bool SetWish(const std::string& who, PathAttributes attributes,
             std::map<std::string, PathAttributes>* wishes) {
  const auto held = wishes->find(who);
  if (held == wishes->end() ? attributes.empty() : held->second == attributes) return false;
  if (attributes.empty())
    wishes->erase(held);
  else
    (*wishes)[who] = std::move(attributes);
  return true;
}

}  // namespace

PathAttributes Resolve(const network::Advertise& advertise, const CommunityAliases& aliases,
                       std::vector<std::string>* unknown) {
  PathAttributes attributes;
  for (const std::string& text : advertise.communities) {
    const auto alias = aliases.find(text);
    const auto community = network::ParseCommunity(alias == aliases.end() ? text : alias->second);
    if (community.has_value())
      Add(*community, &attributes);
    else
      unknown->push_back(text);
  }
  attributes.med = advertise.med;
  attributes.local_pref = advertise.local_pref;
  attributes.prepend = advertise.prepend;
  return Merge(attributes, {});
}

std::string UnknownCommunities(const std::vector<std::string>& names) {
  return absl::StrCat("communities \"", absl::StrJoin(names, "\", \""), "\": BgpConf \"",
                      network::kBgpConfName,
                      "\" has no such names in spec.communityAliases; routes go without them");
}

void AdvertiseTable::Upsert(const kube::Service& service) {
  const std::string key = service.Key();
  const auto annotation = service.meta.annotations.find(network::kAdvertise);
  if (annotation == service.meta.annotations.end()) return RemoveService(key);
  Asked& asked = services_[key];
  if (asked.text == annotation->second) return;
  codec::ParsedAdvertise parsed = codec::ParseAdvertise(annotation->second);
  asked = {annotation->second, std::move(parsed.advertise), std::move(parsed.errors)};
  touched_.insert(key);
  problems_ = true;
}

void AdvertiseTable::RemoveService(const std::string& key) {
  if (services_.erase(key) == 0) return;
  touched_.insert(key);
  problems_ = true;
}

void AdvertiseTable::Upsert(const network::Eip& eip) {
  SetPoolWish(eip.meta.name, {eip.advertise, eip.protocol});
}

void AdvertiseTable::RemoveEip(const std::string& name) { SetPoolWish(name, {}); }

void AdvertiseTable::SetPoolWish(const std::string& name, const Pool& pool) {
  const auto held = pools_.find(name);
  if (held == pools_.end() ? pool.advertise.empty() : held->second == pool) return;
  if (pool.advertise.empty())
    pools_.erase(held);
  else
    pools_[name] = pool;
  touched_pools_.insert(name);
  if (const auto of = services_of_.find(name); of != services_of_.end())
    touched_.insert(of->second.begin(), of->second.end());
  problems_ = true;
}

void AdvertiseTable::Upsert(const network::BgpConf& conf) {
  if (conf.meta.name == network::kBgpConfName) SetAliases(conf.community_aliases);
}

void AdvertiseTable::RemoveConf(const std::string& name) {
  if (name == network::kBgpConfName) SetAliases({});
}

void AdvertiseTable::SetAliases(const CommunityAliases& aliases) {
  if (aliases == aliases_) return;
  aliases_ = aliases;
  for (const auto& [key, asked] : services_) touched_.insert(key);
  for (const auto& [name, pool] : pools_) {
    touched_pools_.insert(name);
    if (const auto of = services_of_.find(name); of != services_of_.end())
      touched_.insert(of->second.begin(), of->second.end());
  }
  problems_ = true;
}

void AdvertiseTable::SetPool(const std::string& service, const std::string& pool) {
  const auto held = pool_of_.find(service);
  if (held == pool_of_.end() ? pool.empty() : held->second == pool) return;
  if (held != pool_of_.end()) {
    const auto of = services_of_.find(held->second);
    of->second.erase(service);
    if (of->second.empty()) services_of_.erase(of);
    pool_of_.erase(held);
  }
  if (!pool.empty()) {
    pool_of_[service] = pool;
    services_of_[pool].insert(service);
  }
  touched_.insert(service);
}

PathAttributes AdvertiseTable::OfPool(const std::string& name) const {
  std::vector<std::string> unknown;  // named by AddProblems
  const auto pool = pools_.find(name);
  return pool == pools_.end() ? PathAttributes()
                              : Resolve(pool->second.advertise, aliases_, &unknown);
}

PathAttributes AdvertiseTable::Of(const std::string& service) const {
  std::vector<std::string> unknown;  // named by AddProblems
  PathAttributes attributes;
  if (const auto name = pool_of_.find(service); name != pool_of_.end())
    attributes = OfPool(name->second);
  if (const auto asked = services_.find(service); asked != services_.end())
    attributes = Merge(attributes, Resolve(asked->second.advertise, aliases_, &unknown));
  return attributes;
}

AdvertiseChanges AdvertiseTable::Derive(Model* model) {
  AdvertiseChanges changes;
  changes.problems = std::exchange(problems_, false);
  // Services that share an address may contradict each other.
  changes.problems |= !touched_.empty() && !model->advertised.empty();
  for (const std::string& service : std::exchange(touched_, {})) {
    if (SetWish(service, Of(service), &model->advertised)) changes.services.insert(service);
  }
  for (const std::string& name : std::exchange(touched_pools_, {})) {
    if (SetWish(name, OfPool(name), &model->advertised_by_eip)) changes.eips.insert(name);
  }
  changes.problems |= !changes.services.empty();
  return changes;
}

void AdvertiseTable::AddNoEffect(const Model& model, std::set<Problem>* out) const {
  const bool internal =
      std::any_of(model.speakers.begin(), model.speakers.end(), [](const auto& speaker) {
        return std::any_of(speaker.second.peers.begin(), speaker.second.peers.end(),
                           [](const auto& peer) { return peer.second.internal; });
      });
  const auto no_local_pref = [&](const ObjectKey& about, const network::Advertise& advertise) {
    if (internal || !advertise.local_pref.has_value()) return;
    out->insert({about, "NoEffect",
                 "localPref has no effect: no speaker has a router of its own AS (iBGP), and only "
                 "those are told"});
  };
  for (const auto& [key, asked] : services_) no_local_pref(ServiceKeyOf(key), asked.advertise);
  for (const auto& [name, pool] : pools_) {
    if (pool.protocol == network::Protocol::kBgp) {
      no_local_pref(EipKey(name), pool.advertise);
      continue;
    }
    out->insert({EipKey(name), "NoEffect",
                 absl::StrCat("spec.advertise has no effect: it concerns routes, and protocol is ",
                              network::ProtocolName(pool.protocol))});
  }
}

void AdvertiseTable::AddNoHostRoute(const IpAddress& address, const AddressView& view,
                                    std::set<Problem>* out) const {
  for (const std::string& service : view.services) {
    const auto asked = services_.find(service);
    if (asked == services_.end() || asked->second.advertise.empty()) continue;
    out->insert({ServiceKeyOf(service), "NoEffect",
                 absl::StrCat("annotation ", network::kAdvertise, " has no effect on ",
                              address.ToString(), ": aggregate ", view.aggregate->ToString(),
                              " is announced instead of its host route")});
  }
}

void AdvertiseTable::AddProblems(const Model& model, std::set<Problem>* out) const {
  for (const auto& [key, asked] : services_) {
    for (const std::string& error : asked.errors) {
      out->insert({ServiceKeyOf(key), "BadAdvertise",
                   absl::StrCat("annotation ", network::kAdvertise, ": ", error)});
    }
    std::vector<std::string> unknown;
    Resolve(asked.advertise, aliases_, &unknown);
    // What is no name either is an error above.
    std::erase_if(unknown, [](const std::string& text) { return !network::IsAliasName(text); });
    if (!unknown.empty())
      out->insert({ServiceKeyOf(key), "UnknownCommunity", UnknownCommunities(unknown)});
  }
  for (const auto& [name, pool] : pools_) {
    std::vector<std::string> unknown;
    Resolve(pool.advertise, aliases_, &unknown);
    if (!unknown.empty())
      out->insert({EipKey(name), "UnknownCommunity", UnknownCommunities(unknown)});
  }
  AddNoEffect(model, out);
  if (model.advertised.empty()) return;
  for (const auto& [address, view] : model.addresses) {
    if (!view.host_route) AddNoHostRoute(address, view, out);
    if (view.services.size() < 2) continue;
    for (const std::string& service : view.services) {
      const auto asked = model.advertised.find(service);
      if (asked == model.advertised.end()) continue;
      const PathAttributes& wish = asked->second;
      if (!Contradicts(wish.med, view.attributes.med) &&
          !Contradicts(wish.local_pref, view.attributes.local_pref) &&
          !Contradicts(wish.prepend, view.attributes.prepend))
        continue;
      out->insert({ServiceKeyOf(service), "AdvertiseConflict",
                   absl::StrCat("Services that share address ", address.ToString(),
                                " ask for different values of med, localPref or prepend; of those "
                                "that ask, the first by name has its way")});
    }
  }
}

}  // namespace openelb::plan
