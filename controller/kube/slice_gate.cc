#include "controller/kube/slice_gate.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/base/ip.h"
#include "controller/ipam/request.h"

namespace openelb::kube {
namespace {

std::string NameOf(const ObjectKey& key) { return absl::StrCat(key.namespace_, "/", key.name); }

// A packed slice: its type, the number of endpoints, and each of these as node + 1 (0: none),
// conditions, number of addresses, and these. Numbers are as long as they are large (LEB128).
constexpr absl::string_view kTypes[] = {"IPv4", "IPv6", "FQDN"};
constexpr uint8_t kText = 0;  // before an address: its length and text follow
constexpr uint8_t kIp4 = 4;   // its bytes
constexpr uint8_t kIp6 = 6;

void Put(uint64_t number, std::string* out) {
  for (; number >= 0x80; number >>= 7) out->push_back(static_cast<char>(number | 0x80));
  out->push_back(static_cast<char>(number));
}

class Reader {
 public:
  explicit Reader(absl::string_view rest) : rest_(rest) {}
  uint64_t Number() {
    uint64_t number = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<uint8_t>(Bytes(1)[0]);
      number |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return number;
    }
  }
  absl::string_view Bytes(size_t size) {
    const absl::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }

 private:
  absl::string_view rest_;
};

// Two bits each: not given, false, true.
uint64_t Pack(const std::optional<bool>& condition) { return condition ? 1 + *condition : 0; }
std::optional<bool> UnpackCondition(uint64_t bits) {
  if ((bits & 3) == 0) return std::nullopt;
  return (bits & 3) == 2;
}

void PutAddress(const std::string& text, std::string* out) {
  const auto ip = IpAddress::Parse(text);
  // Only what reads the same afterwards: "::0" has to stay that.
  if (ip.ok() && ip->ToString() == text) {
    out->push_back(static_cast<char>(ip->is_v6() ? kIp6 : kIp4));
    out->append(ip->bytes().begin(), ip->bytes().end());
    return;
  }
  Put(kText, out);
  Put(text.size(), out);
  absl::StrAppend(out, text);
}

std::string ReadAddress(Reader* in) {
  const uint64_t form = in->Number();
  if (form == kText) return std::string(in->Bytes(in->Number()));
  const absl::string_view bytes = in->Bytes(form == kIp6 ? 16 : 4);
  return IpAddress::FromBytes({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()})
      .ToString();
}

bool IsOurs(const Service& service) {
  return ipam::IsServed(service) || ipam::BearsOurMarks(service);
}

}  // namespace

uint32_t NameTable::Add(const std::string& name) {
  const auto [it, added] = numbers_.try_emplace(name);
  if (added) {
    if (free_.empty()) {
      it->second.number = static_cast<uint32_t>(names_.size());
      names_.push_back(it);
    } else {
      it->second.number = free_.back();
      free_.pop_back();
      names_[it->second.number] = it;
    }
  }
  ++it->second.references;
  return it->second.number;
}

void NameTable::Release(uint32_t number) {
  const auto it = names_[number];
  if (--it->second.references > 0) return;
  free_.push_back(number);
  numbers_.erase(it);
}

std::string PackEndpoints(const EndpointSlice& slice, NameTable* nodes) {
  std::string packed;
  Put(std::find(std::begin(kTypes), std::end(kTypes), slice.address_type) - std::begin(kTypes),
      &packed);
  Put(slice.endpoints.size(), &packed);
  for (const Endpoint& endpoint : slice.endpoints) {
    Put(endpoint.node_name.empty() ? 0 : nodes->Add(endpoint.node_name) + uint64_t{1}, &packed);
    Put(Pack(endpoint.ready) | Pack(endpoint.serving) << 2 | Pack(endpoint.terminating) << 4,
        &packed);
    Put(endpoint.addresses.size(), &packed);
    for (const std::string& address : endpoint.addresses) PutAddress(address, &packed);
  }
  packed.shrink_to_fit();
  return packed;
}

void UnpackEndpoints(absl::string_view packed, const NameTable& nodes, EndpointSlice* slice) {
  Reader in(packed);
  slice->address_type = std::string(kTypes[in.Number()]);
  slice->endpoints.resize(in.Number());
  for (Endpoint& endpoint : slice->endpoints) {
    const uint64_t node = in.Number();
    if (node > 0) endpoint.node_name = nodes.Find(static_cast<uint32_t>(node - 1));
    const uint64_t conditions = in.Number();
    endpoint.ready = UnpackCondition(conditions);
    endpoint.serving = UnpackCondition(conditions >> 2);
    endpoint.terminating = UnpackCondition(conditions >> 4);
    endpoint.addresses.resize(in.Number());
    for (std::string& address : endpoint.addresses) address = ReadAddress(&in);
  }
}

