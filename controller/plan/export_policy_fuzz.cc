// Any bytes as a policy: reading ends, and what is read without an error gives each peer rules that
// can be applied and come over the wire.

#include <cstdint>
#include <cstdlib>

#include "api/plan/path_attributes_codec.h"
#include "controller/plan/export_policy.h"

namespace openelb::plan {
namespace {

void Expect(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ExportPolicy policy =
      ReadExportPolicy(absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!policy.error.empty()) return 0;
  for (const char* peer : {"10.0.255.1", "fd00::1"}) {
    const PeerRules rules = RulesFor(policy, IpAddress::Parse(peer).value(), 65005);
    for (const ExportRule& rule : rules.rules) {
      v1::ExportRule body;
      WriteExportRule(rule, &body);
      const auto read = ReadExportRule(body);
      Expect(read.ok() && *read == rule);
    }
    Export(rules.rules, IpPrefix::Parse("10.33.0.1/32").value(), {});
  }
  return 0;
}

}  // namespace openelb::plan
