#pragma once
// Whole BGP messages for tests, from bodies written as hex.

#include "api/base/test_bytes.h"
#include "speaker/bgp/message.h"

namespace openelb::bgp {

// The body as a whole message.
inline Bytes Framed(MessageType type, const Bytes& body) {
  Bytes message;
  const size_t start = BeginMessage(type, &message);
  PutBytes(&message, body);
  FinishMessage(start, &message);
  return message;
}

}  // namespace openelb::bgp
