#include "controller/ipam/address_table.h"

#include <cassert>

namespace openelb::ipam {

std::optional<AddressTable::Clash> AddressTable::FindClash(const IpAddress& address,
                                                           const std::vector<Port>& ports,
                                                           absl::string_view service) const {
  const auto entry = entries_.find(address);
  if (entry == entries_.end()) return std::nullopt;
  for (const Port& port : ports) {
    const auto holder = entry->second.ports.find(port);
    if (holder != entry->second.ports.end() && holder->second != service)
      return Clash{.service = holder->second, .port = port};
  }
  return std::nullopt;
}

void AddressTable::Hold(const IpAddress& address, const std::string& service,
                        const std::vector<Port>& ports) {
  Entry& entry = entries_[address];
  resting_.erase(address);
  used_.Insert(address);
  for (const Port& port : ports) {
    [[maybe_unused]] const bool added = entry.ports.emplace(port, service).second;
    assert(added);
  }
  entry.holders.emplace(service, ports);
}

void AddressTable::Drop(const IpAddress& address, const std::string& service) {
  const auto entry = entries_.find(address);
  assert(entry != entries_.end());
  const auto holder = entry->second.holders.find(service);
  assert(holder != entry->second.holders.end());
  for (const Port& port : holder->second) entry->second.ports.erase(port);
  entry->second.holders.erase(holder);
  if (!entry->second.holders.empty()) return;
  entries_.erase(entry);
  used_.Erase(address);
}

void AddressTable::Rest(const IpAddress& address, const std::string& service) {
  assert(!entries_.contains(address));
  resting_[address] = service;
  used_.Insert(address);
}

void AddressTable::EndRest(const IpAddress& address) {
  if (resting_.erase(address) > 0) used_.Erase(address);
}

const std::string* AddressTable::RestsFor(const IpAddress& address) const {
  const auto it = resting_.find(address);
  return it == resting_.end() ? nullptr : &it->second;
}

std::optional<IpAddress> AddressTable::RestingFor(absl::string_view service) const {
  for (const auto& [address, owner] : resting_) {
    if (owner == service) return address;
  }
  return std::nullopt;
}

bool AddressTable::IsFree(const IpAddress& address, absl::string_view service) const {
  if (!used_.Contains(address)) return true;
  const std::string* owner = RestsFor(address);
  return owner != nullptr && *owner == service;
}

std::vector<std::string> AddressTable::HoldersOf(const IpAddress& address) const {
  std::vector<std::string> holders;
  if (const auto entry = entries_.find(address); entry != entries_.end()) {
    for (const auto& [service, ports] : entry->second.holders) holders.push_back(service);
  }
  return holders;
}

}  // namespace openelb::ipam
