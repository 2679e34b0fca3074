#include "controller/serving.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb {
namespace {

HttpReply Busy() { return {503, "the owner thread does not answer\n"}; }

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

std::unique_ptr<HttpServer> ServeHttp(const std::optional<HostPort>& address, const Post& post,
                                      Metrics* metrics, std::function<void()> update,
                                      std::function<std::string()> not_ready, Logger* log) {
  if (!address) return nullptr;
  HttpHandlers handlers;
  handlers["/metrics"] = [metrics, update = std::move(update)] {
    update();
    return HttpReply{200, metrics->Expose()};
  };
  handlers["/healthz"] = [post] {
    return Ask<bool>(post, [] { return true; }) ? HttpReply{200, "ok\n"} : Busy();
  };
  handlers["/readyz"] = [post, not_ready = std::move(not_ready)] {
    const std::optional<std::string> why = Ask<std::string>(post, not_ready);
    if (!why) return Busy();
    return why->empty() ? HttpReply{200, "ok\n"} : HttpReply{503, absl::StrCat(*why, "\n")};
  };
  auto started = HttpServer::Start(*address, std::move(handlers));
  if (started.ok()) return std::move(*started);
  log->Error("metrics are not served", {{"error", started.status().message()}});
  return nullptr;
}

}  // namespace openelb
