#include "controller/kube/testing/http_front.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/codec/write.h"
#include "controller/kube/testing/reply.h"

namespace openelb::kube {
namespace {

std::string Head(int status, const HttpHeaders& headers) {
  std::string head = absl::StrCat("HTTP/1.1 ", status, " X\r\nTransfer-Encoding: chunked\r\n");
  for (const auto& [name, value] : headers) absl::StrAppend(&head, name, ": ", value, "\r\n");
  return absl::StrCat(head, "\r\n");
}

std::string Chunk(absl::string_view data) {
  return absl::StrCat(absl::Hex(data.size()), "\r\n", data, "\r\n");
}

template <typename Read>
auto ReadPem(const std::string& pem, const Read& read) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  auto* result = read(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return result;
}

}  // namespace

// Writes one answer to its connection.
class HttpFront::Sink final : public ResponseSink {
 public:
  explicit Sink(HttpConnection* connection) : connection_(connection) {}
  void OnHead(int status, const HttpHeaders& headers) override {
    connection_->Write(Head(status, headers));
  }
  void OnData(absl::string_view data) override {
    if (!data.empty()) connection_->Write(Chunk(data));
  }
  void OnDone(const absl::Status& status) override {
    connection_->request = 0;
    if (status.ok()) {
      connection_->Write(Chunk(""));
    } else {
      connection_->CloseAfterwards();  // in the middle of the answer
    }
  }

 private:
  HttpConnection* const connection_;  // outlives the request
};

HttpFront::HttpFront(const TestCertificate& certificate, Access access)
    : certificate_(certificate), access_(std::move(access)) {
  MakeContext();
  transport_.set_latency(absl::ZeroDuration());
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener_, 64) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::abort();  // no loopback: nothing can be tested
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

HttpFront::~HttpFront() {
  {
    MutexLock lock(&mutex_);
    stop_ = true;
  }
  eventfd_write(wake_, 1);
  thread_.join();
  close(listener_);
  close(wake_);
}

void HttpFront::Do(
    const std::function<void(fake::Server* server, FakeTransport* transport)>& function) {
  bool finished = false;
  MutexLock lock(&mutex_);
  posted_.push_back([&] {
    function(&server_, &transport_);
    MutexLock done(&mutex_);
    finished = true;
    done_.NotifyAll();
  });
  eventfd_write(wake_, 1);
  while (!finished) done_.Wait(&mutex_);
}

void HttpFront::SetAccess(Access access) {
  Do([&](fake::Server*, FakeTransport*) {
    access_ = std::move(access);
    MakeContext();
  });
}

void HttpFront::SetCertificate(const TestCertificate& certificate) {
  Do([&](fake::Server*, FakeTransport*) {
    certificate_ = certificate;
    MakeContext();
  });
}

void HttpFront::MakeContext() {
  if (certificate_.certificate.empty()) return;
  context_.reset(SSL_CTX_new(TLS_server_method()));
  X509* certificate = ReadPem(certificate_.certificate, PEM_read_bio_X509);
  EVP_PKEY* key = ReadPem(certificate_.key, PEM_read_bio_PrivateKey);
  SSL_CTX_use_certificate(context_.get(), certificate);
  SSL_CTX_use_PrivateKey(context_.get(), key);
  SSL_CTX_set_mode(context_.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  X509_free(certificate);
  EVP_PKEY_free(key);
  if (access_.client_authority.empty()) return;
  X509* authority = ReadPem(access_.client_authority, PEM_read_bio_X509);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), authority);
  SSL_CTX_add_client_CA(context_.get(), authority);
  X509_free(authority);
  // As the real server does: a connection stands whatever is shown, and 401 answers what is not
  // known.
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
}

void HttpFront::Run() {
  // A client that has gone is an error of write, nothing more.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  for (;;) {
    scheduler_.RunUntil(Elapsed());
    Wait();
    std::vector<std::function<void()>> posted;
    {
      MutexLock lock(&mutex_);
      posted.swap(posted_);
      if (stop_ && posted.empty()) break;
    }
    scheduler_.RunUntil(Elapsed());
    for (const std::function<void()>& function : posted) function();
    Accept();
    // Until all that was read is under way and all that was answered is written.
    for (bool served = true; served;) {
      AdvanceAll();
      served = false;
      for (const auto& connection : connections_) {
        served |= connection->request == 0 && Serve(connection.get());
      }
      scheduler_.RunUntil(Elapsed());
    }
  }
  for (const auto& connection : connections_) {
    if (connection->request != 0) transport_.Cancel(connection->request);
  }
  connections_.clear();
}

void HttpFront::AdvanceAll() {
  std::erase_if(connections_, [&](const std::unique_ptr<HttpConnection>& connection) {
    if (connection->Advance()) return false;
    if (connection->request != 0) transport_.Cancel(connection->request);
    return true;
  });
}

void HttpFront::Wait() {
  std::vector<pollfd> fds = {{listener_, POLLIN, 0}, {wake_, POLLIN, 0}};
  for (const auto& connection : connections_) {
    fds.push_back({connection->fd(), connection->events(), 0});
  }
  const absl::Duration rest = scheduler_.Next() - Elapsed();
  const int64_t timeout = std::clamp<int64_t>(
      absl::ToInt64Milliseconds(absl::Ceil(rest, absl::Milliseconds(1))), 0, 1000);
  poll(fds.data(), fds.size(), static_cast<int>(timeout));
  eventfd_t count = 0;
  eventfd_read(wake_, &count);
}

void HttpFront::Accept() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    ++accepted_;
    connections_.push_back(std::make_unique<HttpConnection>(fd, context_.get()));
  }
}

bool HttpFront::Serve(HttpConnection* connection) {
  std::optional<HttpRequest> request = connection->TakeRequest();
  if (!request.has_value()) return false;
  auto sink = std::make_shared<Sink>(connection);
  if (!MayAsk(*connection)) {
    const fake::Reply reply = fake::Unwell(401, absl::ZeroDuration());
    sink->OnHead(reply.status, reply.headers);
    sink->OnData(codec::ToJson(reply.body));
    sink->OnDone(absl::OkStatus());
    return true;
  }
  request->timeout = absl::InfiniteDuration();
  connection->request = transport_.Start(*std::move(request), std::move(sink));
  return true;
}

bool HttpFront::MayAsk(const HttpConnection& connection) const {
  if (access_.tokens.empty() && access_.client_authority.empty()) return true;
  return access_.tokens.contains(connection.token()) ||
         (!access_.client_authority.empty() && connection.HasCertificate());
}

}  // namespace openelb::kube
