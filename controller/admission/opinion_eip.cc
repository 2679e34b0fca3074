#include "absl/strings/str_cat.h"
#include "api/base/ip.h"
#include "api/network/v1alpha2/names.h"
#include "controller/admission/opinion.h"

namespace openelb::admission {

void WarnOfIgnored(const std::vector<std::string>& fields, Opinion* opinion) {
  for (const std::string& field : fields)
    opinion->warnings.push_back(absl::StrCat(field, ": accepted, and has no effect"));
}

Opinion OpinionOf(const network::Eip& eip, Knowledge* known) {
  Opinion opinion;
  const ipam::PoolTable& pools = known->pools();
  const std::string& name = eip.meta.name;
  if (const auto range = IpRange::Parse(eip.address); range.ok()) {
    if (const ipam::Pool* other = pools.Overlapping(*range, name)) {
      opinion.errors.push_back(absl::StrCat(
          ipam::DescribeOverlap(eip, *other),
          other->eip.meta.deletion_timestamp
              ? ", which is being deleted: wait until it is gone, or choose addresses of no Eip"
              : ": choose addresses of no Eip, or delete that one first"));
    }
  }
  const ipam::Pool* standing = pools.Default();
  if (ipam::WantsDefault(eip) && standing != nullptr && standing->name() != name) {
    opinion.errors.push_back(absl::StrCat(
        "metadata.annotations[", network::kDefaultEip.openelb, "]: Eip \"", standing->name(),
        "\" is the default already: take the annotation off that one first"));
  }
  WarnOfIgnored(eip.fields_ignored, &opinion);
  return opinion;
}

}  // namespace openelb::admission