void ReleaseEndpoints(absl::string_view packed, NameTable* nodes) {
  Reader in(packed);
  in.Number();
  for (uint64_t endpoints = in.Number(); endpoints > 0; --endpoints) {
    if (const uint64_t node = in.Number(); node > 0)
      nodes->Release(static_cast<uint32_t>(node - 1));
    in.Number();
    for (uint64_t addresses = in.Number(); addresses > 0; --addresses) ReadAddress(&in);
  }
}

std::vector<ObjectEvent> SliceGate::Pass(std::vector<ObjectEvent> events) {
  for (ObjectEvent& event : events) {
    if (event.key.kind == EndpointSlice::kKind) {
      OnSlice(std::move(event));
    } else if (event.key.kind == Service::kKind) {
      OnService(std::move(event));
    } else {
      passed_.push_back(std::move(event));
    }
  }
  return std::exchange(passed_, {});
}

void SliceGate::OnService(ObjectEvent event) {
  if (event.refusal) return passed_.push_back(std::move(event));  // what it was stays in force
  const bool missing = event.missing;
  const bool ours = event.object.has_value() && IsOurs(std::get<Service>(*event.object));
  const std::string key = NameOf(event.key);
  passed_.push_back(std::move(event));
  auto service = services_.find(key);
  if (service == services_.end()) {
    if (!ours) return;
    service = services_.emplace(key, OfService()).first;
  }
  if (std::exchange(service->second.ours, ours) != ours) {
    for (const Slices::iterator slice : service->second.slices)
      passed_.push_back(ours ? Sent(*slice) : Gone(*slice, missing));
  }
  DropIdle(service);
}

void SliceGate::OnSlice(ObjectEvent event) {
  const std::string key = NameOf(event.key);
  const auto known = slices_.find(key);
  const std::string of =
      event.object.has_value() ? std::get<EndpointSlice>(*event.object).ServiceKey() : "";
  const bool was_sent = known != slices_.end() && known->second.service->second.ours;
  if (event.refusal) {
    if (was_sent) passed_.push_back(std::move(event));
    return;
  }
  if (known != slices_.end() && known->second.service->first != of) {
    if (was_sent) passed_.push_back(Gone(*known, event.missing));
    Forget(known);
  }
  if (of.empty()) return;
  const auto& slice = std::get<EndpointSlice>(*event.object);
  const auto [entry, added] = slices_.try_emplace(key);
  std::string packed = PackEndpoints(slice, &nodes_);
  if (added) {
    entry->second.service = services_.try_emplace(of).first;
    entry->second.service->second.slices.push_back(entry);
  } else {
    ReleaseEndpoints(entry->second.packed, &nodes_);
  }
  entry->second.packed = std::move(packed);
  if (entry->second.service->second.ours) passed_.push_back(std::move(event));
}

// Of its metadata, what anybody reads.
ObjectEvent SliceGate::Sent(const Slices::value_type& entry) const {
  ObjectEvent event = Gone(entry, /*missing=*/false);
  EndpointSlice slice;
  slice.meta.namespace_ = event.key.namespace_;
  slice.meta.name = event.key.name;
  const std::string& service = entry.second.service->first;
  slice.meta.labels[kServiceNameLabel] = service.substr(service.find('/') + 1);
  UnpackEndpoints(entry.second.packed, nodes_, &slice);
  event.object = std::move(slice);
  return event;
}

ObjectEvent SliceGate::Gone(const Slices::value_type& entry, bool missing) const {
  const size_t slash = entry.first.find('/');
  return {
      .key = {EndpointSlice::kKind, entry.first.substr(0, slash), entry.first.substr(slash + 1)},
      .object = std::nullopt,
      .missing = missing};
}

void SliceGate::Forget(Slices::iterator slice) {
  const auto service = slice->second.service;
  std::erase(service->second.slices, slice);
  ReleaseEndpoints(slice->second.packed, &nodes_);
  slices_.erase(slice);
  DropIdle(service);
}

void SliceGate::DropIdle(Services::iterator service) {
  if (!service->second.ours && service->second.slices.empty()) services_.erase(service);
}

}  // namespace openelb::kube
