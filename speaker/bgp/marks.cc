#include "speaker/bgp/marks.h"

#include <algorithm>
#include <utility>

#include "speaker/bgp/update_builder.h"

namespace openelb::bgp {

Marks::Marks(const Negotiated& negotiated)
    : enhanced_(negotiated.enhanced_refresh), end_of_rib_(negotiated.end_of_rib) {
  for (Family family : {Family::kV4, Family::kV6}) {
    if (negotiated.use(family).negotiated) answers_.push_back({family});
  }
}

bool Marks::Ask(Family family) {
  for (Answer& answer : answers_) {
    if (answer.family == family) return !std::exchange(answer.wanted, true);
  }
  return false;
}

Marks::Said Marks::OnIdle(absl::Duration now, Bytes* out) {
  Said said;
  wake_ = absl::InfiniteDuration();
  if (std::exchange(end_of_rib_, false)) {
    for (const Answer& answer : answers_) {
      AppendWithdraw(answer.family, {}, out);  // that withdraws nothing
      ++said.updates;
    }
  }
  const auto mark = [&](Family family, RefreshSubtype subtype) {
    if (!enhanced_) return;
    EncodeRefresh(family, subtype, out);
    ++said.refreshes;
  };
  for (Answer& answer : answers_) {
    if (std::exchange(answer.open, false)) {
      mark(answer.family, RefreshSubtype::kEnd);
      answer.not_before = now + kRefreshEvery;
    }
    if (!answer.wanted) continue;
    if (now < answer.not_before) {
      wake_ = std::min(wake_, answer.not_before);
      continue;
    }
    answer.wanted = false;
    answer.open = true;
    mark(answer.family, RefreshSubtype::kBegin);
    said.again.push_back(answer.family);
  }
  return said;
}

void Marks::Tick(absl::Duration now) {
  if (now >= wake_) wake_ = absl::InfiniteDuration();
}

}  // namespace openelb::bgp
