#pragma once
// What an operator decides about virtual routers (VRRP).

#include "absl/time/time.h"

namespace openelb::plan {

struct VrrpOptions {
  int first_vrid = 1;  // the range that ids are taken from, 1..255
  int last_vrid = 255;
  int version = 3;  // 2 or 3; IPv6 has version 3 always
  // Version 3: 10 ms..40.95 s in steps of 10 ms; version 2 rounds up to whole seconds.
  absl::Duration interval = absl::Milliseconds(100);
  bool preempt = false;  // a node takes over from one of lower priority
  bool unicast = false;  // nodes speak with each other's addresses, not with the group
};

}  // namespace openelb::plan
