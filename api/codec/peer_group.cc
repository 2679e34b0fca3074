#include "api/codec/peer_group.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "api/codec/field.h"
#include "api/codec/kinds.h"
#include "api/network/v1alpha2/validate.h"

namespace openelb::codec {
namespace {

constexpr const char* kNotShared[] = {"neighborAddress", "neighborInterface", "peerGroup",
                                      "authPassword"};
constexpr const char* kProtections[] = {"authPassword", "authPasswordSecretRef", "authKeys"};

std::string Message(absl::string_view path, absl::string_view message) {
  absl::ConsumePrefix(&path, "spec.");
  return path.empty() || path == "spec" ? std::string(message) : absl::StrCat(path, ": ", message);
}

// The spec with v1alpha1's name of conf as v1alpha2 has it.
Value Renamed(const Value& spec) {
  if (spec.Find("conf") != nullptr || spec.Find("config") == nullptr) return spec;
  Value renamed = spec;
  renamed["conf"] = *spec.Find("config");
  renamed.map()->erase("config");
  return renamed;
}

Value Merged(const Value& below, const Value& above) {
  if (below.map() == nullptr || above.map() == nullptr) return above;
  Value merged = below;
  for (const auto& [key, member] : *above.map()) {
    if (member.IsNull()) continue;  // not given
    const Value* under = below.Find(key);
    merged[key] = under == nullptr || key == "nodeSelector" ? member : Merged(*under, member);
  }
  return merged;
}

// A session is protected in one way, so a BgpPeer's own replaces its group's.
void DropProtection(const Value& above, Value* below) {
  const Value* own = above.Find("conf");
  Value* conf = below->Find("conf") == nullptr ? nullptr : &(*below)["conf"];
  if (own == nullptr || conf == nullptr || conf->map() == nullptr) return;
  for (const char* given : kProtections) {
    const Value* value = own->Find(given);
    if (value == nullptr || value->IsNull()) continue;
    for (const char* other : kProtections) {
      if (other != given) conf->map()->erase(other);
    }
  }
}

}  // namespace

std::string PeerGroupError(const Value& group) {
  if (group.map() == nullptr) return absl::StrCat(group.Describe(), " is not a map");
  const Value renamed = Renamed(group);
  const Value* conf = renamed.Find("conf");
  for (const char* key : kNotShared) {
    if (conf == nullptr || conf->Find(key) == nullptr) continue;
    return absl::StrCat("conf.", key, ": not shared; each BgpPeer has its own");
  }
  Findings findings;
  const Field spec(&group, "", group.line(), &findings);
  network::BgpPeer peer = DecodePeerSpec(spec);
  if (!findings.errors().empty()) {
    const Finding& first = findings.errors().front();
    return Message(first.path, first.message);
  }
  for (const network::FieldError& error : network::ValidateShared(peer)) {
    return Message(error.path, error.message);
  }
  for (const Finding& unknown : findings.UnknownFields(group)) {
    return Message(unknown.path, unknown.message);
  }
  return "";
}

absl::StatusOr<network::BgpPeer> WithGroup(const network::BgpPeer& peer, const Value& group) {
  const Value own = Renamed(peer.spec);
  Value shared = Renamed(group);
  DropProtection(own, &shared);
  const Value spec = Merged(shared, own);
  Findings findings;
  network::BgpPeer merged = DecodePeerSpec(Field(&spec, "spec", 0, &findings));
  if (!findings.errors().empty()) {
    const Finding& first = findings.errors().front();
    return absl::InvalidArgumentError(absl::StrCat(first.path, ": ", first.message));
  }
  for (const network::FieldError& error : network::Validate(merged)) {
    return absl::InvalidArgumentError(absl::StrCat(error.path, ": ", error.message));
  }
  merged.meta = peer.meta;
  return merged;
}

}  // namespace openelb::codec
