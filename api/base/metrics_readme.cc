// Holds a README's table of metrics and the code's together.
#include <algorithm>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "api/base/metrics.h"

namespace openelb {
namespace {

struct Row {
  std::string name;
  std::string type;
  std::string labels;
  std::string meaning;
};

// Of the tables that begin with `| HEADING | type |`.
std::vector<Row> ReadRows(const std::string& path, absl::string_view heading) {
  std::vector<Row> rows;
  bool within = false;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (!absl::StartsWith(line, "|")) within = false;
    std::vector<std::string> cells = absl::StrSplit(line, '|');
    if (cells.size() != 6) continue;
    for (std::string& cell : cells) {
      cell = std::string(absl::StripAsciiWhitespace(absl::StrReplaceAll(cell, {{"`", ""}})));
    }
    if (cells[2] == "type") {
      within = cells[1] == heading;
    } else if (within && !absl::StartsWith(cells[1], "-")) {
      rows.push_back({cells[1], cells[2], cells[3], cells[4]});
    }
  }
  return rows;
}

}  // namespace

std::string MetricsReadmeDifference(std::span<const MetricDef> table, const std::string& path,
                                    absl::string_view heading) {
  const std::vector<Row> rows = ReadRows(path, heading);
  std::string out;
  for (size_t i = 0; i < std::max(rows.size(), table.size()); ++i) {
    if (i >= rows.size() || i >= table.size() || rows[i].name != table[i].name) {
      absl::StrAppend(&out, path, ": row ", i + 1, " is ",
                      i < rows.size() ? rows[i].name : "missing", ", the table in code has ",
                      i < table.size() ? table[i].name : "no more", "\n");
      break;  // every further row would differ as well
    }
    const std::vector<std::string> labels = absl::StrSplit(table[i].labels, ',', absl::SkipEmpty());
    const std::string shown = labels.empty() ? "-" : absl::StrJoin(labels, ", ");
    if (rows[i].type != MetricTypeName(table[i].type)) {
      absl::StrAppend(&out, path, ": ", rows[i].name, ": type ", rows[i].type, ", in code ",
                      MetricTypeName(table[i].type), "\n");
    }
    if (rows[i].labels != shown) {
      absl::StrAppend(&out, path, ": ", rows[i].name, ": labels ", rows[i].labels, ", in code ",
                      shown, "\n");
    }
    if (rows[i].meaning.empty()) {
      absl::StrAppend(&out, path, ": ", rows[i].name, ": no meaning\n");
    }
  }
  return out;
}

}  // namespace openelb
