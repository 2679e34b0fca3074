#include "controller/observe/truncate.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "api/codec/encode.h"
#include "api/codec/write.h"

namespace openelb::observe {
namespace {

// `size_of` gives the bytes of an entry as JSON.
template <typename Entries, typename SizeOf>
std::optional<std::string> Cut(const char* field, Entries* entries, SizeOf size_of) {
  const size_t total = entries->size();
  size_t bytes = 0;
  auto it = entries->begin();
  while (it != entries->end() && (bytes += size_of(*it)) <= kMaxStatusBytes) ++it;
  if (it == entries->end()) return std::nullopt;
  entries->erase(it, entries->end());
  return absl::StrCat("status.", field, " shows the first ", entries->size(), " of ", total,
                      " entries: all of them would be too large for one object");
}

constexpr size_t kPunctuation = 6;  // of "key":"value",
constexpr size_t kConfFields = 40;  // "routerId":"","as":4294967295,{}

}  // namespace

std::optional<std::string> Truncate(network::EipStatus* status) {
  return Cut("used", &status->used, [](const auto& entry) {
    return entry.first.size() + entry.second.size() + kPunctuation;
  });
}

std::optional<std::string> Truncate(network::BgpPeerStatus* status) {
  return Cut("nodesPeerStatus", &status->nodes, [](const auto& entry) {
    const network::BgpPeerStatus one{.nodes = {entry}};
    return codec::ToJson(codec::EncodeBgpPeerStatus(one)).size();
  });
}

std::optional<std::string> Truncate(network::BgpConfStatus* status) {
  return Cut("nodesConfStatus", &status->nodes, [](const auto& entry) {
    return entry.first.size() + entry.second.router_id.size() + kConfFields + kPunctuation;
  });
}

}  // namespace openelb::observe
