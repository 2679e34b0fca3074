#include "api/http/test_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace openelb::http {

tls::KeyPair IssueFor(const tls::KeyPair& authority) {
  return *tls::Issue(authority, kServerName, absl::Now() - absl::Hours(1),
                     absl::Now() + absl::Hours(1));
}

tls::KeyPair SelfSigned() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* made = X509_new();
  X509_set_version(made, X509_VERSION_3);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>("scraper"), -1, -1, 0);
  X509_set_issuer_name(made, X509_get_subject_name(made));
  X509_gmtime_adj(X509_getm_notBefore(made), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made), 3600);
  X509_set_pubkey(made, key);
  X509_sign(made, key, EVP_sha256());
  const auto text = [](const auto& write) {
    BIO* bio = BIO_new(BIO_s_mem());
    write(bio);
    char* data = nullptr;
    const auto size = static_cast<size_t>(BIO_get_mem_data(bio, &data));
    std::string pem(data, size);
    BIO_free(bio);
    return pem;
  };
  tls::KeyPair pair{.certificate = text([&](BIO* bio) { PEM_write_bio_X509(bio, made); }),
                    .key = text([&](BIO* bio) {
                      PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
                    })};
  X509_free(made);
  EVP_PKEY_free(key);
  return pair;
}

int Dial(uint16_t port, const char* source) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  sockaddr_in from{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {}, .sin_zero = {}};
  inet_pton(AF_INET, source, &from.sin_addr);
  sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) == 0 &&
      connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0)
    return fd;
  close(fd);
  return -1;
}

struct TestClient::Tls {
  ~Tls() {
    SSL_free(ssl);
    SSL_CTX_free(context);
    if (fd >= 0) close(fd);
  }
  int fd = -1;
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL* ssl = nullptr;
};

TestClient::TestClient(uint16_t port, const tls::KeyPair& authority, const tls::KeyPair& own)
    : tls_(std::make_unique<Tls>()) {
  tls_->fd = Dial(port);
  if (tls_->fd < 0) {
    error_ = "cannot connect";
    return;
  }
  const auto read = [](const std::string& pem) {
    BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    return certificate;
  };
  if (!authority.certificate.empty()) {
    X509* root = read(authority.certificate);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(tls_->context), root);
    X509_free(root);
    SSL_CTX_set_verify(tls_->context, SSL_VERIFY_PEER, nullptr);
  }
  if (!own.certificate.empty()) {
    X509* certificate = read(own.certificate);
    BIO* bio = BIO_new_mem_buf(own.key.data(), static_cast<int>(own.key.size()));
    EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    SSL_CTX_use_certificate(tls_->context, certificate);
    SSL_CTX_use_PrivateKey(tls_->context, key);
    EVP_PKEY_free(key);
    BIO_free(bio);
    X509_free(certificate);
  }
  tls_->ssl = SSL_new(tls_->context);
  SSL_set_tlsext_host_name(tls_->ssl, kServerName);
  if (!authority.certificate.empty()) SSL_set1_host(tls_->ssl, kServerName);
  SSL_set_fd(tls_->ssl, tls_->fd);
  if (SSL_connect(tls_->ssl) == 1) return;
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  error_ = reason == nullptr ? "closed" : reason;
  ERR_clear_error();
}

TestClient::~TestClient() = default;

std::string TestClient::certificate() const {
  X509* shown = SSL_get_peer_certificate(tls_->ssl);
  BIO* pem = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(pem, shown);
  X509_free(shown);
  char* data = nullptr;
  const auto size = static_cast<size_t>(BIO_get_mem_data(pem, &data));
  std::string text(data, size);
  BIO_free(pem);
  return text;
}

bool TestClient::Send(absl::string_view octets) {
  while (!octets.empty()) {
    const int sent = SSL_write(tls_->ssl, octets.data(), static_cast<int>(octets.size()));
    ERR_clear_error();
    if (sent <= 0) return false;
    octets.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

std::string TestClient::Receive() {
  std::string all;
  char buffer[4096];
  for (int got = 0; (got = SSL_read(tls_->ssl, buffer, sizeof buffer)) > 0;)
    all.append(buffer, static_cast<size_t>(got));
  ERR_clear_error();
  return all;
}

std::string Post(absl::string_view path, absl::string_view body) {
  return absl::StrCat("POST ", path, " HTTP/1.1\r\nHost: x\r\nContent-Length: ", body.size(),
                      "\r\n\r\n", body);
}

std::string Ask(uint16_t port, const tls::KeyPair& authority, absl::string_view request) {
  TestClient client(port, authority);
  if (!client.error().empty()) return client.error();
  client.Send(request);
  return client.Receive();
}

}  // namespace openelb::http
