#pragma once
// A plain host on a simulated segment, for tests: it resolves addresses, keeps what it learnt in a
// cache as Linux does, and answers for addresses of its own.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "api/base/clock.h"
#include "speaker/arp/packet.h"
#include "speaker/io/sim_segment.h"
#include "speaker/ndp/packet.h"

namespace openelb::layer2 {

class SimNeighbor final : public io::PacketHandler {
 public:
  // A new station. Both outlive it.
  SimNeighbor(io::SimSegment* segment, const Clock* clock, const std::string& name,
              const MacAddress& mac, const IpAddress& v4, const IpAddress& v6);

  // Asks everyone who has `address`, and notes who answers.
  void Resolve(const IpAddress& address);
  // Asks the station in the cache whether it still has `address`; without a source link-layer
  // address, as a unicast solicitation may be.
  void Confirm(const IpAddress& address);
  // Whom the cache names.
  std::optional<MacAddress> LookUp(const IpAddress& address) const;
  // Who has answered since the last Resolve or Confirm: more than one is an address with two
  // owners.
  const std::set<MacAddress>& Answers(const IpAddress& address) { return answers_[address]; }

  // Answers for `address` as if it were configured here, without ever announcing it.
  void Have(const IpAddress& address);

  void OnFrame(int interface, std::span<const uint8_t> frame) override;
  void OnInterfacesChanged() override {}

 private:
  struct Entry {
    MacAddress mac;
    absl::Duration updated;
  };
  void Send(const Bytes& frame);
  void OnArp(const arp::Packet& packet);
  void OnNdp(const ndp::Packet& packet);

  const Clock* clock_;
  const MacAddress mac_;
  const IpAddress v4_;
  const IpAddress v6_;
  std::unique_ptr<io::PacketIo> io_;
  std::set<IpAddress> own_;
  std::map<IpAddress, Entry> cache_;
  std::map<IpAddress, std::set<MacAddress>> answers_;
};

}  // namespace openelb::layer2
