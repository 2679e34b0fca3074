#include "controller/ipam/ipam.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/network/v1alpha2/names.h"
#include "controller/ipam/address_table.h"
#include "controller/ipam/choice.h"
#include "controller/ipam/pool_table.h"
#include "controller/ipam/record.h"
#include "controller/ipam/request.h"
#include "controller/ipam/waiting_list.h"

namespace openelb::ipam {

class Ipam::Impl {
 public:
  Changes TakeChanges();

  // Noted since the last TakeChanges; nullopt: deleted.
  std::map<std::string, std::optional<network::Eip>> noted_eips;
  std::map<std::string, std::optional<kube::Service>> noted_services;
  std::map<std::string, std::optional<kube::Namespace>> noted_namespaces;
  bool started = false;

  PoolTable pools;
  WaitingList waiting;
  std::map<std::string, Record, std::less<>> services;
  Counters counters;
  size_t pending = 0;  // Services with a reason to wait

 private:
  // How a Service stood before this round.
  struct Before {
    std::optional<ServiceState> state;  // nullopt: it was not ours
    std::optional<IpAddress> address;   // held, or found in its status
  };

  void ApplyEips();
  void Rehome(Record* record);
  void ApplyServices();
  void ApplyService(const std::string& key, const kube::Service& service);
  void Forget(const std::string& key);
  void Adopt();
  void SettlePorts();
  void Reconsider(Record* record);
  void ServeWaiting();

  void Touch(const Record& record);
  void Hold(Record* record, const Pool& pool, const IpAddress& address);
  void Release(Record* record, std::string because);
  void AddressChanged(const std::string& pool, const IpAddress& address);
  void WakeCandidatesOf(const Pool& pool);

  void Report(Changes* changes);
  void ReportService(const std::string& key, const Before& before, Changes* changes);
  void ReportPools(Changes* changes);
  void WarnOfSharing(Changes* changes);

  AddressTable addresses_;
  std::map<std::string, Queue> holders_;  // by Eip
  bool adopted_ = false;

