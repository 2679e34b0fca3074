#pragma once
// Which address a Service gets now, or why none.

#include <string>

#include "api/base/ip.h"
#include "controller/ipam/address_table.h"
#include "controller/ipam/pool_table.h"
#include "controller/ipam/record.h"

namespace openelb::ipam {

struct Choice {
  const Pool* pool = nullptr;  // nullptr: no address, `obstacle` says why and what to do
  IpAddress address;
  std::string obstacle;
};

// The request of `record` must be free of errors. What it holds now is not considered taken.
Choice Choose(const Record& record, const AddressTable& addresses, PoolTable* pools);

}  // namespace openelb::ipam
