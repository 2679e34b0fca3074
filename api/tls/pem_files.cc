#include "api/tls/pem_files.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::tls {
namespace {

// Why a file cannot be read, in the system's words: OpenSSL has none for it. Empty: it can.
std::string CannotRead(const std::string& file) {
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::strerror(errno);
  close(fd);
  return "";
}

}  // namespace

absl::Status CheckPemFiles(const PemFiles& files, absl::string_view flags) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_server_method()),
                                                                  &SSL_CTX_free);
  const auto error = [&](absl::string_view flag, const std::string& file) {
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    std::string why = CannotRead(file);
    if (why.empty()) why = reason == nullptr ? "unusable" : reason;
    return absl::InvalidArgumentError(absl::StrCat("--", flags, "-", flag, ": ", file, ": ", why));
  };
  if (!files.cert.empty()) {
    if (SSL_CTX_use_certificate_chain_file(context.get(), files.cert.c_str()) != 1)
      return error("cert", files.cert);
    if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1)
      return error("key", files.key);
  }
  if (!files.ca.empty() &&
      SSL_CTX_load_verify_locations(context.get(), files.ca.c_str(), nullptr) != 1)
    return error("ca", files.ca);
  return absl::OkStatus();
}

std::string ReadPem(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::optional<PemFileWatch::Stamp> PemFileWatch::StampOf(const std::string& file) {
  struct stat found{};
  if (stat(file.c_str(), &found) != 0) return std::nullopt;
  return Stamp{found.st_dev, found.st_ino, found.st_size, found.st_mtim.tv_sec,
               found.st_mtim.tv_nsec};
}

bool PemFileWatch::Changed() {
  std::vector<std::optional<Stamp>> stamps;
  for (const std::string* file : {&files_.cert, &files_.key, &files_.ca})
    stamps.push_back(StampOf(*file));
  if (stamps == stamps_) return false;
  stamps_ = std::move(stamps);
  return true;
}

}  // namespace openelb::tls