  // Of this round:
  std::map<std::string, Before> before_;  // Services whose state may have changed
  std::set<std::string> unmarked_;        // not ours, but bear our marks
  std::set<std::string> changed_pools_;
  std::set<std::pair<std::string, IpAddress>> changed_uses_;
  Queue new_or_edited_;
  Queue edited_ports_;  // holders
};

namespace {

// Whether what `record` holds is what it asks for.
bool IsSatisfied(const Record& record) {
  if (!record.state.allocation || !record.request.error.empty()) return false;
  const IpAddress& address = record.state.allocation->addresses[0];
  const Request& request = record.request;
  return (!request.address || *request.address == address) &&
         (request.pool.empty() || request.pool == record.state.allocation->pool) &&
         request.families.Has(address.family());
}

ObjectKey ServiceObject(const std::string& key) {
  const size_t slash = key.find('/');
  return {kube::Service::kKind, key.substr(0, slash), key.substr(slash + 1)};
}

}  // namespace

Changes Ipam::Impl::TakeChanges() {
  Changes changes;
  if (!started) return changes;
  for (auto& [name, object] : std::exchange(noted_namespaces, {})) {
    if (pools.ApplyNamespace(name, object)) waiting.WakeNamespace(name);
  }
  ApplyEips();
  ApplyServices();
  ServeWaiting();
  Report(&changes);
  return changes;
}

// --- Eips ---

void Ipam::Impl::ApplyEips() {
  if (noted_eips.empty()) return;
  for (const PoolTable::Change& change : pools.Apply(std::exchange(noted_eips, {}))) {
    changed_pools_.insert(change.name);
    if (change.newly_refused) ++counters.refused;
    if (const auto holders = holders_.find(change.name); holders != holders_.end()) {
      for (Record* record : Queue(holders->second)) Rehome(record);
    }
    waiting.WakePool(change.name);
    if (change.range_before) waiting.WakeRange(*change.range_before);
    const Pool* pool = pools.Find(change.name);
    if (pool != nullptr && pool->range) waiting.WakeRange(*pool->range);
  }
  waiting.WakeAutomatic([](const std::string&) { return true; });
}

// The Eip of what `record` holds changed: it keeps the address if that Eip or another one covers
// it.
void Ipam::Impl::Rehome(Record* record) {
  ++counters.visited;
  const Allocation& held = *record->state.allocation;
  const IpAddress address = held.addresses[0];
  const std::string from = held.pool;
  const Pool* pool = pools.Keeps(from, address) ? pools.Find(from) : pools.Covering(address);
  if (pool != nullptr && pool->name() == from && pool->eip.protocol == held.protocol) return;
  Release(record, pools.Find(from) == nullptr
                      ? absl::StrCat("Eip \"", from, "\" is gone")
                      : absl::StrCat("Eip \"", from, "\" no longer contains it"));
  if (pool != nullptr) Hold(record, *pool, address);
  Reconsider(record);
}

// --- Services ---

void Ipam::Impl::ApplyServices() {
  for (const auto& [key, service] : std::exchange(noted_services, {})) {
    ++counters.visited;
    const auto old = services.find(key);
    const bool served = service && IsServed(*service);
    if (old != services.end() && (!served || old->second.uid != service->meta.uid)) Forget(key);
    if (served) {
      ApplyService(key, *service);
    } else if (service && BearsOurMarks(*service)) {
      unmarked_.insert(key);
    }
  }
  SettlePorts();
  Adopt();
  for (Record* record : std::exchange(new_or_edited_, {})) Reconsider(record);
}

void Ipam::Impl::ApplyService(const std::string& key, const kube::Service& service) {
  const auto [it, added] = services.try_emplace(key);
  Record& record = it->second;
  waiting.Remove(&record);
  if (added) {
    record.last = StatusAddress(service);
    record.marked_pool = network::Find(service.meta.labels, network::kEipName).value_or("");
    before_.try_emplace(key, Before{.state = std::nullopt, .address = record.last});
  } else {
    Touch(record);
  }
  Request request = ReadRequest(service);
  const std::vector<Port> ports_before = record.request.ports;
  const bool policy_changed = request.local_policy != record.request.local_policy;
  // The queues are ordered by what changes here.
  if (record.state.allocation) holders_[record.state.allocation->pool].erase(&record);
  record.namespace_ = service.meta.namespace_;
  record.name = service.meta.name;
  record.uid = service.meta.uid;
  record.created = service.meta.creation_timestamp;
  record.request = std::move(request);
  new_or_edited_.insert(&record);
  if (!record.state.allocation) return;
  const Allocation& held = *record.state.allocation;
  holders_[held.pool].insert(&record);
  if (record.request.node_proxy) {
    Release(&record, "it asks for node-proxy mode");
  } else if (record.request.ports != ports_before) {
    edited_ports_.insert(&record);
  } else if (policy_changed) {
    changed_uses_.emplace(held.pool, held.addresses[0]);
  }
}

void Ipam::Impl::Forget(const std::string& key) {
  Record& record = services.find(key)->second;
  Touch(record);
  waiting.Remove(&record);
  if (record.state.allocation) Release(&record, "");
  services.erase(key);
}

// Holders whose ports changed take the new ones, unless another holder has one of them: then the
// one that was edited yields. Two that were edited into each other's way: the younger yields.
void Ipam::Impl::SettlePorts() {
  const Queue edited = std::exchange(edited_ports_, {});
  for (const Record* record : edited)
    addresses_.Drop(record->state.allocation->addresses[0], record->key());
  for (Record* record : edited) {
    const Allocation held = *record->state.allocation;
    const auto clash =
        addresses_.FindClash(held.addresses[0], record->request.ports, record->key());
    addresses_.Hold(held.addresses[0], record->key(),
                    clash ? std::vector<Port>() : record->request.ports);
    AddressChanged(held.pool, held.addresses[0]);
    if (clash) {
      Release(record, absl::StrCat("Service ", clash->service, " already has port ",
                                   clash->port.second, "/", clash->port.first, " there"));
    }
  }
}

// Once, when every list is complete: addresses found in status are what their Services hold. The
// label, or else the request, says from which Eip; otherwise it is the one that covers the address.
void Ipam::Impl::Adopt() {
  if (std::exchange(adopted_, true)) return;
  for (Record* record : new_or_edited_) {
    if (!record->last || record->request.node_proxy) continue;
    const IpAddress address = *record->last;
    const Pool* pool = pools.Covering(address);
    for (const std::string& named : {record->request.pool, record->marked_pool}) {
      if (pools.Keeps(named, address)) pool = pools.Find(named);
    }
    const auto clash = addresses_.FindClash(address, record->request.ports, record->key());
    if (pool == nullptr) {
      record->released_because = "no Eip contains it";
    } else if (clash) {
      record->released_because = absl::StrCat("Service ", clash->service, " already has port ",
                                              clash->port.second, "/", clash->port.first, " there");
    } else {
      Hold(record, *pool, address);
    }
  }
}

void Ipam::Impl::Reconsider(Record* record) {
  waiting.Remove(record);
  record->obstacle = record->request.error;
  if (record->request.error.empty() && !IsSatisfied(*record)) waiting.Add(record);
}

void Ipam::Impl::ServeWaiting() {
  while (Record* record = waiting.OldestReady()) {
    ++counters.visited;
    const Choice choice = Choose(*record, addresses_, &pools);
    if (choice.pool == nullptr) {
      for (const Record* told : waiting.Refuse(choice.obstacle)) Touch(*told);
      continue;
    }
    waiting.Remove(record);
    if (record->state.allocation) Release(record, "its request changed");
    Hold(record, *choice.pool, choice.address);
  }
}

// --- Holding and releasing ---

void Ipam::Impl::Touch(const Record& record) {
  Before before{.state = record.state, .address = std::nullopt};
  if (record.state.allocation) before.address = record.state.allocation->addresses[0];
  before_.try_emplace(record.key(), std::move(before));
}

void Ipam::Impl::Hold(Record* record, const Pool& pool, const IpAddress& address) {
  Touch(*record);
  record->state.allocation = {
      .pool = pool.name(), .protocol = pool.eip.protocol, .addresses = {address}};
  record->last = address;
  addresses_.Hold(address, record->key(), record->request.ports);
  holders_[pool.name()].insert(record);
  AddressChanged(pool.name(), address);
}

void Ipam::Impl::Release(Record* record, std::string because) {
  Touch(*record);
  const Allocation held = *std::exchange(record->state.allocation, std::nullopt);
  record->released_because = std::move(because);
  addresses_.Drop(held.addresses[0], record->key());
  const auto holders = holders_.find(held.pool);
  holders->second.erase(record);
  if (holders->second.empty()) holders_.erase(holders);
  AddressChanged(held.pool, held.addresses[0]);
  const Pool* covering = pools.Covering(held.addresses[0]);
  if (covering != nullptr && addresses_.IsFree(held.addresses[0])) WakeCandidatesOf(*covering);
}

// `pool`: from which the Service in question has the address.
void Ipam::Impl::AddressChanged(const std::string& pool, const IpAddress& address) {
  changed_uses_.emplace(pool, address);
  waiting.WakeRange(IpRange(address, address));
}

void Ipam::Impl::WakeCandidatesOf(const Pool& pool) {
  waiting.WakePool(pool.name());
  waiting.WakeAutomatic([&](const std::string& namespace_) {
    const auto& candidates = pools.CandidatesOf(namespace_);
    return std::find(candidates.begin(), candidates.end(), &pool) != candidates.end();
  });
}

// --- What came of it ---

void Ipam::Impl::Report(Changes* changes) {
  changes->services = std::exchange(unmarked_, {});
  for (const auto& [key, before] : std::exchange(before_, {})) ReportService(key, before, changes);
  WarnOfSharing(changes);
  ReportPools(changes);
}

void Ipam::Impl::ReportService(const std::string& key, const Before& before, Changes* changes) {
  const auto it = services.find(key);
  Record* record = it == services.end() ? nullptr : &it->second;
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
    ++counters.released;
    std::string message = absl::StrCat("success to release ip: ", before.address->ToString());
    if (record != nullptr && !record->released_because.empty())
      absl::StrAppend(&message, " (", record->released_because, ")");
    event(false, "ReleaseIP", std::move(message));
  }
  if (record != nullptr) record->released_because.clear();
  if (address && before.address != address) {
    ++counters.assigned;
    event(false, "AssignIP", absl::StrCat("success to assign ip: ", address->ToString()));
  }
  const std::string reason_before = before.state ? before.state->pending : "";
  const std::string reason = record != nullptr ? record->state.pending : "";
  if (!reason.empty()) ++pending;
  if (!reason_before.empty()) --pending;
  if (!reason.empty() && reason != reason_before) {
    ++counters.failed;
    event(true, "AssignIPFailed", reason);
  }
  const bool same = record == nullptr ? !before.state : before.state == record->state;
  if (!same) changes->services.insert(key);
}

