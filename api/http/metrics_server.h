#pragma once
// What --metrics-addr serves: /metrics, /healthz and /readyz. With --metrics-secure over TLS, and
// /metrics to those alone whom a guard lets in; a kubelet, which shows nothing, has to reach the
// others.

#include <memory>

#include "api/base/host_port.h"
#include "api/base/log.h"
#include "api/base/program.h"
#include "api/http/pages.h"
#include "api/http/scraper_guard.h"
#include "api/http/server.h"
#include "api/tls/certificate.h"

namespace openelb::http {

// The content type of /metrics (Prometheus' text format).
inline constexpr char kMetricsText[] = "text/plain; version=0.0.4; charset=utf-8";

class MetricsServer {
 public:
  // Where `options` name no certificate, or none that can be used yet, one is made that only
  // scrapers take that verify none. `guard` is asked only with --metrics-secure. Null where there
  // is nothing to serve, or it cannot be: that is logged, since announcing matters more than being
  // observed.
  static std::unique_ptr<MetricsServer> Start(const CommonOptions& options, Pages pages,
                                              std::shared_ptr<ScraperGuard> guard, Logger* log);

  // What to show from now on, unless the flags name a certificate. Any thread. Error: as
  // ServerContext::SetCertificate.
  absl::Status SetCertificate(const tls::KeyPair& certificate);

  uint16_t port() const { return server_->port(); }

 private:
  MetricsServer(std::shared_ptr<tls::ServerContext> made, std::unique_ptr<Server> server)
      : made_(std::move(made)), server_(std::move(server)) {}

  const std::shared_ptr<tls::ServerContext> made_;  // null: plain text, or flags name files
  const std::unique_ptr<Server> server_;
};

}  // namespace openelb::http
