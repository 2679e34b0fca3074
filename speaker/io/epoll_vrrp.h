#pragma once
// The real VrrpIo: a raw socket for each interface and family under the loop of an EpollIo, and
// addresses through rtnetlink.

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "speaker/io/address_writer.h"
#include "speaker/io/epoll_io.h"
#include "speaker/io/socket.h"
#include "speaker/io/vrrp_io.h"

namespace openelb::io {

// Needs CAP_NET_RAW and CAP_NET_ADMIN.
class EpollVrrp final : public VrrpIo {
 public:
  // `loop` must outlive it, and its RunOnce calls the handler. One owner thread, the loop's.
  // `marks`: for tests.
  static absl::StatusOr<std::unique_ptr<EpollVrrp>> Create(EpollIo* loop, HeldMarks marks = {});
  ~EpollVrrp() override;

  void SetHandler(VrrpHandler* handler) override { handler_ = handler; }
  std::vector<Interface> Interfaces() override { return loop_->Interfaces(); }
  absl::Status Open(int interface, Family family) override;
  void Close(int interface, Family family) override;
  absl::Status Send(int interface, const IpAddress& source, const IpAddress& destination,
                    std::span<const uint8_t> payload) override;
  void Deliver() override;
  absl::Status Hold(const HeldAddresses& addresses) override;

 private:
  using Key = std::pair<int, Family>;

  EpollVrrp(EpollIo* loop, AddressWriter writer);
  void Read(const Key& key);
  void OnInterfaces();
  // Whether the interface has the address, for itself alone and unmarked.
  bool IsThere(int interface, const IpAddress& address) const;
  std::string NameOf(int interface) const;

  EpollIo* loop_;
  VrrpHandler* handler_ = nullptr;
  AddressWriter writer_;
  std::map<Key, UniqueFd> sockets_;
  // What is there as far as is known: as the loop read it last, and what Hold did since.
  HeldAddresses held_;
  // Of these, what Hold has put there. It is ours for as long as it is there, even where the kernel
  // keeps no mark of it.
  HeldAddresses put_;
  uint64_t watch_ = 0;
};

}  // namespace openelb::io
