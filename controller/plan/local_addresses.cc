#include "controller/plan/local_addresses.h"

#include <utility>

namespace openelb::plan {

void LocalAddresses::Upsert(const network::Eip& eip) {
  PoolInterface interface{.name = eip.interface, .off_link = eip.off_link};
  const auto [it, added] = interfaces_.try_emplace(eip.meta.name, interface);
  if (!added && it->second == interface) return;
  it->second = std::move(interface);
  all_touched_ = true;
}

void LocalAddresses::RemoveEip(const std::string& name) {
  if (interfaces_.erase(name) > 0) all_touched_ = true;
}

const PoolInterface& LocalAddresses::InterfaceOf(const std::string& pool) const {
  static const auto* const none = new PoolInterface;
  const auto it = interfaces_.find(pool);
  return it == interfaces_.end() ? *none : it->second;
}

void LocalAddresses::SetAddresses(const std::string& service, const std::string& pool,
                                  std::vector<IpAddress> addresses) {
  const auto held = held_.find(service);
  if (held != held_.end()) {
    for (const IpAddress& address : held->second.addresses) {
      touched_.insert(address);
      const auto it = services_of_.find(address);
      it->second.erase(service);
      if (it->second.empty()) services_of_.erase(it);
    }
    held_.erase(held);
  }
  if (addresses.empty()) return;
  for (const IpAddress& address : addresses) {
    touched_.insert(address);
    services_of_[address].insert(service);
  }
  held_[service] = {pool, std::move(addresses)};
}

std::vector<std::string> LocalAddresses::ServicesOf(const IpAddress& address) const {
  const auto it = services_of_.find(address);
  if (it == services_of_.end()) return {};
  return {it->second.begin(), it->second.end()};
}

const std::string& LocalAddresses::PoolOf(const IpAddress& address) const {
  return held_.at(*services_of_.at(address).begin()).pool;
}

std::set<IpAddress> LocalAddresses::TakeTouched(const std::set<std::string>& services) {
  std::set<IpAddress> touched = std::exchange(touched_, {});
  for (const std::string& service : services) {
    if (const auto it = held_.find(service); it != held_.end())
      touched.insert(it->second.addresses.begin(), it->second.addresses.end());
  }
  if (std::exchange(all_touched_, false)) {
    for (const auto& [address, holders] : services_of_) touched.insert(address);
  }
  return touched;
}

}  // namespace openelb::plan
