#include "api/http/metrics_server.h"

#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace openelb::http {
namespace {

constexpr char kName[] = "openelb-metrics";  // nobody verifies it
constexpr absl::Duration kLifetime = absl::Hours(24 * 3653);
constexpr absl::Duration kClockSkew = absl::Hours(1);

absl::StatusOr<tls::KeyPair> MakeCertificate() {
  const absl::Time from = absl::Now() - kClockSkew;
  const absl::Time to = absl::Now() + kLifetime;
  const auto authority = tls::MakeAuthority(from, to);
  if (!authority.ok()) return authority.status();
  return tls::Issue(*authority, kName, from, to);
}

absl::StatusOr<std::shared_ptr<tls::ServerContext>> MakeContext(const tls::PemFiles& files,
                                                                Logger* log) {
  auto certificate = MakeCertificate();
  if (!certificate.ok()) return certificate.status();
  if (files == tls::PemFiles()) return tls::ServerContext::Of(*certificate);
  const auto told = std::make_shared<Logger>(log->ForAnotherThread());
  return tls::ServerContext::OfFiles(files, *certificate, [files, told](const absl::Status& read) {
    constexpr absl::string_view kProblem = "metrics certificate";
    if (read.ok())
      return told->Recovered(kProblem, "the metrics' certificate files are good again");
    // In the flags' words, if it is one of them alone that is wrong.
    const absl::Status file = tls::CheckPemFiles(files, "metrics-tls");
    told->Damped(kProblem,
                 "metrics go on with the certificate that they had until these files can be used",
                 file.ok() ? read.message() : file.message());
  });
}

}  // namespace

std::unique_ptr<MetricsServer> MetricsServer::Start(const CommonOptions& options, Pages pages,
                                                    std::shared_ptr<ScraperGuard> guard,
                                                    Logger* log) {
  if (!options.metrics_addr) return nullptr;
  ServerOptions server_options = {.address = *options.metrics_addr};
  const auto failed = [log](const absl::Status& why) {
    log->Error("metrics are not served", {{"error", why.message()}});
    return nullptr;
  };
  Server::Guard admit;
  if (options.metrics_secure) {
    auto context = MakeContext({.cert = options.metrics_tls_cert,
                                .key = options.metrics_tls_key,
                                .ca = options.metrics_tls_ca},
                               log);
    if (!context.ok()) return failed(context.status());
    server_options.tls = *std::move(context);
    admit = [guard = std::move(guard)](const Request& request, const Server::Verdict& verdict) {
      guard->Admit(request, verdict);
    };
  }
  const bool made = options.metrics_secure && options.metrics_tls_cert.empty();
  const std::shared_ptr<tls::ServerContext> context = made ? server_options.tls : nullptr;
  auto server = Server::Start(
      std::move(server_options),
      [pages = std::move(pages)](const Request& request, const Server::Reply& reply) {
        reply(AnswerOf(pages, request));
      },
      std::move(admit));
  if (!server.ok()) return failed(server.status());
  return std::unique_ptr<MetricsServer>(new MetricsServer(context, *std::move(server)));
}

absl::Status MetricsServer::SetCertificate(const tls::KeyPair& certificate) {
  return made_ == nullptr ? absl::OkStatus() : made_->SetCertificate(certificate);
}

}  // namespace openelb::http
