#include "controller/push/tls_credentials.h"

#include <fcntl.h>
#include <grpc/grpc_security.h>
#include <grpcpp/grpcpp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/base/mutex.h"

namespace openelb::push {
namespace {

// Why a file cannot be read, in the system's words: OpenSSL has none for it. Empty: it can.
std::string CannotRead(const std::string& file) {
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::strerror(errno);
  close(fd);
  return "";
}

// Empty when it cannot be read.
std::string Read(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Which file it is and when it was last written to. One that is not there has none.
using Stamp = std::tuple<dev_t, ino_t, off_t, time_t, decltype(timespec::tv_nsec)>;
std::optional<Stamp> StampOf(const std::string& file) {
  struct stat found{};
  if (stat(file.c_str(), &found) != 0) return std::nullopt;
  return Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtim.tv_sec,
               found.st_mtim.tv_nsec);
}

// What the library asks at each handshake, on whichever of its threads.
class Source {
 public:
  explicit Source(TlsFiles files) : files_(std::move(files)) {}

  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<Source*>(self)->FetchNow(config);
  }

 private:
  grpc_ssl_certificate_config_reload_status FetchNow(grpc_ssl_server_certificate_config** config) {
    std::vector<std::optional<Stamp>> stamps;
    for (const std::string* file : {&files_.cert, &files_.key, &files_.ca}) {
      stamps.push_back(StampOf(*file));
    }
    MutexLock lock(&mutex_);
    if (stamps == stamps_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    stamps_ = std::move(stamps);
    // Files that do not fit together yet: the library would take them, and then serve nobody.
    if (!CheckTlsFiles(files_).ok()) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
    const std::string cert = Read(files_.cert);
    const std::string key = Read(files_.key);
    // The library wants one also where no client is asked for a certificate.
    const std::string ca = files_.ca.empty() ? cert : Read(files_.ca);
    const grpc_ssl_pem_key_cert_pair pair{key.c_str(), cert.c_str()};
    *config = grpc_ssl_server_certificate_config_create(ca.c_str(), &pair, 1);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const TlsFiles files_;
  Mutex mutex_;
  std::vector<std::optional<Stamp>> stamps_ GUARDED_BY(mutex_);  // of what was last looked at
};

// The library has no C++ for what its C interface offers here.
class Credentials final : public grpc::ServerCredentials {
 public:
  explicit Credentials(TlsFiles files)
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

absl::Status CheckTlsFiles(const TlsFiles& files) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_server_method()),
                                                                  &SSL_CTX_free);
  const auto error = [](absl::string_view flag, const std::string& file) {
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    std::string why = CannotRead(file);
    if (why.empty()) why = reason == nullptr ? "unusable" : reason;
    return absl::InvalidArgumentError(absl::StrCat("--", flag, ": ", file, ": ", why));
  };
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.cert.c_str()) != 1) {
    return error("plan-tls-cert", files.cert);
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return error("plan-tls-key", files.key);
  }
  if (!files.ca.empty() &&
      SSL_CTX_load_verify_locations(context.get(), files.ca.c_str(), nullptr) != 1) {
    return error("plan-tls-ca", files.ca);
  }
  return absl::OkStatus();
}

std::shared_ptr<grpc::ServerCredentials> TlsCredentials(TlsFiles files) {
  return std::make_shared<Credentials>(std::move(files));
}

}  // namespace openelb::push