void Ipam::Impl::WarnOfSharing(Changes* changes) {
  std::set<IpAddress> touched;
  for (const auto& [pool, address] : changed_uses_) touched.insert(address);
  for (const IpAddress& address : touched) {
    const std::vector<std::string> holders = addresses_.HoldersOf(address);
    for (const std::string& key : holders) {
      Record& record = services.find(key)->second;
      const bool warn = holders.size() > 1 && record.request.local_policy;
      if (warn && !record.warned_of_sharing) {
        changes->events.push_back(
            {ServiceObject(key), true, "SharedIPWithLocalPolicy",
             absl::StrCat("shares ", address.ToString(), " with ", holders.size() - 1,
                          " other Service(s) under externalTrafficPolicy Local: every node with "
                          "an endpoint of any of them attracts traffic for all, so use Cluster")});
      }
      record.warned_of_sharing = warn;
    }
  }
}

void Ipam::Impl::ReportPools(Changes* changes) {
  changes->pools = std::exchange(changed_pools_, {});
  for (const auto& [name, address] : std::exchange(changed_uses_, {})) {
    network::EipStatus* status = pools.StatusOf(name);
    if (status == nullptr) continue;
    changes->pools.insert(name);
    std::vector<std::string> holders = addresses_.HoldersOf(address);
    std::erase_if(holders, [&](const std::string& key) {
      return services.find(key)->second.state.allocation->pool != name;
    });
    if (holders.empty()) {
      status->used.erase(address.ToString());
    } else {
      status->used[address.ToString()] = absl::StrJoin(holders, ";");
    }
  }
  for (const std::string& name : changes->pools) {
    network::EipStatus* status = pools.StatusOf(name);
    if (status == nullptr) continue;
    const Pool& pool = *pools.Find(name);
    status->usage = static_cast<int64_t>(status->used.size());
    status->occupied = pool.range && absl::uint128(status->used.size()) >= pool.range->Size();
  }
}

