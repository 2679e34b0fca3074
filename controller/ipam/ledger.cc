#include "controller/ipam/ledger.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace openelb::ipam {
namespace {

ObjectKey ServiceObject(const std::string& key) {
  const size_t slash = key.find('/');
  return {kube::Service::kKind, key.substr(0, slash), key.substr(slash + 1)};
}

}  // namespace

std::string Describe(const AddressTable::Clash& clash) {
  return absl::StrCat("Service ", clash.service, " already has port ", clash.port.second, "/",
                      clash.port.first, " there");
}

Record* Ledger::Find(absl::string_view service) {
  const auto it = services_.find(service);
  return it == services_.end() ? nullptr : &it->second;
}

const Record* Ledger::Find(absl::string_view service) const {
  const auto it = services_.find(service);
  return it == services_.end() ? nullptr : &it->second;
}

Record* Ledger::Add(const std::string& service, const std::optional<IpAddress>& address) {
  Record& record = services_[service];
  record.last = address;
  if (!address) record.last = addresses_.RestingFor(service);
  touched_.try_emplace(service, Before{.state = std::nullopt, .address = address});
  return &record;
}

void Ledger::Forget(Record* record) {
  Touch(*record);
  waiting_.Remove(record);
  if (record->state.allocation) Release(record, "");
  services_.erase(record->key());
}

void Ledger::ForgetMissing(Record* record) {
  const std::string service = record->key();
  const auto held = record->state.allocation;
  Forget(record);
  if (!held) return;
  const IpAddress address = held->addresses[0];
  touched_.at(service).missing = true;
  RestFor(service, address);
}

void Ledger::ForgetAnnounced(const std::string& service, const IpAddress& address) {
  touched_.try_emplace(service, Before{.state = std::nullopt, .address = address, .missing = true});
  RestFor(service, address);
}

void Ledger::RestFor(const std::string& service, const IpAddress& address) {
  if (!addresses_.HoldersOf(address).empty()) return;
  addresses_.Rest(address, service);
  rested_.push_back(address);
}

void Ledger::EndRest(const IpAddress& address) {
  if (addresses_.RestsFor(address) == nullptr) return;
  addresses_.EndRest(address);
  waiting_.WakeRange(IpRange(address, address));
  if (const Pool* covering = pools_.Covering(address)) WakeCandidatesOf(*covering);
}

std::set<std::string> Ledger::HoldersOf(const std::string& pool) const {
  const auto it = holders_.find(pool);
  return it == holders_.end() ? std::set<std::string>() : it->second;
}

void Ledger::Hold(Record* record, const Pool& pool, const IpAddress& address) {
  Touch(*record);
  record->state.allocation = {
      .pool = pool.name(), .protocol = pool.eip.protocol, .addresses = {address}};
  record->last = address;
  addresses_.Hold(address, record->key(), record->request.ports);
  holders_[pool.name()].insert(record->key());
  AddressChanged(pool.name(), address);
}

void Ledger::Release(Record* record, std::string because) {
  Touch(*record);
  const Allocation held = *std::exchange(record->state.allocation, std::nullopt);
  const IpAddress address = held.addresses[0];
  record->released_because = std::move(because);
  record->warned_of_sharing = false;
  addresses_.Drop(address, record->key());
  const auto holders = holders_.find(held.pool);
  holders->second.erase(record->key());
  if (holders->second.empty()) holders_.erase(holders);
  AddressChanged(held.pool, address);
  const Pool* covering = pools_.Covering(address);
  if (covering != nullptr && addresses_.IsFree(address, "")) WakeCandidatesOf(*covering);
}

void Ledger::ReplacePorts(const Queue& edited) {
  for (const Record* record : edited)
    addresses_.Drop(record->state.allocation->addresses[0], record->key());
  for (Record* record : edited) {
    const Allocation& held = *record->state.allocation;
    const IpAddress address = held.addresses[0];
    const auto clash = addresses_.FindClash(address, record->request.ports, record->key());
    // One that yields holds no port until it is released.
    addresses_.Hold(address, record->key(), clash ? std::vector<Port>() : record->request.ports);
    AddressChanged(held.pool, address);
    if (clash) Release(record, Describe(*clash));
  }
}

void Ledger::Refuse(const std::string& obstacle) {
  for (const Record* told : waiting_.Refuse(obstacle)) Touch(*told);
}

void Ledger::AddressChanged(const std::string& pool, const IpAddress& address) {
  changed_uses_.emplace(pool, address);
  waiting_.WakeRange(IpRange(address, address));
}

void Ledger::WakeCandidatesOf(const Pool& pool) {
  waiting_.WakePool(pool.name());
  waiting_.WakeAutomatic([&](const std::string& namespace_) {
    const auto& candidates = pools_.CandidatesOf(namespace_);
    return std::find(candidates.begin(), candidates.end(), &pool) != candidates.end();
  });
}

