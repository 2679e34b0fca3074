#include "controller/tls/material.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace openelb::tls {
namespace {

constexpr size_t kMaxRetired = 3;
// Clocks of controllers and speakers differ.
constexpr absl::Duration kClockSkew = absl::Hours(24);

absl::Status Invalid(absl::string_view what, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(what, ": ", why));
}

absl::Status CheckTime(absl::string_view what, const CertificateInfo& info, absl::Time now) {
  if (now >= info.not_after) {
    return Invalid(what, absl::StrCat("expired at ", absl::FormatTime(info.not_after)));
  }
  return absl::OkStatus();
}

absl::Status CheckAuthority(const KeyPair& authority) {
  if (authority.certificate.empty()) return Invalid("authority", "missing");
  if (absl::Status status = CheckPair(authority); !status.ok()) {
    return Invalid("authority", status.message());
  }
  const auto info = ReadCertificate(authority.certificate);
  if (!info.ok()) return Invalid("authority", info.status().message());
  if (!info->is_authority) return Invalid("authority", "may not sign certificates");
  return absl::OkStatus();
}

// That one has not begun says that a clock is wrong: ours, or that of the controller that made it.
absl::Status CheckBegun(absl::string_view what, const CertificateInfo& info, absl::Time now) {
  if (now >= info.not_before) return absl::OkStatus();
  return Invalid(what, absl::StrCat("does not begin before ", absl::FormatTime(info.not_before),
                                    "; is a controller's clock wrong?"));
}

bool Due(const std::string& certificate, absl::Duration lifetime, absl::Time now) {
  const auto info = ReadCertificate(certificate);
  return !info.ok() || info->not_after - now < lifetime / 3;
}

}  // namespace

std::string Material::Bundle() const {
  return absl::StrCat(authority.certificate, absl::StrJoin(retired, ""));
}

Material ReadMaterial(const std::string& bundle, const std::string& authority_key,
                      KeyPair serving) {
  Material material{.authority = {.key = authority_key}, .serving = std::move(serving)};
  std::vector<std::string> all = SplitCertificates(bundle);
  if (all.empty()) return material;
  material.authority.certificate = std::move(all.front());
  material.retired.assign(std::next(all.begin()), all.end());
  return material;
}

absl::Status CheckServing(const Material& material, const std::string& dns_name, absl::Time now) {
  if (material.serving.certificate.empty()) return Invalid("serving certificate", "missing");
  if (absl::Status status = CheckPair(material.serving); !status.ok()) {
    return Invalid("serving certificate", status.message());
  }
  const auto info = ReadCertificate(material.serving.certificate);
  if (!info.ok()) return Invalid("serving certificate", info.status().message());
  if (std::find(info->dns_names.begin(), info->dns_names.end(), dns_name) ==
      info->dns_names.end()) {
    return Invalid("serving certificate",
                   absl::StrCat("it is for \"", absl::StrJoin(info->dns_names, ", "),
                                "\" (needed: \"", dns_name, "\")"));
  }
  std::vector<std::string> authorities = {material.authority.certificate};
  authorities.insert(authorities.end(), material.retired.begin(), material.retired.end());
  const bool trusted =
      std::any_of(authorities.begin(), authorities.end(), [&](const std::string& authority) {
        return CheckSigned(material.serving.certificate, authority).ok();
      });
  if (!trusted) return Invalid("serving certificate", "no authority of the bundle signed it");
  return CheckTime("serving certificate", *info, now);
}

absl::StatusOr<std::optional<Renewal>> Renew(const Material& old, const MaterialOptions& options,
                                             absl::Time now) {
  Renewal renewal{.material = old};
  Material& material = renewal.material;
  std::erase_if(material.retired, [&](const std::string& certificate) {
    const auto info = ReadCertificate(certificate);
    return !info.ok() || !CheckTime("", *info, now).ok();
  });

  absl::Time begin = now - kClockSkew;
  absl::Time end = now + options.authority_lifetime;
  absl::Status authority = CheckAuthority(material.authority);
  if (const auto info = ReadCertificate(material.authority.certificate); authority.ok()) {
    authority = CheckTime("authority", *info, now);
    if (authority.ok()) authority = CheckBegun("authority", *info, now);
    // Whichever clock is wrong, the new one is good by both.
    if (!authority.ok()) {
      begin = std::min(begin, info->not_before);
      end = std::max(end, info->not_after);
    }
  }
  const bool due =
      authority.ok() && Due(material.authority.certificate, options.authority_lifetime, now);
  if (due) authority = Invalid("authority", "it ends soon");
  if (!authority.ok()) {
    auto made = MakeAuthority(begin, end);
    if (!made.ok()) return made.status();
    // Also one whose key is lost: what it signed is served until it is replaced.
    if (const auto info = ReadCertificate(material.authority.certificate);
        info.ok() && info->is_authority && CheckTime("", *info, now).ok()) {
      material.retired.insert(material.retired.begin(), material.authority.certificate);
      if (material.retired.size() > kMaxRetired) material.retired.resize(kMaxRetired);
    }
    material.authority = *std::move(made);
    renewal.reasons.emplace_back(authority.message());
  }

  absl::Status serving = CheckServing(material, options.dns_name, now);
  if (serving.ok()) {
    const auto info = ReadCertificate(material.serving.certificate);
    serving = CheckBegun("serving certificate", *info, now);
  }
  const auto signer = ReadCertificate(material.authority.certificate);
  if (!signer.ok()) return signer.status();
  if (serving.ok() && Due(material.serving.certificate, options.serving_lifetime, now) &&
      now >= signer->not_before + kClockSkew + options.spread) {
    serving = Invalid("serving certificate", "it ends soon");
  }
  if (!serving.ok()) {
    // It begins when the authority does and ends no sooner than the one before, so that one made by
    // a clock that is wrong is good for the others too.
    absl::Time serving_end = now + options.serving_lifetime;
    if (const auto info = ReadCertificate(material.serving.certificate); info.ok()) {
      serving_end = std::max(serving_end, info->not_after);
    }
    auto made = Issue(material.authority, options.dns_name, signer->not_before,
                      std::min(serving_end, signer->not_after));
    if (!made.ok()) return made.status();
    material.serving = *std::move(made);
    renewal.reasons.emplace_back(serving.message());
  }
  if (renewal.reasons.empty() && material == old) return std::nullopt;
  return renewal;
}

}  // namespace openelb::tls
