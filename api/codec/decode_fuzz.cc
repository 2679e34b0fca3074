// Any bytes as a manifest: decoding ends, objects come only without errors, and what was read can
// be written as YAML and as JSON and read back as the same. So for what the planner makes of it:
// peer groups with the peers that name one, and the annotation that says what a Service announces.

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "api/codec/advertise.h"
#include "api/codec/decode.h"
#include "api/codec/parse.h"
#include "api/codec/peer_group.h"
#include "api/codec/write.h"
#include "api/network/v1alpha2/names.h"

namespace openelb::codec {
namespace {

// YAML gives up on keys whose text, escapes included, is longer than 1024 characters.
constexpr size_t kLongestKey = 160;

void Check(bool holds) {
  if (!holds) std::abort();
}

bool HasLongKey(const Value& value) {
  if (value.list() != nullptr) {
    return std::any_of(value.list()->begin(), value.list()->end(), HasLongKey);
  }
  if (value.map() == nullptr) return false;
  return std::any_of(value.map()->begin(), value.map()->end(), [](const auto& member) {
    return member.first.size() > kLongestKey || HasLongKey(member.second);
  });
}

void CheckWritten(const Document& document) {
  if (document.error.has_value() || HasLongKey(document.value)) return;
  const std::string json = ToJson(document.value);
  if (json == "null") return;  // such as .nan; read back it is an empty document
  for (const std::string& again : {json, ToJson(document.value, 2), ToYaml(document.value)}) {
    const ParsedText parsed = ParseYaml(again);
    Check(!parsed.error.has_value() && parsed.documents.size() == 1);
    Check(ToJson(parsed.documents[0].value) == json);
  }
}

// As a manifest and as an API server sends it.
void CheckDecoded(const Decoded& decoded) {
  Check(decoded.object.has_value() == (decoded.errors.empty() && !decoded.skipped));
  if (decoded.source.IsNull()) return;  // not one document, or a list that is none
  const Decoded sent = DecodeObject(decoded.source, "");
  Check(sent.key == decoded.key);
  Check(sent.skipped == decoded.skipped);
  Check(sent.object.has_value() == decoded.object.has_value());
  Check(sent.errors.size() == decoded.errors.size());
  Check(sent.warnings.size() == decoded.warnings.size());
  if (decoded.object.has_value()) Check(KeyOf(*decoded.object) == decoded.key);
}

void CheckAdvertise(const kube::Service& service) {
  const auto annotation = service.meta.annotations.find(network::kAdvertise);
  if (annotation == service.meta.annotations.end()) return;
  const ParsedAdvertise parsed = ParseAdvertise(annotation->second);
  if (!parsed.errors.empty()) return;
  const ParsedAdvertise again =
      ParseAdvertise(ToJson(ParseYaml(annotation->second).documents[0].value));
  Check(again.errors.empty() && again.advertise == parsed.advertise);
}

// A group gives a peer nothing that makes it another router; an empty one gives it nothing at all.
void CheckGrouped(const network::BgpPeer& peer, const Value& group) {
  const absl::StatusOr<network::BgpPeer> grouped = WithGroup(peer, group);
  if (!grouped.ok()) return;
  Check(grouped->meta == peer.meta);
  Check(grouped->neighbor_address == peer.neighbor_address);
  Check(grouped->neighbor_interface == peer.neighbor_interface);
  Check(grouped->auth_password == peer.auth_password);
  Check(grouped->auth_keys.empty() || !grouped->auth_password_secret.has_value());
  Check(grouped->peer_group == peer.peer_group);
  absl::StatusOr<network::BgpPeer> own = WithGroup(peer, Value::Map());
  if (!own.ok()) return;
  network::BgpPeer written = peer;
  written.spec = own->spec = Value();
  written.fields_ignored = own->fields_ignored = {};  // v1alpha1 names the paths otherwise
  Check(*own == written);
}

void CheckObjects(const std::vector<Decoded>& objects) {
  std::vector<const Value*> groups;
  std::vector<const network::BgpPeer*> peers;
  for (const Decoded& decoded : objects) {
    CheckDecoded(decoded);
    if (!decoded.object.has_value()) continue;
    if (const auto* service = std::get_if<kube::Service>(&*decoded.object)) {
      CheckAdvertise(*service);
    } else if (const auto* conf = std::get_if<network::BgpConf>(&*decoded.object)) {
      for (const auto& [name, group] : conf->peer_groups) {
        if (PeerGroupError(group).empty()) groups.push_back(&group);
      }
    } else if (const auto* peer = std::get_if<network::BgpPeer>(&*decoded.object)) {
      if (!peer->peer_group.empty()) peers.push_back(peer);
    }
  }
  for (const network::BgpPeer* peer : peers) {
    for (const Value* group : groups) CheckGrouped(*peer, *group);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  CheckObjects(DecodeText(text, "f").objects);
  for (const Document& document : ParseYaml(text).documents) CheckWritten(document);
  return 0;
}

}  // namespace openelb::codec
