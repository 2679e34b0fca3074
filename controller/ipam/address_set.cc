#include "controller/ipam/address_set.h"

#include <iterator>

namespace openelb::ipam {
namespace {

// The address `step` (1 or -1) away; nullopt beyond either end of the family.
std::optional<IpAddress> Neighbour(const IpAddress& address, int step) {
  const absl::uint128 ordinal = address.Ordinal();
  const absl::uint128 highest = address.is_v4() ? absl::uint128(0xffffffffu) : absl::Uint128Max();
  if (ordinal == (step > 0 ? highest : absl::uint128(0))) return std::nullopt;
  return IpAddress::FromOrdinal(address.family(), step > 0 ? ordinal + 1 : ordinal - 1);
}

}  // namespace

AddressSet::Runs::const_iterator AddressSet::RunOf(const IpAddress& address) const {
  auto it = runs_.upper_bound(address);
  if (it == runs_.begin()) return runs_.end();
  --it;
  return address <= it->second ? it : runs_.end();
}

bool AddressSet::Contains(const IpAddress& address) const { return RunOf(address) != runs_.end(); }

void AddressSet::Insert(const IpAddress& address) {
  if (Contains(address)) return;
  IpAddress first = address;
  IpAddress last = address;
  if (const auto below = Neighbour(address, -1)) {
    if (const auto run = RunOf(*below); run != runs_.end()) {
      first = run->first;
      runs_.erase(run);
    }
  }
  if (const auto above = Neighbour(address, 1)) {
    if (const auto run = RunOf(*above); run != runs_.end()) {
      last = run->second;
      runs_.erase(run);
    }
  }
  runs_.emplace(first, last);
}

void AddressSet::Erase(const IpAddress& address) {
  const auto run = RunOf(address);
  if (run == runs_.end()) return;
  const auto [first, last] = *run;
  runs_.erase(run);
  if (first != address) runs_.emplace(first, *Neighbour(address, -1));
  if (last != address) runs_.emplace(*Neighbour(address, 1), last);
}

std::optional<IpAddress> AddressSet::FirstMissing(const IpRange& range) const {
  const auto run = RunOf(range.first());
  if (run == runs_.end()) return range.first();
  const auto next = Neighbour(run->second, 1);  // no run touches this one: it is missing
  return next && range.Contains(*next) ? next : std::nullopt;
}

}  // namespace openelb::ipam
