#include "controller/kube/testing/script_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace openelb::kube {
namespace {

constexpr int kBacklog = 128;

X509* ReadCertificate(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return certificate;
}

std::shared_ptr<SSL_CTX> TlsContext(const ScriptServer::Options& options) {
  if (!options.tls.has_value()) return nullptr;
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  X509* certificate = ReadCertificate(options.tls->certificate);
  SSL_CTX_use_certificate(context.get(), certificate);
  X509_free(certificate);
  BIO* bio = BIO_new_mem_buf(options.tls->key.data(), static_cast<int>(options.tls->key.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  SSL_CTX_use_PrivateKey(context.get(), key);
  EVP_PKEY_free(key);
  if (!options.client_authority.empty()) {
    X509* authority = ReadCertificate(options.client_authority);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), authority);
    X509_free(authority);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  }
  return context;
}

}  // namespace

ScriptConnection::ScriptConnection(int fd, SSL_CTX* tls)
    : fd_(fd), tls_(tls == nullptr ? nullptr : SSL_new(tls)) {}

ScriptConnection::~ScriptConnection() {
  if (tls_ != nullptr) SSL_free(tls_);
  close(fd_);
}

bool ScriptConnection::Handshake() {
  if (tls_ == nullptr) return true;
  SSL_set_fd(tls_, fd_);
  return SSL_accept(tls_) == 1;
}

long ScriptConnection::Read(char* data, size_t size) {
  if (tls_ == nullptr) return recv(fd_, data, size, 0);
  return SSL_read(tls_, data, static_cast<int>(size));
}

std::string ScriptConnection::ReadRequest() {
  size_t want = std::string::npos;  // its whole length, when its head is complete
  for (;;) {
    if (const size_t end = read_.find("\r\n\r\n"); end != std::string::npos) {
      size_t body = 0;
      const std::string head = absl::AsciiStrToLower(read_.substr(0, end + 2));
      constexpr absl::string_view kLength = "\r\ncontent-length:";
      if (const size_t at = head.find(kLength.data()); at != std::string::npos) {
        const size_t from = at + kLength.size();
        (void)absl::SimpleAtoi(head.substr(from, head.find('\r', from) - from), &body);
      }
      want = end + 4 + body;
    }
    if (want != std::string::npos && read_.size() >= want) {
      std::string request = read_.substr(0, want);
      read_.erase(0, want);
      return request;
    }
    char buffer[16384];
    const long n = Read(buffer, sizeof(buffer));
    if (n <= 0) return "";
    read_.append(buffer, static_cast<size_t>(n));
  }
}

bool ScriptConnection::Write(absl::string_view data) {
  while (!data.empty()) {
    const long n = tls_ == nullptr ? send(fd_, data.data(), data.size(), MSG_NOSIGNAL)
                                   : SSL_write(tls_, data.data(), static_cast<int>(data.size()));
    if (n <= 0) return false;
    data.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

bool ScriptConnection::WriteChunk(absl::string_view data) {
  return Write(absl::StrCat(absl::Hex(data.size()), "\r\n", data, "\r\n"));
}

bool ScriptConnection::Answer(int status, absl::string_view body, absl::string_view headers) {
  return Write(absl::StrCat("HTTP/1.1 ", status, " Whatever\r\n", headers,
                            "Content-Length: ", body.size(), "\r\n\r\n", body));
}

void ScriptConnection::WaitForClose() {
  char buffer[4096];
  while (Read(buffer, sizeof(buffer)) > 0) {
  }
}

void ScriptConnection::FinishAndWait() {
  shutdown(fd_, SHUT_WR);
  tcp_info info{};
  do {
    socklen_t size = sizeof(info);
    getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &size);
    std::this_thread::yield();
  } while (info.tcpi_state == TCP_FIN_WAIT1);
}

void ScriptConnection::Reset() {
  const linger none{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

std::string ScriptConnection::client() const {
  if (tls_ == nullptr) return "";
  X509* certificate = SSL_get0_peer_certificate(tls_);
  if (certificate == nullptr) return "";
  char name[64] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof(name));
  return name;
}

void ScriptConnection::Abort() const { shutdown(fd_, SHUT_RDWR); }

struct ScriptServer::Served {
  Served(int fd, SSL_CTX* tls) : connection(std::make_unique<ScriptConnection>(fd, tls)) {}
  Mutex mutex;
  std::unique_ptr<ScriptConnection> connection GUARDED_BY(mutex);
  std::atomic<bool> ended = false;
  std::thread thread;

  void Abort() {
    MutexLock lock(&mutex);
    if (connection != nullptr) connection->Abort();
  }
};

ScriptServer::ScriptServer(const Options& options, Script script)
    : script_(std::move(script)), tls_(TlsContext(options)) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to connections that are gone
  listener_ = socket(options.v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_addr = in6addr_loopback;
  v6.sin6_port = htons(options.port);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  v4.sin_port = htons(options.port);
  auto* address = options.v6 ? reinterpret_cast<sockaddr*>(&v6) : reinterpret_cast<sockaddr*>(&v4);
  socklen_t size = options.v6 ? sizeof(v6) : sizeof(v4);
  if (bind(listener_, address, size) != 0 || listen(listener_, kBacklog) != 0) abort();
  getsockname(listener_, address, &size);
  port_ = ntohs(options.v6 ? v6.sin6_port : v4.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

ScriptServer::~ScriptServer() {
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  close(listener_);
  BreakAll();
  MutexLock lock(&mutex_);
  for (const auto& served : served_) served->thread.join();
}

void ScriptServer::BreakAll() {
  MutexLock lock(&mutex_);
  for (const auto& served : served_) served->Abort();
}

int ScriptServer::accepted() const {
  MutexLock lock(&mutex_);
  return accepted_;
}

int ScriptServer::open() const {
  MutexLock lock(&mutex_);
  int open = 0;
  for (const auto& served : served_) open += served->ended ? 0 : 1;
  return open;
}

void ScriptServer::Accept() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    MutexLock lock(&mutex_);
    ++accepted_;
    served_.remove_if([](const std::unique_ptr<Served>& served) {
      if (!served->ended) return false;
      served->thread.join();
      return true;
    });
    Served* served = served_.emplace_back(std::make_unique<Served>(fd, tls_.get())).get();
    served->thread = std::thread([this, served] {
      ScriptConnection* connection = nullptr;
      {
        MutexLock begin(&served->mutex);
        connection = served->connection.get();
      }
      if (connection->Handshake()) script_(connection);
      {
        MutexLock end(&served->mutex);
        served->connection.reset();
      }
      served->ended = true;
    });
  }
}

}  // namespace openelb::kube
