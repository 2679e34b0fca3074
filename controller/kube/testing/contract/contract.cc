#include "controller/kube/testing/contract/contract.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "api/codec/parse.h"
#include "api/codec/write.h"
#include "controller/kube/client.h"
#include "controller/kube/json.h"
#include "controller/kube/testing/value_at.h"

namespace openelb::kube::contract {
namespace {

using codec::Value;

struct Collector final : ResponseSink {
  void OnHead(int status, const HttpHeaders& headers) override {
    answer.status = status;
    answer.headers = headers;
  }
  void OnData(absl::string_view data) override { answer.text.append(data.data(), data.size()); }
  void OnDone(const absl::Status& status) override {
    answer.done = status;
    answer.body = ParseJson(answer.text).value_or(Value());
    finished = true;
  }

  Answer answer;
  bool finished = false;
};

std::string YamlToJson(absl::string_view yaml) {
  if (yaml.empty()) return "";
  const codec::ParsedText parsed = codec::ParseYaml(yaml);
  EXPECT_EQ(parsed.documents.size(), 1u) << yaml;
  return parsed.documents.empty() ? "" : codec::ToJson(parsed.documents[0].value);
}

}  // namespace

void Backend::Do(const std::function<void(fake::Server*, FakeTransport*)>&) {
  ADD_FAILURE() << "this is no double";
}

void AddToken(const std::string& audience, fake::Server* server) {
  server->AddToken(kToken, audience, "system:serviceaccount:default:default");
}

Forgotten ForgetPresent(fake::Server* server) {
  HttpRequest request;
  request.path = "/api/v1/namespaces?limit=1";
  const fake::Reply page = server->Serve(request).reply;
  server->Put("{apiVersion: v1, kind: Namespace, metadata: {name: more}}");
  server->Compact();
  return {fake::TextAt(page.body, {"metadata", "resourceVersion"}),
          fake::TextAt(page.body, {"metadata", "continue"})};
}

std::string Answer::reason() const { return fake::TextAt(body, {"reason"}); }
std::string Answer::message() const { return fake::TextAt(body, {"message"}); }
std::string Answer::revision() const { return fake::TextAt(body, {"metadata", "resourceVersion"}); }

std::string Event::name() const { return fake::TextAt(object, {"metadata", "name"}); }
std::string Event::revision() const {
  return fake::TextAt(object, {"metadata", "resourceVersion"});
}

void Stream::OnHead(int head_status, const HttpHeaders&) { status = head_status; }

void Stream::OnData(absl::string_view data) {
  rest_.append(data.data(), data.size());
  for (size_t end; (end = rest_.find('\n')) != std::string::npos; rest_.erase(0, end + 1)) {
    Value event = ParseJson(rest_.substr(0, end)).value_or(Value());
    events.push_back({fake::TextAt(event, {"type"}), event["object"]});
  }
}

void Stream::OnDone(const absl::Status& end) { done = end; }

ContractTest::ContractTest() {
  const ::testing::TestInfo* test = ::testing::UnitTest::GetInstance()->current_test_info();
  ns_ = absl::StrCat("t-", absl::AsciiStrToLower(test->name()).substr(0, 40), "-", getpid());
  EXPECT_EQ(Post("/api/v1/namespaces", absl::StrCat("{metadata: {name: ", ns_, "}}")).status, 201);
}

ContractTest::~ContractTest() {
  for (const auto& [id, stream] : streams_) backend_->transport()->Cancel(id);
}

Answer ContractTest::Post(const std::string& path, absl::string_view body) {
  return Send("POST", path, YamlToJson(body), kJson);
}

Answer ContractTest::Put(const std::string& path, const Value& body) {
  return Send("PUT", path, codec::ToJson(body), kJson);
}

Answer ContractTest::Put(const std::string& path, absl::string_view body) {
  return Send("PUT", path, YamlToJson(body), kJson);
}

Answer ContractTest::Merge(const std::string& path, absl::string_view body) {
  return Send("PATCH", path, YamlToJson(body), kMergePatch);
}

Answer ContractTest::Apply(const std::string& path, absl::string_view manager,
                           absl::string_view body, bool force) {
  return Send("PATCH", absl::StrCat(path, "?fieldManager=", manager, force ? "&force=true" : ""),
              YamlToJson(body), kApplyPatch);
}

Answer ContractTest::Delete(const std::string& path, absl::string_view options) {
  return Send("DELETE", path, YamlToJson(options), kJson);
}

Answer ContractTest::Send(const std::string& method, const std::string& path,
                          const std::string& body, const std::string& content_type,
                          absl::Duration timeout) {
  HttpRequest request;
  request.method = method;
  request.path = path;
  request.body = body;
  request.timeout = timeout;
  if (!body.empty()) request.content_type = content_type;
  auto collector = std::make_shared<Collector>();
  backend_->transport()->Start(std::move(request), collector);
  EXPECT_TRUE(backend_->RunUntil([&] { return collector->finished; })) << method << " " << path;
  return std::move(collector->answer);
}

std::shared_ptr<Stream> ContractTest::Watch(const std::string& path, const std::string& query,
                                            absl::Duration timeout) {
  HttpRequest request;
  request.path = absl::StrCat(path, "?watch=1&", query);
  request.timeout = timeout;
  auto stream = std::make_shared<Stream>();
  streams_.emplace_back(backend_->transport()->Start(std::move(request), stream), stream);
  return stream;
}

Event ContractTest::Next(Stream* stream) {
  for (;;) {
    backend_->RunUntil([&] { return !stream->events.empty() || stream->done.has_value(); });
    if (stream->events.empty()) return {};
    Event event = std::move(stream->events.front());
    stream->events.pop_front();
    if (event.type != "BOOKMARK" || fake::IsGivenAt(event.object, {"metadata", "annotations"})) {
      return event;
    }
  }
}

std::vector<std::string> ContractTest::NextNames(Stream* stream, int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) {
    const Event event = Next(stream);
    names.push_back(absl::StrCat(event.type, " ", event.name()));
  }
  return names;
}

void ContractTest::Cancel(const Stream* stream) {
  for (const auto& [id, each] : streams_) {
    if (each.get() == stream) backend_->transport()->Cancel(id);
  }
}

void ContractTest::Make(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    EXPECT_EQ(Post(Secrets(), absl::StrCat("{metadata: {name: ", name, "}}")).status, 201);
  }
}

std::string ContractTest::MakeEip() {
  const std::string eips = "/apis/network.kubesphere.io/v1alpha2/eips";
  EXPECT_EQ(Post(eips, absl::StrCat("{apiVersion: network.kubesphere.io/v1alpha2, kind: Eip, "
                                    "metadata: {name: ",
                                    ns_, "}, spec: {address: 192.0.2.0/28, protocol: bgp}}"))
                .status,
            201);
  return absl::StrCat(eips, "/", ns_);
}

}  // namespace openelb::kube::contract
