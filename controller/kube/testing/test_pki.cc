#include "controller/kube/testing/test_pki.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>

namespace openelb::kube {
namespace {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Certificate = std::unique_ptr<X509, Free>;

template <typename Write>
std::string Pem(const Write& write) {
  const std::unique_ptr<BIO, Free> bio(BIO_new(BIO_s_mem()));
  write(bio.get());
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

TestCertificate ToPem(X509* certificate, EVP_PKEY* key) {
  return {Pem([&](BIO* bio) { PEM_write_bio_X509(bio, certificate); }), Pem([&](BIO* bio) {
            PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

void AddExtension(int nid, const std::string& value, X509* issuer, X509* certificate) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Certificate NewCertificate(const std::string& name, int64_t serial, absl::Duration validity,
                           EVP_PKEY* key) {
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set_int64(X509_get_serialNumber(certificate.get()), serial);
  const long end = static_cast<long>(absl::ToInt64Seconds(validity));
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), std::min(0L, end) - 60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), end);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_pubkey(certificate.get(), key);
  return certificate;
}

}  // namespace

struct TestAuthority::Keys {
  Key key;
  Certificate certificate;
};

TestAuthority::TestAuthority() : keys_(std::make_unique<Keys>()) {
  keys_->key = Key(EVP_EC_gen("P-256"));
  keys_->certificate =
      NewCertificate("test authority", serial_++, absl::Hours(1), keys_->key.get());
  X509* own = keys_->certificate.get();
  X509_set_issuer_name(own, X509_get_subject_name(own));
  AddExtension(NID_basic_constraints, "critical,CA:TRUE", own, own);
  AddExtension(NID_subject_key_identifier, "hash", own, own);
  X509_sign(own, keys_->key.get(), EVP_sha256());
  own_ = ToPem(own, keys_->key.get());
}

TestAuthority::~TestAuthority() = default;

TestCertificate TestAuthority::Issue(const std::string& name, const std::string& alternative_name,
                                     absl::Duration validity) {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate = NewCertificate(name, serial_++, validity, key.get());
  X509* issuer = keys_->certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer));
  const bool server = !alternative_name.empty();
  if (server) AddExtension(NID_subject_alt_name, alternative_name, issuer, certificate.get());
  AddExtension(NID_ext_key_usage, server ? "serverAuth" : "clientAuth", issuer, certificate.get());
  AddExtension(NID_authority_key_identifier, "keyid", issuer, certificate.get());
  X509_sign(certificate.get(), keys_->key.get(), EVP_sha256());
  return ToPem(certificate.get(), key.get());
}

}  // namespace openelb::kube
