#include "controller/status_first.h"

#include <algorithm>

namespace openelb {
namespace {

bool Contains(const std::map<std::string, std::vector<IpAddress>>& map, const std::string& service,
              const IpAddress& address) {
  const auto it = map.find(service);
  return it != map.end() &&
         std::find(it->second.begin(), it->second.end(), address) != it->second.end();
}

}  // namespace

void StatusFirst::Know(const std::string& service, const std::vector<IpAddress>& addresses) {
  if (!waits_) return;
  if (addresses.empty()) {
    known_.erase(service);
    return;
  }
  known_[service] = addresses;
  const auto waiting = waiting_.find(service);
  if (waiting == waiting_.end() || waiting->second.addresses != addresses) return;
  StopWaiting(service);
  Pass(service, addresses);
}

void StatusFirst::StopWaiting(const std::string& service) {
  const auto waiting = waiting_.find(service);
  if (waiting == waiting_.end()) return;
  order_.erase({waiting->second.since, service});
  waiting_.erase(waiting);
}

void StatusFirst::Pass(const std::string& service, std::vector<IpAddress> addresses) {
  changed_.insert(service);
  if (addresses.empty()) {
    passed_.erase(service);
  } else {
    passed_[service] = std::move(addresses);
  }
}

void StatusFirst::Hold(const std::string& service, const std::vector<IpAddress>& addresses,
                       absl::Duration now) {
  std::vector<IpAddress> passing;
  for (const IpAddress& address : addresses) {
    if (!waits_ || Contains(passed_, service, address) || Contains(known_, service, address))
      passing.push_back(address);
  }
  const bool all = passing.size() == addresses.size();
  Pass(service, std::move(passing));

  const auto waiting = waiting_.find(service);
  if (!all && waiting != waiting_.end() && waiting->second.addresses == addresses) return;
  StopWaiting(service);
  if (all) return;
  waiting_[service] = {addresses, now};
  order_.emplace(now, service);
}

void StatusFirst::OnAnswered(const std::string& service, const std::vector<IpAddress>& addresses,
                             absl::Duration now) {
  last_answer_ = now;
  const auto waiting = waiting_.find(service);
  if (waiting == waiting_.end() || waiting->second.addresses != addresses) return;
  StopWaiting(service);
  Pass(service, addresses);
}

std::map<std::string, std::vector<IpAddress>> StatusFirst::Take(absl::Duration now) {
  while (NextDue() <= now && order_.begin()->first + kPatience <= now) {
    const std::string service = order_.begin()->second;
    order_.erase(order_.begin());
    Pass(service, std::move(waiting_.extract(service).mapped().addresses));
  }
  std::map<std::string, std::vector<IpAddress>> changed;
  for (const std::string& service : changed_) {
    const auto passed = passed_.find(service);
    changed[service] = passed == passed_.end() ? std::vector<IpAddress>{} : passed->second;
  }
  changed_.clear();
  known_.clear();
  return changed;
}

absl::Duration StatusFirst::NextDue() const {
  if (order_.empty()) return absl::InfiniteDuration();
  return std::max(order_.begin()->first, last_answer_) + kPatience;
}

}  // namespace openelb
