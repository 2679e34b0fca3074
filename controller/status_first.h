#pragma once
// Status before route: kube-proxy on the nodes must know an address before traffic for it arrives,
// so a new address is announced when the Service's status shows it, or was refused for good. Pure.
//
// However long nobody answers: kube-proxy serves no address that it has not read, and a leader that
// lapsed right after it allocated would announce one that no status ever shows. An address that was
// known before waits for nothing, and what has passed stays.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "api/base/ip.h"

namespace openelb {

class StatusFirst {
 public:
  // `waits`: statuses are answered. Otherwise everything passes at once.
  explicit StatusFirst(bool waits) : waits_(waits) {}

  // Services are "namespace/name". Everybody knows these of the Service, and no others: its status
  // shows them, or speakers announce them already. What follows before the next Take counts on it.
  void Know(const std::string& service, const std::vector<IpAddress>& addresses);
  // The addresses that the Service holds now; empty: none.
  void Hold(const std::string& service, const std::vector<IpAddress>& addresses);
  // Everybody can know `addresses` now, or never will.
  void OnAnswered(const std::string& service, const std::vector<IpAddress>& addresses);

  // What to announce for the Services for which that may have changed.
  std::map<std::string, std::vector<IpAddress>> Take();

 private:
  void Pass(const std::string& service, std::vector<IpAddress> addresses);
  // Passes them if the Service waits for these.
  void PassWaiting(const std::string& service, const std::vector<IpAddress>& addresses);

  const bool waits_;
  std::map<std::string, std::vector<IpAddress>> known_;
  std::map<std::string, std::vector<IpAddress>> passed_;
  std::map<std::string, std::vector<IpAddress>> waiting_;
  std::set<std::string> changed_;
};

}  // namespace openelb
