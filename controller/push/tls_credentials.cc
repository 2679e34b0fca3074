#include "controller/push/tls_credentials.h"

#include <grpc/grpc_security.h>
#include <grpcpp/grpcpp.h>

#include <utility>

#include "api/base/mutex.h"

namespace openelb::push {
namespace {

// What the library asks at each handshake, on whichever of its threads.
class Source {
 public:
  explicit Source(tls::PemFiles files) : watch_(std::move(files)) {}

  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<Source*>(self)->FetchNow(config);
  }

 private:
  grpc_ssl_certificate_config_reload_status FetchNow(grpc_ssl_server_certificate_config** config) {
    MutexLock lock(&mutex_);
    if (!watch_.Changed()) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const tls::PemFiles& files = watch_.files();
    // Files that do not fit together yet: the library would take them, and then serve nobody.
    if (!CheckTlsFiles(files).ok()) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
    const std::string cert = tls::ReadPem(files.cert);
    const std::string key = tls::ReadPem(files.key);
    // The library wants one also where no client is asked for a certificate.
    const std::string ca = files.ca.empty() ? cert : tls::ReadPem(files.ca);
    const grpc_ssl_pem_key_cert_pair pair{key.c_str(), cert.c_str()};
    *config = grpc_ssl_server_certificate_config_create(ca.c_str(), &pair, 1);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  Mutex mutex_;
  tls::PemFileWatch watch_ GUARDED_BY(mutex_);
};

// The library has no C++ for what its C interface offers here.
class Credentials final : public grpc::ServerCredentials {
 public:
  explicit Credentials(tls::PemFiles files)
      : mutual_(!files.ca.empty()), source_(std::make_unique<Source>(std::move(files))) {}

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    grpc_server_credentials* made = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            mutual_ ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                    : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
            &Source::Fetch, source_.get()));
    const int port = grpc_server_add_http2_port(server, address.c_str(), made);
    grpc_server_credentials_release(made);
    return port;
  }

  const bool mutual_;
  const std::unique_ptr<Source> source_;
};

}  // namespace

absl::Status CheckTlsFiles(const tls::PemFiles& files) {
  return tls::CheckPemFiles(files, "plan-tls");
}

std::shared_ptr<grpc::ServerCredentials> TlsCredentials(tls::PemFiles files) {
  return std::make_shared<Credentials>(std::move(files));
}

}  // namespace openelb::push
