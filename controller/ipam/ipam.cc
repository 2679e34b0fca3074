#include "controller/ipam/ipam.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "api/network/v1alpha2/names.h"
#include "controller/ipam/choice.h"
#include "controller/ipam/ledger.h"
#include "controller/ipam/request.h"

namespace openelb::ipam {

class Ipam::Impl {
 public:
  Changes TakeChanges();

  // Noted since the last TakeChanges; nullopt: deleted.
  std::map<std::string, std::optional<network::Eip>> noted_eips;
  std::map<std::string, std::optional<kube::Service>> noted_services;
  std::map<std::string, std::optional<kube::Namespace>> noted_namespaces;
  std::set<std::string> missing_services;  // of the deleted ones in noted_services
  std::map<std::string, IpAddress> announced;
  bool started = false;
  Ledger ledger;

 private:
  void ApplyNamespaces();
  void ApplyEips();
  std::set<std::string> EipsInUse() const;
  void Rehome(Record* record);
  void ApplyServices();
  Record* Read(const std::string& key, const kube::Service& service);
  void AdoptAll(const Queue& services);
  void Adopt(Record* record);
  void Reconsider(Record* record);
  void ServeWaiting();

  bool adopted_ = false;
};

namespace {

// Whether what `record` holds is what it asks for.
bool IsSatisfied(const Record& record) {
  if (!record.state.allocation) return false;
  const IpAddress& address = record.state.allocation->addresses[0];
  const Request& request = record.request;
  return (!request.address || *request.address == address) &&
         (request.pool.empty() || request.pool == record.state.allocation->pool) &&
         request.families.Has(address.family());
}

}  // namespace

Changes Ipam::Impl::TakeChanges() {
  if (!started) return {};
  ApplyNamespaces();
  ApplyEips();
  ApplyServices();
  ServeWaiting();
  return ledger.Report();
}

void Ipam::Impl::ApplyNamespaces() {
  for (const auto& [name, object] : std::exchange(noted_namespaces, {})) {
    if (ledger.pools().ApplyNamespace(name, object)) ledger.waiting().WakeNamespace(name);
  }
}

void Ipam::Impl::ApplyEips() {
  if (noted_eips.empty()) return;
  PoolTable& pools = ledger.pools();
  WaitingList& waiting = ledger.waiting();
  const std::set<std::string> in_use = adopted_ ? std::set<std::string>() : EipsInUse();
  for (const PoolTable::Change& change : pools.Apply(std::exchange(noted_eips, {}), in_use)) {
    ledger.ReportPool(change.name);
    if (change.newly_refused) ++ledger.counters().refused;
    for (const std::string& holder : ledger.HoldersOf(change.name)) Rehome(ledger.Find(holder));
    waiting.WakePool(change.name);
    if (change.range_before) waiting.WakeRange(*change.range_before);
    const Pool* pool = pools.Find(change.name);
    if (pool != nullptr && pool->range) waiting.WakeRange(*pool->range);
  }
  waiting.WakeAutomatic([](const std::string&) { return true; });
}

// Before the first round: the Eips from which Services have an address, by what speakers announce
// and by their status. Where a Service does not say from which of several, all of them.
std::set<std::string> Ipam::Impl::EipsInUse() const {
  std::map<std::string, IpRange> ranges;
  for (const auto& [name, eip] : noted_eips) {
    if (!eip) continue;
    if (const auto range = IpRange::Parse(eip->address); range.ok()) ranges.emplace(name, *range);
  }
  const auto has = [&](const std::string& name, const IpAddress& address) {
    const auto range = ranges.find(name);
    return range != ranges.end() && range->second.Contains(address);
  };
  std::set<std::string> in_use;
  for (const auto& [key, service] : noted_services) {
    if (!service || !IsServed(*service)) continue;
    const auto told = announced.find(key);
    const auto address =
        told != announced.end() ? std::optional(told->second) : StatusAddress(*service);
    if (!address) continue;
    const auto marked = network::Find(service->meta.labels, network::kEipName).value_or("");
    const auto named = network::Find(service->meta.annotations, network::kEipName).value_or("");
    for (const auto& [name, range] : ranges) {
      const bool is_it = has(marked, *address)  ? name == marked
                         : has(named, *address) ? name == named
                                                : range.Contains(*address);
      if (is_it) in_use.insert(name);
    }
  }
  return in_use;
}

// The Eip of what `record` holds changed: the address stays if that Eip or another one covers it.
void Ipam::Impl::Rehome(Record* record) {
  ++ledger.counters().visited;
  const PoolTable& pools = ledger.pools();
  const Allocation held = *record->state.allocation;
  const IpAddress address = held.addresses[0];
  const Pool* from = pools.Find(held.pool);
  const Pool* pool = pools.Keeps(held.pool, address) ? from : pools.Covering(address);
  if (pool != nullptr && pool == from && pool->eip.protocol == held.protocol) return;
  ledger.Release(record, absl::StrCat("Eip \"", held.pool,
                                      from == nullptr ? "\" is gone" : "\" no longer contains it"));
  if (pool != nullptr) ledger.Hold(record, *pool, address);
  Reconsider(record);
}

void Ipam::Impl::ApplyServices() {
  Queue changed;
  Queue edited_ports;
  const auto noted = std::exchange(noted_services, {});
  for (const auto& [key, service] : noted) {
    ++ledger.counters().visited;
    Record* record = ledger.Find(key);
    const bool served = service && IsServed(*service);
    if (record != nullptr && (!served || record->uid != service->meta.uid)) {
      if (!service && missing_services.contains(key)) {
        ledger.ForgetMissing(record);
      } else {
        ledger.Forget(record);
      }
      record = nullptr;
    }
    if (!served) {
      if (service && BearsOurMarks(*service)) ledger.ReportUnowned(key);
      continue;
    }
    const std::vector<Port> ports_before =
        record != nullptr ? record->request.ports : std::vector<Port>();
    record = Read(key, *service);
    changed.insert(record);
    if (record->state.allocation && record->request.ports != ports_before)
      edited_ports.insert(record);
  }
  ledger.ReplacePorts(edited_ports);
  if (!std::exchange(adopted_, true)) {
    AdoptAll(changed);
    for (const auto& [service, address] : std::exchange(announced, {})) {
      const auto it = noted.find(service);
      const bool known = it != noted.end() && (it->second || !missing_services.contains(service));
      if (!known) ledger.ForgetAnnounced(service, address);
    }
  }
  missing_services.clear();
  for (Record* record : changed) Reconsider(record);
}

// Takes what the Service says now into its record.
Record* Ipam::Impl::Read(const std::string& key, const kube::Service& service) {
  Record* record = ledger.Find(key);
  if (record == nullptr) {
    record = ledger.Add(key, StatusAddress(service));
    record->marked_pool = network::Find(service.meta.labels, network::kEipName).value_or("");
  } else {
    ledger.Touch(*record);
    ledger.ReportSharing(*record);
    ledger.waiting().Remove(record);  // which is ordered by what changes here
  }
  record->namespace_ = service.meta.namespace_;
  record->name = service.meta.name;
  record->uid = service.meta.uid;
  record->created = service.meta.creation_timestamp;
  record->request = ReadRequest(service);
  if (record->request.node_proxy && record->state.allocation)
    ledger.Release(record, "it asks for node-proxy mode");
  return record;
}

// Once, when every list is complete: what speakers announce, else what is found in status, is what
// the Services hold. Announced ones come first: they carry traffic, and a status may be older.
void Ipam::Impl::AdoptAll(const Queue& services) {
  for (Record* record : services) {
    const auto address = announced.find(record->key());
    if (address == announced.end()) continue;
    record->last = address->second;
    Adopt(record);
  }
  for (Record* record : services) {
    if (!announced.contains(record->key())) Adopt(record);
  }
}

// The label, or else the request, says from which Eip; otherwise it is the one that covers the
// address.
void Ipam::Impl::Adopt(Record* record) {
  if (!record->last || record->request.node_proxy) return;
  const PoolTable& pools = ledger.pools();
  const IpAddress address = *record->last;
  const Pool* pool = pools.Covering(address);
  for (const std::string& named : {record->request.pool, record->marked_pool}) {
    if (pools.Keeps(named, address)) pool = pools.Find(named);
  }
  const auto clash = ledger.addresses().FindClash(address, record->request.ports, record->key());
  if (pool == nullptr) {
    record->released_because = "no Eip contains it";
  } else if (clash) {
    record->released_because = Describe(*clash);
  } else {
    ledger.Hold(record, *pool, address);
  }
}

// Lets `record` wait unless it has what it asks for. A request in error waits for its own edit.
void Ipam::Impl::Reconsider(Record* record) {
  ledger.waiting().Remove(record);
  record->obstacle = record->request.error;
  if (record->request.error.empty() && !IsSatisfied(*record)) ledger.waiting().Add(record);
}

void Ipam::Impl::ServeWaiting() {
  while (Record* record = ledger.waiting().OldestReady()) {
    ++ledger.counters().visited;
    const Choice choice = Choose(*record, ledger.addresses(), &ledger.pools());
    if (choice.pool == nullptr) {
      ledger.Refuse(choice.obstacle);
      continue;
    }
    ledger.waiting().Remove(record);
    if (record->state.allocation) ledger.Release(record, "its request changed");
    ledger.Hold(record, *choice.pool, choice.address);
  }
}

Ipam::Ipam() : impl_(std::make_unique<Impl>()) {}
Ipam::~Ipam() = default;

void Ipam::Upsert(const network::Eip& eip) { impl_->noted_eips[eip.meta.name] = eip; }
void Ipam::Upsert(const kube::Service& service) {
  impl_->noted_services[service.Key()] = service;
  impl_->missing_services.erase(service.Key());
}
void Ipam::Upsert(const kube::Namespace& object) {
  impl_->noted_namespaces[object.meta.name] = object;
}

void Ipam::Remove(const ObjectKey& key, bool missing) {
  if (key.kind == network::Eip::kKind) impl_->noted_eips[key.name] = std::nullopt;
  if (key.kind == kube::Namespace::kKind) impl_->noted_namespaces[key.name] = std::nullopt;
  if (key.kind != kube::Service::kKind) return;
  const std::string service = absl::StrCat(key.namespace_, "/", key.name);
  impl_->noted_services[service] = std::nullopt;
  if (missing) impl_->missing_services.insert(service);
}

void Ipam::EndRest(const IpAddress& address) { impl_->ledger.EndRest(address); }

void Ipam::SetAnnounced(const std::string& service, const IpAddress& address) {
  impl_->announced[service] = address;
}

void Ipam::Start() { impl_->started = true; }
Changes Ipam::TakeChanges() { return impl_->TakeChanges(); }

const ServiceState* Ipam::Find(absl::string_view service) const {
  const Record* record = std::as_const(impl_->ledger).Find(service);
  return record == nullptr ? nullptr : &record->state;
}

const network::EipStatus* Ipam::PoolStatus(absl::string_view name) const {
  const Pool* pool = impl_->ledger.pools().Find(name);
  return pool == nullptr ? nullptr : &pool->status;
}

std::vector<Problem> Ipam::Problems() const { return impl_->ledger.pools().Problems(); }

size_t Ipam::WaitingCount() const { return impl_->ledger.waiting_count(); }
const Counters& Ipam::counters() const { return impl_->ledger.counters(); }

}  // namespace openelb::ipam
