#include "controller/status_first.h"

#include <algorithm>
#include <utility>

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
  PassWaiting(service, addresses);
}

void StatusFirst::PassWaiting(const std::string& service, const std::vector<IpAddress>& addresses) {
  const auto waiting = waiting_.find(service);
  if (waiting == waiting_.end() || waiting->second != addresses) return;
  waiting_.erase(waiting);
  Pass(service, addresses);
}

void StatusFirst::Pass(const std::string& service, std::vector<IpAddress> addresses) {
  changed_.insert(service);
  if (addresses.empty()) {
    passed_.erase(service);
  } else {
    passed_[service] = std::move(addresses);
  }
}

void StatusFirst::Hold(const std::string& service, const std::vector<IpAddress>& addresses) {
  std::vector<IpAddress> passing;
  for (const IpAddress& address : addresses) {
    if (!waits_ || Contains(passed_, service, address) || Contains(known_, service, address))
      passing.push_back(address);
  }
  if (passing.size() == addresses.size()) {
    waiting_.erase(service);
  } else {
    waiting_[service] = addresses;
  }
  Pass(service, std::move(passing));
}

void StatusFirst::OnAnswered(const std::string& service, const std::vector<IpAddress>& addresses) {
  PassWaiting(service, addresses);
}

std::map<std::string, std::vector<IpAddress>> StatusFirst::Take() {
  std::map<std::string, std::vector<IpAddress>> changed;
  for (const std::string& service : changed_) {
    const auto passed = passed_.find(service);
    changed[service] = passed == passed_.end() ? std::vector<IpAddress>{} : passed->second;
  }
  changed_.clear();
  known_.clear();
  return changed;
}

}  // namespace openelb
