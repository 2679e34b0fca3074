#include "controller/kube/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "api/base/ip.h"

namespace openelb::kube {
namespace {

template <typename T, void (*Free)(T*)>
struct Freer {
  void operator()(T* object) const { Free(object); }
};
using Certificate = std::unique_ptr<X509, Freer<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Freer<BIO, BIO_free_all>>;

absl::Status Unfit(const Pem& pem, absl::string_view what, absl::string_view why) {
  ERR_clear_error();
  return absl::UnavailableError(absl::StrCat(pem.Name(what), ": ", why));
}

absl::StatusOr<std::string> Read(const Pem& pem, absl::string_view what) {
  if (!pem.data.empty()) return pem.data;
  absl::StatusOr<std::string> text = ReadWholeFile(pem.file);
  if (text.ok()) return text;
  return absl::UnavailableError(absl::StrCat(what, ": ", text.status().message()));
}

Bio Reader(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Nobody is there to type a password.
int NoPassword(char*, int, int, void*) { return 0; }

absl::StatusOr<std::vector<Certificate>> ReadCertificates(const Pem& pem, absl::string_view what) {
  const absl::StatusOr<std::string> text = Read(pem, what);
  if (!text.ok()) return text.status();
  std::vector<Certificate> certificates;
  const Bio bio = Reader(*text);
  while (Certificate next{PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr)}) {
    certificates.push_back(std::move(next));
  }
  if (certificates.empty()) return Unfit(pem, what, "holds no certificate");
  ERR_clear_error();  // the last one was followed by none
  return certificates;
}

absl::Status Trust(const Pem& ca, SSL_CTX* context) {
  const absl::StatusOr<std::vector<Certificate>> certificates =
      ReadCertificates(ca, "certificate authority");
  if (!certificates.ok()) return certificates.status();
  X509_STORE* store = X509_STORE_new();
  for (const Certificate& certificate : *certificates) {
    X509_STORE_add_cert(store, certificate.get());
  }
  SSL_CTX_set_cert_store(context, store);  // takes it over, and drops the system's
  return absl::OkStatus();
}

absl::Status Show(const Pem& certificate, const Pem& key, SSL_CTX* context) {
  const absl::StatusOr<std::vector<Certificate>> chain =
      ReadCertificates(certificate, "client certificate");
  if (!chain.ok()) return chain.status();
  const absl::StatusOr<std::string> text = Read(key, "client key");
  if (!text.ok()) return text.status();
  const Key private_key(PEM_read_bio_PrivateKey(Reader(*text).get(), nullptr, NoPassword, nullptr));
  if (private_key == nullptr) return Unfit(key, "client key", "holds no key without a password");
  SSL_CTX_use_certificate(context, chain->front().get());
  for (size_t i = 1; i < chain->size(); ++i) SSL_CTX_add1_chain_cert(context, (*chain)[i].get());
  if (SSL_CTX_use_PrivateKey(context, private_key.get()) != 1) {
    return Unfit(key, "client key", "is not the one of the client certificate");
  }
  return absl::OkStatus();
}

// Stands in for OpenSSL's own verification, to which the HTTP library adds a check that knows
// neither IPv6 addresses nor another server name, and whose reason is lost on the way. The reason
// goes into the error queue, which the library does hand out.
int VerifyAndExplain(X509_STORE_CTX* store, void*) {
  X509_STORE_CTX_set_verify_cb(store, [](int ok, X509_STORE_CTX*) { return ok; });
  const int verified = X509_verify_cert(store);
  if (verified > 0) return verified;
  ERR_clear_error();
  ERR_raise(ERR_LIB_USER, X509_STORE_CTX_get_error(store));
  return verified;
}

void RequireName(const ServerConfig& config, SSL_CTX* context) {
  X509_VERIFY_PARAM* param = SSL_CTX_get0_param(context);
  // As in Go, whatever the CA file holds is trusted, an intermediate authority too.
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  const std::string& name = config.tls_server_name.empty() ? config.host : config.tls_server_name;
  if (IpAddress::Parse(name).ok()) {
    X509_VERIFY_PARAM_set1_ip_asc(param, name.c_str());
  } else {
    X509_VERIFY_PARAM_set1_host(param, name.data(), name.size());
  }
  SSL_CTX_set_cert_verify_callback(context, VerifyAndExplain, nullptr);
}

}  // namespace

absl::Status ConfigureTls(const ServerConfig& config, SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  if (!config.insecure_skip_tls_verify) {
    RequireName(config, context);
    if (config.ca.given()) {
      if (absl::Status status = Trust(config.ca, context); !status.ok()) return status;
    }
  }
  if (!config.client_certificate.given()) return absl::OkStatus();
  return Show(config.client_certificate, config.client_key, context);
}

absl::Status TlsError(uint64_t code) {
  const int reason = ERR_GET_REASON(code);
  switch (ERR_GET_LIB(code)) {
    case ERR_LIB_USER:
      return absl::UnauthenticatedError(absl::StrCat("the server's certificate is refused: ",
                                                     X509_verify_cert_error_string(reason)));
    case ERR_LIB_SSL: {
      const char* text = ERR_reason_error_string(code);
      return absl::UnavailableError(absl::StrCat("TLS: ", text != nullptr ? text : "failed"));
    }
    default:
      return absl::OkStatus();
  }
}

}  // namespace openelb::kube
