#include "controller/plan/vrrp_priority.h"

#include <algorithm>

namespace openelb::plan {
namespace {

// At most an eighth of the interval between two that wait.
constexpr int kStep = 32;

}  // namespace

Priorities SpreadPriorities(const std::vector<std::string>& order) {
  Priorities priorities;
  const int size = static_cast<int>(order.size());
  const int step = size == 0 ? kStep : std::clamp(kHighestPriority / size, 1, kStep);
  int next = kHighestPriority;
  for (const std::string& node : order) {
    priorities[node] = next;
    next -= step;
  }
  return priorities;
}

std::vector<std::string> InOrder(const Priorities& priorities, const Links& members) {
  std::vector<std::string> order;
  for (const auto& [node, interface] : members) {
    if (priorities.contains(node)) order.push_back(node);
  }
  std::sort(order.begin(), order.end(), [&](const std::string& a, const std::string& b) {
    return priorities.at(a) > priorities.at(b);
  });
  return order;
}

void AdmitLast(const std::string& node, const Links& members, Priorities* priorities) {
  int lowest = kHighestPriority + 1;
  for (const auto& [other, priority] : *priorities) lowest = std::min(lowest, priority);
  if (priorities->empty()) {
    (*priorities)[node] = kHighestPriority;
  } else if (lowest > 1) {
    // Half of what is left: the next one finds room, too.
    (*priorities)[node] = std::max({lowest - kStep, lowest / 2, 1});
  } else {
    std::vector<std::string> order = InOrder(*priorities, members);
    std::erase(order, node);
    order.push_back(node);
    *priorities = SpreadPriorities(order);
  }
}

}  // namespace openelb::plan
