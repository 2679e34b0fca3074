#include "api/tls/server_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::tls {
namespace {

absl::Status Unfit(absl::string_view what) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": ", reason == nullptr ? "unusable" : reason));
}

using Bio = std::unique_ptr<BIO, decltype(&BIO_free_all)>;

Bio Reader(const std::string& pem) {
  return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free_all};
}

// Gives each certificate in `pem` to `use`. Error: InvalidArgument; one is not taken, or there is
// none.
template <typename Use>
absl::Status ForEachCertificate(const std::string& pem, absl::string_view what, const Use& use) {
  const Bio bio = Reader(pem);
  bool any = false;
  while (X509* raw = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(raw, &X509_free);
    if (use(raw) != 1) return Unfit(what);
    any = true;
  }
  if (!any) return Unfit(what);
  ERR_clear_error();  // the last one was followed by none
  return absl::OkStatus();
}

// Who shows no certificate is served all the same: what it may have is for others to say.
absl::Status AskForCertificates(SSL_CTX* context, const std::string& authorities) {
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  absl::Status added = ForEachCertificate(authorities, "authorities", [&](X509* authority) {
    return X509_STORE_add_cert(store, authority) == 1 &&
                   SSL_CTX_add_client_CA(context, authority) == 1
               ? 1
               : 0;
  });
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  return added;
}

absl::StatusOr<std::shared_ptr<SSL_CTX>> MakeContext(const KeyPair& pair,
                                                     const std::string& authorities) {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (context == nullptr) return Unfit("TLS");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  // One request a connection: nothing to resume, nothing to negotiate again.
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  bool first = true;
  absl::Status taken = ForEachCertificate(pair.certificate, "certificate", [&](X509* certificate) {
    return std::exchange(first, false)
               ? SSL_CTX_use_certificate(context.get(), certificate)
               : static_cast<int>(SSL_CTX_add1_chain_cert(context.get(), certificate));
  });
  if (!taken.ok()) return taken;
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(Reader(pair.key).get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  if (key == nullptr || SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1) return Unfit("key");
  if (authorities.empty()) return context;
  if (absl::Status asked = AskForCertificates(context.get(), authorities); !asked.ok())
    return asked;
  return context;
}

}  // namespace

absl::StatusOr<std::shared_ptr<ServerContext>> ServerContext::Of(const KeyPair& certificate,
                                                                 const std::string& authorities) {
  std::shared_ptr<ServerContext> made(new ServerContext(authorities));
  if (absl::Status set = made->SetCertificate(certificate); !set.ok()) return set;
  return made;
}

absl::StatusOr<std::shared_ptr<ServerContext>> ServerContext::OfFiles(PemFiles files,
                                                                      const KeyPair& otherwise,
                                                                      OnRead on_read) {
  auto made = Of(otherwise);
  if (!made.ok()) return made.status();
  ServerContext& context = **made;
  MutexLock lock(&context.mutex_);
  context.files_.emplace(std::move(files));
  context.files_->Changed();
  context.on_read_ = std::move(on_read);
  context.on_read_(context.ReadFiles());
  return made;
}

absl::Status ServerContext::SetCertificate(const KeyPair& certificate) {
  MutexLock lock(&mutex_);
  auto context = MakeContext(certificate, authorities_);
  if (!context.ok()) return context.status();
  certificate_ = certificate;
  context_ = *std::move(context);
  return absl::OkStatus();
}

absl::Status ServerContext::ReadFiles() {
  const PemFiles& files = files_->files();
  KeyPair certificate = certificate_;
  if (!files.cert.empty())
    certificate = {.certificate = ReadPem(files.cert), .key = ReadPem(files.key)};
  std::string authorities = files.ca.empty() ? "" : ReadPem(files.ca);
  // A file that is away or half written must not change who is asked.
  if (authorities.empty() != files.ca.empty())
    return absl::InvalidArgumentError(absl::StrCat(files.ca, ": missing or empty"));
  auto context = MakeContext(certificate, authorities);
  if (!context.ok()) return context.status();
  certificate_ = std::move(certificate);
  authorities_ = std::move(authorities);
  context_ = *std::move(context);
  return absl::OkStatus();
}

SslPtr ServerContext::NewConnection() {
  MutexLock lock(&mutex_);
  if (files_ && files_->Changed()) on_read_(ReadFiles());
  return SslPtr(SSL_new(context_.get()));
}

bool ShowsCertificate(const SSL* ssl) {
  return SSL_get0_peer_certificate(ssl) != nullptr && SSL_get_verify_result(ssl) == X509_V_OK;
}

}  // namespace openelb::tls
