#pragma once
// Status before route: kube-proxy on the nodes must know an address before traffic for it arrives,
// so a new address is announced when the Service's status shows it. Pure: time comes in.
//
// An address that was known before waits for nothing. Nor does any other wait for long when nobody
// answers: an address that works without its status is better than none.

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "api/base/ip.h"

namespace openelb {

class StatusFirst {
 public:
  // How long nothing at all may be answered before what waits goes out.
  static constexpr absl::Duration kPatience = absl::Seconds(1);

  // `waits`: statuses are answered. Otherwise everything passes at once.
  explicit StatusFirst(bool waits) : waits_(waits) {}

  // Services are "namespace/name". Everybody knows these of the Service, and no others: its status
  // shows them, or speakers announce them already. What follows before the next Take counts on it.
  void Know(const std::string& service, const std::vector<IpAddress>& addresses);
  // The addresses that the Service holds now; empty: none.
  void Hold(const std::string& service, const std::vector<IpAddress>& addresses,
            absl::Duration now);
  // Everybody can know `addresses` now.
  void OnAnswered(const std::string& service, const std::vector<IpAddress>& addresses,
                  absl::Duration now);

  // What to announce for the Services for which that may have changed.
  std::map<std::string, std::vector<IpAddress>> Take(absl::Duration now);
  // When Take has something to give without further calls; InfiniteDuration: never.
  absl::Duration NextDue() const;

 private:
  struct Waiting {
    std::vector<IpAddress> addresses;
    absl::Duration since;
  };
  void Pass(const std::string& service, std::vector<IpAddress> addresses);
  void StopWaiting(const std::string& service);

  const bool waits_;
  std::map<std::string, std::vector<IpAddress>> known_;
  std::map<std::string, std::vector<IpAddress>> passed_;
  std::map<std::string, Waiting> waiting_;
  std::set<std::pair<absl::Duration, std::string>> order_;  // of waiting_, by since
  std::set<std::string> changed_;
  absl::Duration last_answer_ = -absl::InfiniteDuration();
};

}  // namespace openelb
