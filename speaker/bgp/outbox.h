#pragma once
// What a connection still has to send: whole messages, of which TCP takes octets as it can.

#include <cstdint>
#include <span>

#include "api/base/wire.h"

namespace openelb::bgp {

class Outbox {
 public:
  // Whole messages are appended here.
  Bytes* tail() { return &bytes_; }
  std::span<const uint8_t> pending() const { return std::span(bytes_).subspan(head_); }
  bool empty() const { return head_ == bytes_.size(); }

  void Consume(size_t octets) {
    head_ += octets;
    taken_ += octets;
    while (message_ < head_ && message_ + MessageLength() <= head_) message_ += MessageLength();
    if (empty()) {
      bytes_ = Bytes();  // with the memory of a burst
      head_ = message_ = 0;
    }
  }
  // Forgets the messages of which nothing has been sent, so that last words can follow at once.
  void DropUnsent() { bytes_.resize(head_ == message_ ? head_ : message_ + MessageLength()); }

  // Octets consumed so far.
  uint64_t taken() const { return taken_; }

 private:
  // Of the message at `message_`: octets 16 and 17 of its header.
  size_t MessageLength() const {
    return static_cast<size_t>(bytes_[message_ + 16]) << 8 | bytes_[message_ + 17];
  }

  Bytes bytes_;
  size_t head_ = 0;     // consumed
  size_t message_ = 0;  // start of the message that holds `head_`
  uint64_t taken_ = 0;
};

}  // namespace openelb::bgp
