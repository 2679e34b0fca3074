#pragma once
// A plan and its reasons as `openelb-controller plan` prints them.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/plan/planner.h"
#include "controller/plan/print.h"

namespace openelb::plan {

// What allocation says about one Service.
struct ServiceRow {
  std::vector<std::string> addresses;
  std::string pool;
  std::string pending;  // why it waits; empty: it does not
};

struct RenderInput {
  const Planner& planner;                      // after a Step
  std::map<std::string, ServiceRow> services;  // by "namespace/name"
  std::optional<std::string> node;             // only this speaker, and the reasons that concern it
  bool add_path = true;                        // peers take several paths where they are offered
};

// {"services": {...}, "speakers": {...}, "reasons": [...], "problems": [...]} and, where there are
// such, "aggregates": {...}, indented. All keys and lists are sorted as text, but nextHops, which
// keep the order of announcement.
void RenderJson(const RenderInput& input, const Out& out);

// The same in tables for people.
void RenderTable(const RenderInput& input, const Out& out);

}  // namespace openelb::plan
