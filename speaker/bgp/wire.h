#pragma once
// The octets of BGP messages: what every protocol here reads and writes them with.

#include "speaker/wire/octets.h"

namespace openelb::bgp {

using wire::Bytes;
using wire::PutBytes;
using wire::PutU16;
using wire::PutU32;
using wire::PutU64;
using wire::PutU8;
using wire::Reader;

}  // namespace openelb::bgp
