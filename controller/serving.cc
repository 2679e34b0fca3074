#include "controller/serving.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb {
namespace {

http::Answer Busy() { return {503, "the owner thread does not answer\n"}; }

}  // namespace

void PostedHandler::OnEvents(std::vector<ObjectEvent> events) {
  post_([target = target_, events = std::move(events)]() mutable {
    target->OnEvents(std::move(events));
  });
}

void PostedHandler::OnSynced() {
  post_([target = target_] { target->OnSynced(); });
}

void PostedHandler::OnAway(std::string reason) {
  post_([target = target_, reason = std::move(reason)] { target->OnAway(reason); });
}

void PostedHandler::OnBack() {
  post_([target = target_] { target->OnBack(); });
}

std::unique_ptr<http::MetricsServer> ServeMetrics(const CommonOptions& options, const Post& post,
                                                  Metrics* metrics, std::function<void()> update,
                                                  std::function<std::string()> not_ready,
                                                  std::shared_ptr<http::ScraperGuard> guard,
                                                  Logger* log) {
  http::Pages pages;
  pages["/metrics"] = [metrics, update = std::move(update)] {
    update();
    return http::Answer{200, metrics->Expose(), http::kMetricsText};
  };
  pages["/healthz"] = [post] {
    return Ask<bool>(post, [] { return true; }) ? http::Answer{200, "ok\n"} : Busy();
  };
  pages["/readyz"] = [post, not_ready = std::move(not_ready)] {
    const std::optional<std::string> why = Ask<std::string>(post, not_ready);
    if (!why) return Busy();
    return why->empty() ? http::Answer{200, "ok\n"} : http::Answer{503, absl::StrCat(*why, "\n")};
  };
  return http::MetricsServer::Start(options, std::move(pages), std::move(guard), log);
}

}  // namespace openelb
