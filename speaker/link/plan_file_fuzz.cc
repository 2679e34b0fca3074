// Feeds the reader of the saved plan what a disk could hold: the input as a file, and the input as
// the content of a file whose checksum is right.

#include <openssl/sha.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "speaker/link/plan_file.h"
#include "speaker/link/plan_store.h"

namespace openelb::link {
namespace {

void FuzzFile(absl::string_view file) {
  const auto plan = ParseSavedPlan(file);
  if (!plan.ok()) return;
  PlanStore store;
  store.Restore(*plan);
  // What is in force must survive the next save.
  const auto again =
      ParseSavedPlan(SerializeSavedPlan(store.saved(), plan->confirmed_at, plan->kernel_boot_id));
  if (!again.ok()) abort();
  PlanStore restored;
  restored.Restore(*again);
  if (restored.state().routes != store.state().routes) abort();
  if (restored.state().peers != store.state().peers) abort();
  if (restored.state().hash != store.state().hash) abort();
}

}  // namespace
}  // namespace openelb::link

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  openelb::link::FuzzFile(input);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(data, size, digest);
  const std::string checksum = absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
  openelb::link::FuzzFile(absl::StrCat("openelb-plan 1 ", checksum, "\n", input));
  return 0;
}
