#pragma once
// What TCP MD5 and TCP-AO (RFC 5925) do to the segments of the simulated network.

#include "absl/status/status.h"
#include "speaker/io/io.h"

namespace openelb::io {

// As a real one says it.
absl::Status NoTcpAo();

// Whether a listener that asks for `asked` answers who signs with `used`.
bool Answers(const TcpAuth& asked, const TcpAuth& used);

// The keys of one end of a connection; empty: it began without TCP-AO.
struct AoEnd {
  TcpAoKeys keys;    // the first is the one that it asks its peer for
  TcpAoKey current;  // that it signs with
};
// Signs at `from`, with the key that `to` asks for if it is there (7.5.2). Whether `to` can check
// it.
bool Understood(AoEnd* from, const AoEnd& to);

}  // namespace openelb::io
