#include "api/codec/encode.h"

#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace openelb::codec {
namespace {

Value EncodeTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

Value Text64(uint64_t value) { return absl::StrCat(value); }

void AddConditions(const std::vector<kube::Condition>& conditions, Value* status) {
  for (const kube::Condition& condition : conditions) {
    Value encoded;
    encoded["type"] = condition.type;
    encoded["status"] = condition.status ? "True" : "False";
    encoded["reason"] = condition.reason;
    encoded["message"] = condition.message;
    if (condition.observed_generation != 0) {
      encoded["observedGeneration"] = condition.observed_generation;
    }
    if (condition.last_transition_time != absl::InfinitePast()) {
      encoded["lastTransitionTime"] = EncodeTime(condition.last_transition_time);
    }
    (*status)["conditions"].Append(std::move(encoded));
  }
}

Value EncodeMessages(const network::MessageCounts& counts) {
  Value encoded;
  encoded["notification"] = Text64(counts.notification);
  encoded["update"] = Text64(counts.update);
  encoded["open"] = Text64(counts.open);
  encoded["keepalive"] = Text64(counts.keepalive);
  encoded["refresh"] = Text64(counts.refresh);
  encoded["total"] = Text64(counts.Total());
  encoded["withdrawPrefix"] = Text64(counts.withdraw_prefix);
  return encoded;
}

Value EncodePeerState(const network::NodePeerStatus& node) {
  constexpr int kInternal = 0;
  constexpr int kExternal = 1;
  Value state;
  state["neighborAddress"] = node.neighbor_address;
  state["peerAs"] = node.peer_as;
  state["localAs"] = node.local_as;
  state["peerType"] = node.peer_as == node.local_as ? kInternal : kExternal;
  state["sessionState"] = node.session_state;
  if (!node.router_id.empty()) state["routerId"] = node.router_id;
  if (node.admin_down) state["adminState"] = "DOWN";
  state["messages"]["sent"] = EncodeMessages(node.sent);
  state["messages"]["received"] = EncodeMessages(node.received);
  state["announcedPrefixes"] = Text64(node.announced_prefixes);
  if (!node.last_error.empty()) state["lastError"] = node.last_error;
  return state;
}

Value EncodeTimersState(const network::NodePeerStatus& node) {
  Value timers;
  timers["keepaliveInterval"] = Text64(node.keepalive_s);
  timers["negotiatedHoldTime"] = Text64(node.negotiated_hold_time_s);
  if (node.uptime != absl::InfinitePast()) timers["uptime"] = EncodeTime(node.uptime);
  if (node.downtime != absl::InfinitePast()) timers["downtime"] = EncodeTime(node.downtime);
  return timers;
}

}  // namespace

Value EncodeServiceStatus(const std::vector<std::string>& ips,
                          const std::vector<kube::Condition>& conditions) {
  Value status;
  status["loadBalancer"] = Value::Map();
  for (const std::string& ip : ips) {
    status["loadBalancer"]["ingress"].Append(Value::Map{{"ip", ip}, {"ipMode", "VIP"}});
  }
  AddConditions(conditions, &status);
  return status;
}

Value EncodeEipStatus(const network::EipStatus& status) {
  Value encoded;
  if (!status.first_ip.empty()) encoded["firstIP"] = status.first_ip;
  if (!status.last_ip.empty()) encoded["lastIP"] = status.last_ip;
  int64_t pool_size = 0;
  if (!absl::SimpleAtoi(status.pool_size, &pool_size) && !status.pool_size.empty()) {
    pool_size = INT64_MAX;
  }
  encoded["poolSize"] = pool_size;
  if (status.v4) encoded["v4"] = true;
  for (const auto& [ip, services] : status.used) encoded["used"][ip] = services;
  encoded["usage"] = status.usage;
  encoded["occupied"] = status.occupied;
  encoded["ready"] = status.ready;
  for (const network::AddressOwner& owner : status.owners) {
    Value entry;
    entry["address"] = owner.address;
    if (!owner.planned.empty()) entry["planned"] = owner.planned;
    for (const std::string& node : owner.actual) entry["actual"].Append(node);
    if (!owner.actual.empty()) entry["since"] = EncodeTime(owner.since);
    encoded["owners"].Append(std::move(entry));
  }
  if (status.owners_total > 0) encoded["ownersTotal"] = status.owners_total;
  AddConditions(status.conditions, &encoded);
  return encoded;
}

Value EncodeBgpConfStatus(const network::BgpConfStatus& status) {
  Value encoded;
  encoded["nodesConfStatus"] = Value::Map();
  for (const auto& [name, node] : status.nodes) {
    Value& entry = encoded["nodesConfStatus"][name];
    entry = Value::Map();
    if (!node.router_id.empty()) entry["routerId"] = node.router_id;
    if (node.as != 0) entry["as"] = node.as;
  }
  AddConditions(status.conditions, &encoded);
  return encoded;
}

Value EncodeBgpPeerStatus(const network::BgpPeerStatus& status) {
  Value encoded;
  encoded["established"] = status.established;
  encoded["expected"] = status.expected;
  encoded["nodesPeerStatus"] = Value::Map();
  for (const auto& [name, node] : status.nodes) {
    Value& entry = encoded["nodesPeerStatus"][name];
    entry["peerState"] = EncodePeerState(node);
    entry["timersState"] = EncodeTimersState(node);
  }
  AddConditions(status.conditions, &encoded);
  return encoded;
}

Value EncodeOpenElbStatus(const network::OpenElbStatus& status) {
  Value encoded;
  if (status.observed_generation != 0) encoded["observedGeneration"] = status.observed_generation;
  if (status.counted) {
    encoded["desired"] = status.desired;
    encoded["ready"] = status.ready;
    encoded["updated"] = status.updated;
  }
  AddConditions(status.conditions, &encoded);
  return encoded;
}

}  // namespace openelb::codec
