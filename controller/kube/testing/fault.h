#pragma once
// What can go wrong between a client and its API server, and in the server itself.

#include <cstddef>
#include <string>

#include "absl/time/time.h"

namespace openelb::kube::fake {

struct Fault {
  enum class Kind {
    kStatus,     // the server does nothing and answers with `status`; Retry-After is `delay`
    kHang,       // the request is lost: nothing happens, nothing is answered
    kNoAnswer,   // the server does what it is asked to, and nothing is answered
    kRefuse,     // the connection breaks before the request has reached the server
    kCut,        // it breaks after the head and `bytes` of the body; 0: before the head
    kSlow,       // the body comes in pieces of `bytes`, `delay` apart
    kStale,      // a get or list sees the state of `behind` revisions ago
    kExpired,    // a watch: an ERROR event with 410
    kDuplicate,  // a watch sends every event twice
    kLate,       // a watch sends every event `delay` late
    kNoBookmarks,
    kMute,  // a watch: accepted, and from `delay` after that on the connection delivers nothing
  };
  Kind kind = Kind::kStatus;
  std::string verb;      // "list", "watch", "patch", ...; empty: all
  std::string resource;  // "services", "services/status"; empty: all
  int count = 1;         // how many requests it strikes; -1: all until it is removed
  int skip = 0;          // how many pass before
  int status = 500;
  absl::Duration delay;
  size_t bytes = 0;
  int behind = 1;
};

}  // namespace openelb::kube::fake
