#pragma once
// labelSelector and fieldSelector of lists and watches.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "api/codec/value.h"

namespace openelb::kube::fake {

class Selector {
 public:
  // Labels: "a=b,c!=d,e,!f"; fields: metadata.name, metadata.namespace and `selectable`, unless it
  // is empty, with = or !=. Error: InvalidArgument with the server's words.
  static absl::StatusOr<Selector> Parse(absl::string_view labels, absl::string_view fields,
                                        absl::string_view selectable);

  bool Matches(const codec::Value& object) const;
  bool empty() const { return terms_.empty(); }

 private:
  struct Term {
    bool label = true;
    std::string key;  // of a field: its path
    bool has_value = true;
    std::string value;
    bool negated = false;
  };
  std::vector<Term> terms_;
};

}  // namespace openelb::kube::fake
