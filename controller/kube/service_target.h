#pragma once
// What we write onto a Service, all of it in one patch: finalizer, label,
// status.loadBalancer.ingress and our condition. The status subresource of Services takes metadata
// as well, so that an address is never shown without the marks that say whose it is, and a
// controller needs no right to write a Service's specification.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/base/ip.h"
#include "api/codec/value.h"
#include "controller/kube/target.h"
#include "controller/status_sink.h"

namespace openelb::kube {

// spec.address of the Eips, by name; those that parse.
using EipRanges = std::map<std::string, IpRange>;

class ServiceTarget {
 public:
  // `ranges` outlives it.
  explicit ServiceTarget(const EipRanges* ranges) : ranges_(ranges) {}

  // Whether writing onto the Service may ever be called for: a load balancer, or marked by us.
  static bool Concerns(const codec::Value& object);

  // The object as the API server has it now.
  void See(const codec::Value& object);
  void Gone() { shown_.reset(); }
  // What it should show.
  void Want(ServiceStatus status);
  void Unwant() { wanted_.reset(); }

  // nullopt: nothing to do, also while either side is not known.
  std::optional<Patch> Next() const;

  bool shown() const { return shown_.has_value(); }
  bool empty() const { return !shown_ && !wanted_; }
  // Nobody has said what should become of it.
  bool Unclaimed() const { return shown_ && !wanted_ && shown_->meta.deleting && Marked(); }
  const ShownMeta& meta() const { return shown_->meta; }
  // The addresses that were last wanted, once, when they are shown or `refused`.
  std::optional<std::vector<std::string>> TakeAnswer(bool refused);

 private:
  struct Shown {
    ShownMeta meta;
    bool load_balancer = false;  // spec.type; others can show no address
    std::optional<std::string> label;
    // An entry that is nothing but a VIP as its address, any other as JSON.
    std::vector<std::string> ingress;
    codec::Value conditions;
  };
  bool Marked() const;
  std::vector<std::string> WantedIngress() const;
  codec::Value WantedConditions(bool* others) const;
  void AddMarks(bool wanted, Patch* patch) const;
  void AddStatus(Patch* patch) const;

  const EipRanges* ranges_;
  std::optional<Shown> shown_;
  std::optional<ServiceStatus> wanted_;
  // Addresses that this process meant to write onto the object of claimed_uid_ and that may still
  // be shown.
  std::vector<std::string> claimed_;
  std::string claimed_uid_;
  bool remembered_ = false;  // it meant to write some
  bool answer_due_ = false;
};

}  // namespace openelb::kube
