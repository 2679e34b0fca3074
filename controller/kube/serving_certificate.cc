#include "controller/kube/serving_certificate.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace openelb::kube {
namespace {

using codec::Value;
using tls::Material;

constexpr const char* kCertificate = "tls.crt";
constexpr const char* kKey = "tls.key";
constexpr const char* kBundle = "ca.crt";
constexpr const char* kAuthorityKey = "ca.key";

std::string Datum(const Value* secret, const char* key) {
  const Value* data = secret == nullptr ? nullptr : secret->Find("data");
  const Value* datum = data == nullptr ? nullptr : data->Find(key);
  std::string text;
  if (datum == nullptr || datum->string() == nullptr ||
      !absl::Base64Unescape(*datum->string(), &text)) {
    return "";
  }
  return text;
}

Material Stored(const Value* secret) {
  return tls::ReadMaterial(
      Datum(secret, kBundle), Datum(secret, kAuthorityKey),
      {.certificate = Datum(secret, kCertificate), .key = Datum(secret, kKey)});
}

Value MakeSecret(const Value* old, const Material& material) {
  Value secret = old == nullptr ? Value() : *old;
  if (old == nullptr) {
    secret["apiVersion"] = "v1";
    secret["kind"] = "Secret";
    secret["type"] = "kubernetes.io/tls";
    secret["metadata"]["labels"]["app"] = "openelb";
    secret["metadata"]["labels"]["component"] = "controller";
  }
  Value& data = secret["data"];
  if (data.map() == nullptr) data = Value(Value::Map());
  data[kCertificate] = absl::Base64Escape(material.serving.certificate);
  data[kKey] = absl::Base64Escape(material.serving.key);
  data[kBundle] = absl::Base64Escape(material.Bundle());
  data[kAuthorityKey] = absl::Base64Escape(material.authority.key);
  return secret;
}

}  // namespace

ServingCertificate::ServingCertificate(Options options, Seams seams)
    : options_(std::move(options)),
      seams_(std::move(seams)),
      secret_(
          {.collection = absl::StrCat("/api/v1/namespaces/", options_.namespace_name, "/secrets"),
           .name = options_.secret},
          seams_.client, seams_.clock, seams_.random) {}

void ServingCertificate::SetLeading(bool leading) {
  if (std::exchange(leading_, leading) == leading) return;
  decided_.reset();
  secret_.Refresh();
}

void ServingCertificate::Turn() {
  secret_.Turn();
  if (decided_ == secret_.version()) return;
  if (!secret_.error().ok()) {
    decided_ = secret_.version();
    seams_.log->Damped("tls secret", "the controllers' certificate cannot be read or written",
                       secret_.error().ToString(), {{"secret", options_.secret}});
    return;
  }
  if (!secret_.settled()) return;
  seams_.log->Recovered("tls secret", "the controllers' certificate can be read and written",
                        {{"secret", options_.secret}});
  decided_ = secret_.version();
  Decide();
}

void ServingCertificate::Decide() {
  const Material stored = Stored(secret_.object());
  const absl::Status usable = tls::CheckServing(stored, options_.dns_name, seams_.clock->Wall());
  if (usable.ok()) {
    seams_.log->Recovered("tls content", "the Secret holds a good certificate",
                          {{"secret", options_.secret}});
    if (material_ != stored) {
      material_ = stored;
      seams_.on_change(*material_);
    }
  } else if (secret_.object() != nullptr || material_) {
    seams_.log->Damped("tls content", "the Secret holds no certificate to serve with",
                       usable.message(), {{"secret", options_.secret}});
  }
  if (!leading_) return;
  const Material desired = Desired(stored, usable.ok());
  if (desired == stored) return;
  ++writes_;
  secret_.Replace(MakeSecret(secret_.object(), desired));
}

Material ServingCertificate::Desired(const Material& stored, bool usable) {
  const Material& base = usable || !material_ ? stored : *material_;
  const auto renewal = tls::Renew(base, {.dns_name = options_.dns_name}, seams_.clock->Wall());
  if (!renewal.ok()) {
    seams_.log->Damped("tls renewal", "the certificate cannot be renewed",
                       renewal.status().message());
    return base;
  }
  if (!*renewal) return base;
  seams_.log->Info(
      "the certificate is renewed",
      {{"secret", options_.secret}, {"why", absl::StrJoin((*renewal)->reasons, "; ")}});
  return (*renewal)->material;
}

}  // namespace openelb::kube
