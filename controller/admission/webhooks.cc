#include "controller/admission/webhooks.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/admission/default_eip.h"
#include "controller/admission/judge.h"

namespace openelb::admission {
namespace {

// Octets: two objects of the 1.5 MiB that an API server stores, and what is around them.
constexpr size_t kMostBody = 4 << 20;

std::map<std::string, ReviewDesk::Judgement, std::less<>> Judgements(Knowledge* known,
                                                                     bool default_eip) {
  const auto by = [known](Verdict (*judge)(const Review&, Knowledge*)) {
    return [known, judge](const Review& review) {
      return known->complete() ? std::optional(judge(review, known)) : std::nullopt;
    };
  };
  // Also without the flag: the API server may still have an object that names this webhook.
  const auto nothing = [](const Review&) { return std::optional(Verdict()); };
  return {{kValidatePath, by(Judge)},
          {kOldValidatePath, by(Judge)},
          {kMutatePath, default_eip ? ReviewDesk::Judgement(by(ChooseForUser))
                                    : ReviewDesk::Judgement(nothing)}};
}

}  // namespace

Webhooks::Webhooks(const WebhookOptions& options, Post to_controller, Knowledge* known,
                   const Clock* clock, Logger* log)
    : options_(options),
      log_(log),
      loop_(clock),
      desk_(Judgements(known, options.default_eip),
            {.clock = clock,
             .to_controller = std::move(to_controller),
             .to_desk = [this](std::function<void()> task) { loop_.Post(std::move(task)); }}),
      thread_([this] { loop_.Run(&desk_); }) {}

Webhooks::~Webhooks() {
  server_.reset();
  loop_.Stop();
  thread_.join();
}

absl::StatusOr<std::unique_ptr<http::Server>> Webhooks::Serve(const tls::KeyPair& certificate) {
  auto context = tls::ServerContext::Of(certificate);
  if (!context.ok()) return context.status();
  tls_ = *std::move(context);
  return http::Server::Start(
      {.address = HostPort{"", options_.port},
       .tls = tls_,
       .takes = {.methods = {"POST"}, .most_body = kMostBody}},
      [this](http::Request request, http::Server::Reply reply) {
        loop_.Post([this, request = std::move(request), reply = std::move(reply)] {
          desk_.OnRequest(request.path, request.body, reply);
        });
      });
}

void Webhooks::SetCertificate(const tls::KeyPair& certificate) {
  if (options_.port == 0) return;
  if (server_ != nullptr) {
    if (const absl::Status set = tls_->SetCertificate(certificate); !set.ok())
      log_->Damped("webhook certificate", "webhooks go on with the certificate that they had",
                   set.message());
    return;
  }
  auto server = Serve(certificate);
  if (!server.ok()) {
    log_->Damped("webhooks", "webhooks are not served", server.status().message(),
                 {{"flag", "--webhook-port"}});
    return;
  }
  log_->Info("webhooks are served", {{"port", (*server)->port()}});
  MutexLock lock(&mutex_);
  server_ = *std::move(server);
}

WebhookCounters Webhooks::counters() {
  WebhookCounters counters;
  {
    MutexLock lock(&mutex_);
    if (server_ != nullptr) counters.server = server_->counters();
  }
  counters.reviews =
      Ask<ReviewCounters>([this](std::function<void()> task) { loop_.Post(std::move(task)); },
                          [this] { return desk_.counters(); })
          .value_or(ReviewCounters());
  return counters;
}

}  // namespace openelb::admission
