#include "controller/kube/lease.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace openelb::kube {
namespace {

using codec::Value;

constexpr absl::Duration kUsualDuration = absl::Seconds(15);
constexpr absl::Duration kMaxDuration = absl::Minutes(1);

// metav1.MicroTime takes exactly six digits.
std::string MicroTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone());
}

const Value* Member(const Value& lease, absl::string_view map, absl::string_view key) {
  const Value* parent = lease.Find(map);
  return parent == nullptr ? nullptr : parent->Find(key);
}

std::string Text(const Value* value) {
  return value == nullptr || value->string() == nullptr ? "" : *value->string();
}

int64_t Number(const Value* value, int64_t otherwise) {
  if (value == nullptr || value->integer() == nullptr) return otherwise;
  const absl::int128 number = *value->integer();
  return number < 0 || number > std::numeric_limits<int32_t>::max() ? otherwise
                                                                    : static_cast<int64_t>(number);
}

absl::Time ReadTime(const Value* value) {
  absl::Time time;
  std::string error;
  return absl::ParseTime(absl::RFC3339_full, Text(value), &time, &error) ? time : absl::UnixEpoch();
}

Value& MapOf(Value* parent, absl::string_view key) {
  Value& member = (*parent)[key];
  if (member.map() == nullptr) member = Value(Value::Map());
  return member;
}

}  // namespace

LeaseRecord ReadLease(const Value& lease) {
  LeaseRecord record;
  record.holder = Text(Member(lease, "spec", "holderIdentity"));
  const int64_t seconds = Number(Member(lease, "spec", "leaseDurationSeconds"), 0);
  record.duration = seconds == 0 ? kUsualDuration : std::min(absl::Seconds(seconds), kMaxDuration);
  record.acquired = ReadTime(Member(lease, "spec", "acquireTime"));
  record.renewed = ReadTime(Member(lease, "spec", "renewTime"));
  record.transitions = Number(Member(lease, "spec", "leaseTransitions"), 0);
  const Value* metadata = lease.Find("metadata");
  const Value* annotations = metadata == nullptr ? nullptr : metadata->Find("annotations");
  if (annotations == nullptr) return record;
  record.endpoint = Text(annotations->Find(kEndpointAnnotation));
  record.recovering = Text(annotations->Find(kRecoveringAnnotation)) == "true";
  const std::string epoch = Text(annotations->Find(kEpochAnnotation));
  if (!epoch.empty() && (!absl::SimpleAtoi(epoch, &record.epoch) || record.epoch > kMaxEpoch)) {
    record.epoch = 0;
    record.damage =
        absl::StrCat("annotation ", kEpochAnnotation, ": \"", epoch, "\" is no epoch; ignored");
  }
  return record;
}

void WriteLease(const LeaseRecord& record, Value* lease) {
  Value& object = *lease;
  object["apiVersion"] = "coordination.k8s.io/v1";
  object["kind"] = "Lease";
  Value& annotations = MapOf(&MapOf(lease, "metadata"), "annotations");
  annotations[kEpochAnnotation] = absl::StrCat(record.epoch);
  annotations[kEndpointAnnotation] = record.endpoint;
  if (record.recovering) {
    annotations[kRecoveringAnnotation] = "true";
  } else {
    annotations.map()->erase(kRecoveringAnnotation);
  }
  Value& spec = MapOf(lease, "spec");
  spec["holderIdentity"] = record.holder;
  spec["leaseDurationSeconds"] = absl::ToInt64Seconds(record.duration);
  spec["acquireTime"] = MicroTime(record.acquired);
  spec["renewTime"] = MicroTime(record.renewed);
  spec["leaseTransitions"] = record.transitions;
}

}  // namespace openelb::kube