void Ledger::Touch(const Record& record) {
  Before before{.state = record.state, .address = std::nullopt};
  if (record.state.allocation) before.address = record.state.allocation->addresses[0];
  touched_.try_emplace(record.key(), std::move(before));
}

void Ledger::ReportSharing(const Record& record) {
  const auto& held = record.state.allocation;
  if (held) changed_uses_.emplace(held->pool, held->addresses[0]);
}

Changes Ledger::Report() {
  Changes changes;
  changes.services = std::exchange(unowned_, {});
  for (const auto& [key, before] : std::exchange(touched_, {}))
    DescribeService(key, before, &changes);
  WarnOfSharing(&changes);
  DescribePools(&changes);
  changes.rested = std::exchange(rested_, {});
  return changes;
}

void Ledger::DescribeService(const std::string& key, const Before& before, Changes* changes) {
  Record* record = Find(key);
  std::optional<IpAddress> address;
  if (record != nullptr) {
    ServiceState& state = record->state;
    if (state.allocation) address = state.allocation->addresses[0];
    state.pending = address && !record->obstacle.empty()
                        ? absl::StrCat("keeps ", address->ToString(), ": ", record->obstacle)
                        : record->obstacle;
  }
  const auto event = [&](bool warning, const char* reason, std::string message) {
    changes->events.push_back({ServiceObject(key), warning, reason, std::move(message)});
  };
  if (before.address && before.address != address) {
    ++counters_.released;
    std::string message = absl::StrCat("success to release ip: ", before.address->ToString());
    if (record != nullptr && !record->released_because.empty())
      absl::StrAppend(&message, " (", record->released_because, ")");
    if (before.missing) {
      absl::StrAppend(&message,
                      " (the Service is missing from the cluster's complete list; nobody else gets "
                      "the address for some minutes, so create the Service again if it was lost)");
    }
    event(false, "ReleaseIP", std::move(message));
  }
  if (record != nullptr) record->released_because.clear();
  if (address && before.address != address) {
    ++counters_.assigned;
    event(false, "AssignIP", absl::StrCat("success to assign ip: ", address->ToString()));
  }
  const std::string reason_before = before.state ? before.state->pending : "";
  const std::string reason = record != nullptr ? record->state.pending : "";
  if (!reason.empty()) ++waiting_count_;
  if (!reason_before.empty()) --waiting_count_;
  if (!reason.empty() && reason != reason_before) {
    ++counters_.failed;
    event(true, "AssignIPFailed", reason);
  }
  const bool same = record == nullptr ? !before.state : before.state == record->state;
  if (!same) changes->services.insert(key);
}

void Ledger::WarnOfSharing(Changes* changes) {
  std::set<IpAddress> changed;
  for (const auto& [pool, address] : changed_uses_) changed.insert(address);
  for (const IpAddress& address : changed) {
    const std::vector<std::string> holders = addresses_.HoldersOf(address);
    for (const std::string& key : holders) {
      Record* record = Find(key);
      const bool warn = holders.size() > 1 && record->request.local_policy;
      if (warn && !record->warned_of_sharing) {
        changes->events.push_back(
            {ServiceObject(key), true, "SharedIPWithLocalPolicy",
             absl::StrCat("shares ", address.ToString(), " with ", holders.size() - 1,
                          " other Service(s) under externalTrafficPolicy Local: every node with "
                          "an endpoint of any of them attracts traffic for all, so use Cluster")});
      }
      record->warned_of_sharing = warn;
    }
  }
}

void Ledger::DescribePools(Changes* changes) {
  changes->pools = std::exchange(changed_pools_, {});
  for (const auto& [name, address] : std::exchange(changed_uses_, {})) {
    network::EipStatus* status = pools_.StatusOf(name);
    if (status == nullptr) continue;
    changes->pools.insert(name);
    std::vector<std::string> holders = addresses_.HoldersOf(address);
    const std::string& pool = name;
    std::erase_if(holders, [&](const std::string& key) {
      const auto& allocation = Find(key)->state.allocation;
      return !allocation || allocation->pool != pool;
    });
    if (holders.empty()) {
      status->used.erase(address.ToString());
    } else {
      status->used[address.ToString()] = absl::StrJoin(holders, ";");
    }
  }
  for (const std::string& name : changes->pools) {
    network::EipStatus* status = pools_.StatusOf(name);
    if (status == nullptr) continue;
    const auto& range = pools_.Find(name)->range;
    status->usage = static_cast<int64_t>(status->used.size());
    status->occupied = range && absl::uint128(status->used.size()) >= range->Size();
  }
}

}  // namespace openelb::ipam