// --- The public face ---

Ipam::Ipam() : impl_(std::make_unique<Impl>()) {}
Ipam::~Ipam() = default;

void Ipam::Upsert(const network::Eip& eip) { impl_->noted_eips[eip.meta.name] = eip; }
void Ipam::Upsert(const kube::Service& service) { impl_->noted_services[service.Key()] = service; }
void Ipam::Upsert(const kube::Namespace& object) {
  impl_->noted_namespaces[object.meta.name] = object;
}

void Ipam::Remove(const ObjectKey& key) {
  if (key.kind == network::Eip::kKind) impl_->noted_eips[key.name] = std::nullopt;
  if (key.kind == kube::Namespace::kKind) impl_->noted_namespaces[key.name] = std::nullopt;
  if (key.kind == kube::Service::kKind)
    impl_->noted_services[absl::StrCat(key.namespace_, "/", key.name)] = std::nullopt;
}

void Ipam::Start() { impl_->started = true; }
Changes Ipam::TakeChanges() { return impl_->TakeChanges(); }

const ServiceState* Ipam::Find(absl::string_view service) const {
  const auto it = impl_->services.find(service);
  return it == impl_->services.end() ? nullptr : &it->second.state;
}

const network::EipStatus* Ipam::PoolStatus(absl::string_view name) const {
  const Pool* pool = impl_->pools.Find(name);
  return pool == nullptr ? nullptr : &pool->status;
}

size_t Ipam::WaitingCount() const { return impl_->pending; }
const Counters& Ipam::counters() const { return impl_->counters; }

}  // namespace openelb::ipam
