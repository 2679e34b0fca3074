#pragma once
// The listening sockets of the speaker. A port that is taken, or an address that is not there yet,
// is a problem to report and to try again; it costs the sessions that peers would open, no others.

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "speaker/bgp/backoff.h"
#include "speaker/io/io.h"
#include "speaker/link/plan_state.h"

namespace openelb::bgp {

class Listeners {
 public:
  Listeners(io::Io* io, Random* random, Logger* logger)
      : io_(io), random_(random), logger_(logger) {}

  // Opens and closes what differs; established connections do not notice. No instance: none.
  void Configure(const std::optional<link::BgpInstance>& instance, absl::Duration now);
  void Tick(absl::Duration now);
  absl::Duration NextWakeup() const;
  // One sentence for each socket that is wanted and not open.
  std::vector<std::string> problems() const;

 private:
  struct Socket {
    io::ListenOptions options;
    std::string problem;  // empty: it is open
    Backoff backoff;
    absl::Duration retry_at = absl::InfiniteDuration();
  };
  void Open(Socket* socket, absl::Duration now);

  io::Io* io_;
  Random* random_;
  Logger* logger_;
  std::vector<Socket> sockets_;
};

}  // namespace openelb::bgp
