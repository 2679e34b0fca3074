#include "controller/kube/testing/http_front.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace openelb::kube {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// What curl prints: the answer's head and body. Independent of every client of ours.
class HttpFrontTest : public ::testing::Test {
 protected:
  HttpFrontTest() {
    folder_ = absl::StrCat(::testing::TempDir(), "/front.XXXXXX");
    if (mkdtemp(folder_.data()) == nullptr) ADD_FAILURE() << folder_;
  }
  ~HttpFrontTest() override { Run(absl::StrCat("rm -r ", folder_)); }

  std::string File(const std::string& name, const std::string& content) {
    const std::string path = absl::StrCat(folder_, "/", name);
    std::ofstream(path) << content;
    return path;
  }
  static std::string Run(const std::string& command) {
    std::string out;
    FILE* pipe = popen(command.c_str(), "r");
    char buffer[4096];
    while (const size_t size = fread(buffer, 1, sizeof(buffer), pipe)) out.append(buffer, size);
    const int status = pclose(pipe);
    return WEXITSTATUS(status) == 0 ? out : absl::StrCat("exit ", WEXITSTATUS(status), "\n", out);
  }
  std::string Curl(const HttpFront& front, const std::string& options, const std::string& path) {
    return Run(absl::StrCat("curl -sS -i -N --max-time 10 --cacert ",
                            File("ca.crt", authority_.certificate()), " ", options, " '",
                            "https://127.0.0.1:", front.port(), path, "' 2>&1"));
  }

  TestAuthority authority_;
  TestCertificate server_ = authority_.Issue("server", "IP:127.0.0.1");
  std::string folder_;
};

TEST_F(HttpFrontTest, ServesInPlainText) {
  HttpFront front;
  const std::string answer = Run(
      absl::StrCat("curl -sS -i http://127.0.0.1:", front.port(), "/api/v1/namespaces/default"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("\"name\":\"default\""));
}

TEST_F(HttpFrontTest, TakesTokensAndCertificatesOfItsAuthority) {
  HttpFront front(server_, {{"good"}, authority_.certificate()});
  const std::string path = "/api/v1/namespaces/default";
  EXPECT_THAT(Curl(front, "-H 'Authorization: Bearer good'", path), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Curl(front, "-H 'Authorization: Bearer bad'", path), StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(Curl(front, "", path), HasSubstr("\"reason\":\"Unauthorized\""));
  TestAuthority other;
  for (const bool ours : {true, false}) {
    const TestCertificate client = (ours ? authority_ : other).Issue("client", "");
    EXPECT_THAT(Curl(front,
                     absl::StrCat("--cert ", File("client.crt", client.certificate), " --key ",
                                  File("client.key", client.key)),
                     path),
                StartsWith(ours ? "HTTP/1.1 200" : "HTTP/1.1 401"));
  }
}

TEST_F(HttpFrontTest, ShowsTheCertificateItIsGiven) {
  HttpFront front(server_);
  front.SetCertificate(authority_.Issue("server", "IP:127.0.0.1", -absl::Hours(1)));
  EXPECT_THAT(Curl(front, "", "/api/v1/nodes"), StartsWith("exit 60"));
  front.SetCertificate(authority_.Issue("server", "DNS:example.org"));
  EXPECT_THAT(Curl(front, "", "/api/v1/nodes"), StartsWith("exit 60"));
  front.SetCertificate(server_);
  EXPECT_THAT(Curl(front, "", "/api/v1/nodes"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpFrontTest, KeepsConnectionsAndTakesBodies) {
  HttpFront front(server_);
  const std::string made =
      Curl(front, "-H 'Content-Type: application/json' -d '{\"metadata\":{\"name\":\"n1\"}}'",
           "/api/v1/nodes");
  EXPECT_THAT(made, StartsWith("HTTP/1.1 201"));
  const int before = front.accepted();
  const std::string two = Curl(front, "", "/api/v1/nodes/{n1,n2}");
  EXPECT_THAT(two, HasSubstr("HTTP/1.1 200"));
  EXPECT_THAT(two, HasSubstr("HTTP/1.1 404"));
  EXPECT_EQ(front.accepted(), before + 1);
}

TEST_F(HttpFrontTest, StreamsAWatchAndCutsWhereTheFaultSays) {
  HttpFront front(server_);
  const std::string watch = Curl(front, "", "/api/v1/namespaces?watch=1&timeoutSeconds=1");
  EXPECT_THAT(watch, HasSubstr("Transfer-Encoding: chunked"));
  EXPECT_THAT(watch, HasSubstr("\"type\":\"ADDED\""));
  front.Do([](fake::Server*, FakeTransport* transport) {
    fake::Fault fault;
    fault.kind = fake::Fault::Kind::kCut;
    fault.bytes = 20;
    transport->Inject(fault);
    fault.bytes = 0;
    transport->Inject(fault);
  });
  const std::string cut = Curl(front, "", "/api/v1/namespaces");
  EXPECT_THAT(cut, StartsWith("exit "));
  EXPECT_THAT(cut, HasSubstr("{\"apiVersion\":\"v1\","));
  EXPECT_THAT(Curl(front, "", "/api/v1/namespaces"), StartsWith("exit "));
  EXPECT_THAT(Curl(front, "", "/api/v1/namespaces"), StartsWith("HTTP/1.1 200"));
}

}  // namespace
}  // namespace openelb::kube
