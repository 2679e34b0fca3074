#include "controller/watch_secret.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "controller/tls/hmac.h"

namespace openelb {
namespace {

constexpr size_t kOctets = 32;

// Hexadecimal digits and a newline.
bool IsWhole(absl::string_view text) {
  if (!absl::ConsumeSuffix(&text, "\n") || text.size() != 2 * kOctets) return false;
  for (const char c : text) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<std::string> KeepWatchSecret(Disk* disk, Logger* log) {
  const auto kept = disk->Read(kWatchSecretFile);
  if (kept.ok() && IsWhole(*kept)) return absl::HexStringToBytes(kept->substr(0, 2 * kOctets));
  if (kept.ok() || !absl::IsNotFound(kept.status())) {
    log->Error("the kept secret of the speakers' BFD sessions is not to be trusted; making another",
               {{"file", disk->Describe(kWatchSecretFile)},
                {"error", kept.ok() ? absl::StrCat("not ", 2 * kOctets, " hexadecimal digits")
                                    : std::string(kept.status().message())}});
  }
  auto secret = tls::RandomKey(kOctets);
  if (!secret.ok()) return secret;
  const absl::Status written =
      disk->Write(kWatchSecretFile, absl::StrCat(absl::BytesToHexString(*secret), "\n"));
  if (!written.ok()) {
    log->Error("the secret of the speakers' BFD sessions cannot be kept; a restart makes another",
               {{"error", written.message()}});
  }
  return secret;
}

}  // namespace openelb
