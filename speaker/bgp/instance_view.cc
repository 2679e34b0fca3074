// What an instance says of itself; instance.cc has what it does.
#include "absl/strings/str_cat.h"
#include "speaker/bgp/instance.h"

namespace openelb::bgp {
namespace {

void Fill(const MessageCounts& counts, plan::v1::MessageCounts* out) {
  out->set_open(counts.open);
  out->set_update(counts.update);
  out->set_notification(counts.notification);
  out->set_keepalive(counts.keepalive);
  out->set_refresh(counts.refresh);
  out->set_withdrawn_prefixes(counts.withdrawn_prefixes);
}

void Fill(absl::Time time, google::protobuf::Timestamp* out) {
  const int64_t nanos = absl::ToUnixNanos(time);
  out->set_seconds(nanos / 1000000000);
  out->set_nanos(static_cast<int32_t>(nanos % 1000000000));
}

void Fill(const Session& session, plan::v1::PeerObserved* out) {
  const link::BgpPeer& config = session.config().peer;
  out->set_session_state(std::string(SessionStateName(session.state())));
  out->set_last_error(session.last_error());
  out->set_local_as(config.local_as);
  if (const Connection* connection = session.confirmed()) {
    out->set_peer_router_id(IpAddress::FromV4(connection->peer.identifier).ToString());
    out->set_negotiated_hold_time_s(connection->negotiated.hold_time);
    out->set_keepalive_s(static_cast<uint32_t>(absl::ToInt64Seconds(connection->keepalive)));
    out->set_add_path(connection->negotiated.add_path());
  }
  Fill(session.sent(), out->mutable_sent());
  Fill(session.received(), out->mutable_received());
  if (session.rib() != nullptr) {
    out->set_announced_prefixes(session.rib()->prefixes());
    out->set_announced_paths(session.rib()->paths());
  }
  if (session.on_wire().has_value()) {
    out->mutable_on_wire()->set_epoch(session.on_wire()->epoch);
    out->mutable_on_wire()->set_counter(session.on_wire()->counter);
  }
}

}  // namespace

plan::v1::Observed Instance::Observed() const {
  plan::v1::Observed observed;
  if (plan_ == nullptr) return observed;
  if (plan_->instance.has_value()) {
    observed.set_router_id(IpAddress::FromV4(plan_->instance->router_id).ToString());
    observed.set_local_as(plan_->instance->local_as);
  }
  observed.set_pending_resets(resets_.size() + (resetting_.has_value() ? 1 : 0));
  for (const std::string& problem : listeners_.problems()) observed.add_problems(problem);
  for (const auto& [neighbor, config] : plan_->peers) {
    plan::v1::PeerObserved* out = observed.add_peers();
    out->set_address(neighbor.ToString());
    out->set_name(config.name);
    out->set_peer_as(config.remote_as);
    out->set_admin_down(config.admin_down);
    const auto peer = peers_.find(neighbor);
    if (peer == peers_.end()) {
      out->set_session_state(std::string(SessionStateName(SessionState::kIdle)));
      out->set_last_error(absl::StrCat("BgpPeer ", config.name, " (", neighbor.ToString(),
                                       "): no BgpConf is in force"));
      continue;
    }
    const Session& session = peer->second->session;
    Fill(session, out);
    if (peer->second->up_since) Fill(*peer->second->up_since, out->mutable_up_since());
    if (peer->second->down_since) Fill(*peer->second->down_since, out->mutable_down_since());
    // A session that dials has it as its last error.
    if (config.passive && session.state() != SessionState::kEstablished) {
      if (const auto source = Source(config); !source.ok())
        observed.add_problems(session.Sentence(source.status().message()));
    }
    const auto auth = auth_.find(peer->second->address().value_or(IpAddress()));
    if (auth != auth_.end() && !auth->second.problem.empty()) {
      observed.add_problems(session.Sentence(absl::StrCat(
          auth->second.auth.ao_keys.empty() ? "authPassword: peers cannot connect with it: "
                                            : "authKeys: peers cannot connect with them: ",
          auth->second.problem)));
    }
    if (session.rib() == nullptr) continue;
    for (const auto& [group, problem] : session.rib()->problems()) {
      observed.add_problems(session.Sentence(problem));
    }
  }
  return observed;
}

}  // namespace openelb::bgp
