#include "controller/ipam/choice.h"

#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/network/v1alpha2/names.h"

namespace openelb::ipam {
namespace {

constexpr size_t kPoolsNamed = 3;  // in the sentence that says why none of many fits

Choice Refuse(std::string obstacle) {
  return {.pool = nullptr, .address = {}, .obstacle = std::move(obstacle)};
}

Choice Unknown(absl::string_view pool) {
  return Refuse(absl::StrCat("Eip \"", pool,
                             "\" does not exist: create it, or name another with annotation ",
                             network::kEipName.openelb));
}

// What the Service has or had there comes before the first free address.
std::optional<IpAddress> Pick(const Record& record, const AddressTable& addresses,
                              const Pool& pool) {
  const auto& had = record.state.allocation ? record.state.allocation->addresses[0] : record.last;
  if (had && pool.range->Contains(*had) &&
      (record.Holds(*had) || addresses.IsFree(*had, record.key())))
    return had;
  return addresses.FirstFree(*pool.range);
}

Choice ChooseRequested(const Record& record, const AddressTable& addresses,
                       const PoolTable& pools) {
  const IpAddress& address = *record.request.address;
  const std::string& named = record.request.pool;
  const Pool* pool = named.empty() ? pools.Covering(address) : pools.Find(named);
  if (pool == nullptr && !named.empty()) return Unknown(named);
  if (pool == nullptr) {
    return Refuse(absl::StrCat("no Eip contains the requested address ", address.ToString(),
                               ": ask for another, or add an Eip that does"));
  }
  if (const std::string obstacle = pool->Obstacle(record.request.families); !obstacle.empty()) {
    return Refuse(absl::StrCat("Eip \"", pool->name(), "\", which has the requested address ",
                               address.ToString(), ", ", obstacle, ": ask for another address"));
  }
  if (!pool->range->Contains(address)) {
    return Refuse(absl::StrCat("the requested address ", address.ToString(), " is not in Eip \"",
                               named, "\" (", pool->eip.address,
                               "): ask for one of its addresses, or name another Eip"));
  }
  if (const std::string* owner = addresses.RestsFor(address);
      owner != nullptr && *owner != record.key()) {
    return Refuse(absl::StrCat("the requested address ", address.ToString(),
                               " rests for some minutes because Service ", *owner,
                               ", which had it, was missing from the cluster's list: ask for "
                               "another address, or wait"));
  }
  if (const auto clash = addresses.FindClash(address, record.request.ports, record.key())) {
    return Refuse(absl::StrCat("the requested address ", address.ToString(),
                               " is in use by Service ", clash->service, " for port ",
                               clash->port.second, "/", clash->port.first,
                               ": change the port, or ask for another address"));
  }
  return {.pool = pool, .address = address, .obstacle = ""};
}

Choice ChooseFromNamed(const Record& record, const AddressTable& addresses,
                       const PoolTable& pools) {
  const Pool* pool = pools.Find(record.request.pool);
  if (pool == nullptr) return Unknown(record.request.pool);
  if (const std::string obstacle = pool->Obstacle(record.request.families); !obstacle.empty()) {
    return Refuse(absl::StrCat("Eip \"", pool->name(), "\" ", obstacle,
                               ": name another with annotation ", network::kEipName.openelb));
  }
  if (const auto address = Pick(record, addresses, *pool))
    return {.pool = pool, .address = *address, .obstacle = ""};
  return Refuse(absl::StrCat("Eip \"", pool->name(),
                             "\" is full: delete a Service that uses it, or name another with "
                             "annotation ",
                             network::kEipName.openelb));
}

Choice ChooseAutomatically(const Record& record, const AddressTable& addresses, PoolTable* pools) {
  std::vector<std::string> obstacles;
  for (const Pool* pool : pools->CandidatesOf(record.namespace_)) {
    std::string obstacle = pool->Obstacle(record.request.families);
    if (record.request.protocol && *record.request.protocol != pool->eip.protocol)
      obstacle = absl::StrCat("is for protocol ", network::ProtocolName(pool->eip.protocol));
    if (obstacle.empty()) {
      if (const auto address = Pick(record, addresses, *pool))
        return {.pool = pool, .address = *address, .obstacle = ""};
      obstacle = "is full";
    }
    obstacles.push_back(absl::StrCat("Eip \"", pool->name(), "\" ", obstacle));
  }
  if (obstacles.empty()) {
    return Refuse(absl::StrCat(
        "no Eip is bound to namespace \"", record.namespace_,
        "\" and there is no default Eip: bind one with spec.namespaces or spec.namespaceSelector, "
        "or name one with annotation ",
        network::kEipName.openelb));
  }
  if (obstacles.size() > kPoolsNamed) {
    const size_t more = obstacles.size() - kPoolsNamed;
    obstacles.resize(kPoolsNamed);
    obstacles.push_back(absl::StrCat(more, " more likewise"));
  }
  return Refuse(absl::StrCat("no Eip for namespace \"", record.namespace_,
                             "\" can give an address (", absl::StrJoin(obstacles, "; "),
                             "): free an address, add an Eip, or name one with annotation ",
                             network::kEipName.openelb));
}

}  // namespace

Choice Choose(const Record& record, const AddressTable& addresses, PoolTable* pools) {
  if (record.request.address) return ChooseRequested(record, addresses, *pools);
  if (!record.request.pool.empty()) return ChooseFromNamed(record, addresses, *pools);
  return ChooseAutomatically(record, addresses, pools);
}

}  // namespace openelb::ipam
