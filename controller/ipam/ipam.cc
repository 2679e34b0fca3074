#include "controller/ipam/ipam.h"

namespace openelb::ipam {

class Ipam::Impl {
 public:
  Counters counters;
};

Ipam::Ipam() : impl_(std::make_unique<Impl>()) {}
Ipam::~Ipam() = default;
void Ipam::Upsert(const network::Eip&) {}
void Ipam::Upsert(const kube::Service&) {}
void Ipam::Upsert(const kube::Namespace&) {}
void Ipam::Remove(const ObjectKey&) {}
void Ipam::Start() {}
Changes Ipam::TakeChanges() { return {}; }
const ServiceState* Ipam::Find(absl::string_view) const { return nullptr; }
const network::EipStatus* Ipam::PoolStatus(absl::string_view) const { return nullptr; }
size_t Ipam::WaitingCount() const { return 0; }
const Counters& Ipam::counters() const { return impl_->counters; }

}  // namespace openelb::ipam
