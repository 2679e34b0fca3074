#include "api/tls/certificate.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::tls {
namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;
using Number = std::unique_ptr<BIGNUM, Freer<BN_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>>;

absl::Status LastError(absl::StatusCode code, absl::string_view what) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return {code, absl::StrCat(what, ": ", reason == nullptr ? "unusable" : reason)};
}

Bio Reader(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

template <typename Write>
std::string Written(Write write) {
  const Bio bio(BIO_new(BIO_s_mem()));
  char* data = nullptr;
  if (bio == nullptr || write(bio.get()) != 1) return "";
  const int64_t size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

// Next from where `bio` stands; null when there is none.
Certificate NextCertificate(BIO* bio) {
  return Certificate(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr));
}

// Encrypted keys cannot be read: nobody is there to be asked for the passphrase.
Key ReadKey(const std::string& pem) {
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  return Key(PEM_read_bio_PrivateKey(Reader(pem).get(), nullptr, no_passphrase, nullptr));
}

bool AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// A positive number that no other certificate has.
std::string SetSerial(X509* certificate) {
  const Number number(BN_new());
  if (number == nullptr || BN_rand(number.get(), 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) != 1 ||
      BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) == nullptr) {
    return "";
  }
  char* hex = BN_bn2hex(number.get());
  std::string text = hex == nullptr ? "" : hex;
  OPENSSL_free(hex);
  return text;
}

bool SetName(X509_NAME* name, const std::string& common_name) {
  return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(common_name.c_str()), -1,
                                    -1, 0) == 1;
}

struct Content {
  std::string common_name;
  absl::Time not_before;
  absl::Time not_after;
  std::vector<std::pair<int, std::string>> extensions;
};

// Signed by `issuer` and its key; by itself when they are null.
absl::StatusOr<KeyPair> Make(const Content& content, X509* issuer, EVP_PKEY* issuer_key) {
  const auto failed = [] {
    return LastError(absl::StatusCode::kInternal, "a certificate cannot be made");
  };
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate(X509_new());
  if (key == nullptr || certificate == nullptr) return failed();
  X509* const made = certificate.get();
  const std::string serial = SetSerial(made);
  // The serial makes an authority's name its own, so that a verifier with several finds the right
  // one.
  const std::string name =
      issuer == nullptr ? absl::StrCat(content.common_name, " ", serial) : content.common_name;
  if (serial.empty() || X509_set_version(made, X509_VERSION_3) != 1 ||
      X509_set_pubkey(made, key.get()) != 1 || !SetName(X509_get_subject_name(made), name) ||
      X509_set_issuer_name(made, X509_get_subject_name(issuer == nullptr ? made : issuer)) != 1 ||
      ASN1_TIME_set(X509_getm_notBefore(made), absl::ToTimeT(content.not_before)) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(made), absl::ToTimeT(content.not_after)) == nullptr) {
    return failed();
  }
  for (const auto& [nid, value] : content.extensions) {
    if (!AddExtension(made, issuer == nullptr ? made : issuer, nid, value)) return failed();
  }
  if (X509_sign(made, issuer_key == nullptr ? key.get() : issuer_key, EVP_sha256()) == 0) {
    return failed();
  }
  KeyPair pair{.certificate = Written([&](BIO* bio) { return PEM_write_bio_X509(bio, made); }),
               .key = Written([&](BIO* bio) {
                 return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr,
                                                 nullptr);
               })};
  if (pair.certificate.empty() || pair.key.empty()) return failed();
  return pair;
}

absl::Time ReadTime(const ASN1_TIME* time) {
  tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? absl::FromTM(parts, absl::UTCTimeZone())
                                            : absl::UnixEpoch();
}

}  // namespace

absl::StatusOr<KeyPair> MakeAuthority(absl::Time not_before, absl::Time not_after) {
  return Make({.common_name = "openelb-controller authority",
               .not_before = not_before,
               .not_after = not_after,
               .extensions = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                              {NID_key_usage, "critical,keyCertSign"},
                              {NID_ext_key_usage, "serverAuth"},
                              {NID_subject_key_identifier, "hash"}}},
              nullptr, nullptr);
}

absl::StatusOr<KeyPair> Issue(const KeyPair& authority, const std::string& dns_name,
                              absl::Time not_before, absl::Time not_after) {
  if (absl::Status status = CheckPair(authority); !status.ok()) return status;
  const Certificate issuer = NextCertificate(Reader(authority.certificate).get());
  const Key key = ReadKey(authority.key);
  return Make({.common_name = "openelb-controller",
               .not_before = not_before,
               .not_after = not_after,
               .extensions = {{NID_basic_constraints, "critical,CA:FALSE"},
                              {NID_key_usage, "critical,digitalSignature"},
                              {NID_ext_key_usage, "serverAuth"},
                              {NID_subject_key_identifier, "hash"},
                              {NID_authority_key_identifier, "keyid:always"},
                              {NID_subject_alt_name, absl::StrCat("DNS:", dns_name)}}},
              issuer.get(), key.get());
}

absl::StatusOr<CertificateInfo> ReadCertificate(const std::string& pem) {
  const Certificate certificate = NextCertificate(Reader(pem).get());
  if (certificate == nullptr) return LastError(absl::StatusCode::kInvalidArgument, "certificate");
  CertificateInfo info;
  info.not_before = ReadTime(X509_get0_notBefore(certificate.get()));
  info.not_after = ReadTime(X509_get0_notAfter(certificate.get()));
  info.is_authority = X509_check_ca(certificate.get()) == 1;
  const Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS) continue;
    info.dns_names.emplace_back(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
        static_cast<size_t>(ASN1_STRING_length(name->d.dNSName)));
  }
  return info;
}

std::vector<std::string> SplitCertificates(const std::string& pem) {
  std::vector<std::string> all;
  const Bio bio = Reader(pem);
  while (const Certificate certificate = NextCertificate(bio.get())) {
    all.push_back(Written([&](BIO* out) { return PEM_write_bio_X509(out, certificate.get()); }));
  }
  ERR_clear_error();
  return all;
}

absl::Status CheckPair(const KeyPair& pair) {
  const Certificate certificate = NextCertificate(Reader(pair.certificate).get());
  if (certificate == nullptr) return LastError(absl::StatusCode::kInvalidArgument, "certificate");
  const Key key = ReadKey(pair.key);
  if (key == nullptr) return LastError(absl::StatusCode::kInvalidArgument, "key");
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return LastError(absl::StatusCode::kInvalidArgument, "certificate and key");
  }
  return absl::OkStatus();
}

absl::Status CheckSigned(const std::string& certificate, const std::string& authority) {
  const Certificate signed_one = NextCertificate(Reader(certificate).get());
  const Certificate signer = NextCertificate(Reader(authority).get());
  if (signed_one == nullptr || signer == nullptr ||
      X509_verify(signed_one.get(), X509_get0_pubkey(signer.get())) != 1) {
    return LastError(absl::StatusCode::kInvalidArgument, "signature of the certificate");
  }
  return absl::OkStatus();
}

}  // namespace openelb::tls
