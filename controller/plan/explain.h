#pragma once
// Why a node is, or is not, a next hop of an address in a rack: a function of what was planned,
// asked when somebody wants to know.

#include <optional>
#include <string>
#include <vector>

#include "api/base/ip.h"
#include "controller/plan/model.h"
#include "controller/plan/rule.h"

namespace openelb::plan {

struct Reason {
  IpAddress address;
  std::string rack;
  std::string node;
  Rule rule = Rule::kEligible;
  std::string detail;  // one sentence about this case
  // That its Eip asks for and holds, of nodes that serve the address.
  std::optional<IpPrefix> aggregate{};

  bool included() const { return TextOf(rule).included; }
  bool operator==(const Reason&) const = default;
};

// What to explain; an absent field: everything.
struct Question {
  std::optional<IpAddress> address;
  std::optional<std::string> rack;
  std::optional<std::string> node;
};

// One answer for each address, rack and node, in that order; where the question names neither rack
// nor node, one for all racks that a node is not in, at the first of them. The rack of a node that
// is in none is named "", and only that node is explained there, if a speaker runs on it. An
// address that no Service holds has no answers.
std::vector<Reason> Explain(const Model& model, const Question& question = {});

}  // namespace openelb::plan
