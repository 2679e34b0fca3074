#include "controller/kube/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace openelb::kube {
namespace {

using ::testing::HasSubstr;

constexpr absl::string_view kPem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

class ConfigTest : public ::testing::Test {
 protected:
  ConfigTest()
      : folder_(std::filesystem::path(::testing::TempDir()) /
                ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::create_directories(folder_);
  }
  ~ConfigTest() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& name, absl::string_view content) const {
    std::ofstream(folder_ / name) << content;
  }

  const std::filesystem::path folder_;
};

TEST_F(ConfigTest, InClusterFromVariablesAndFiles) {
  Write("ca.crt", kPem);
  Write("token", "abc\n");
  Write("namespace", "openelb-system\n");
  struct Case {
    const char* host;
    const char* port;
    const char* want_host;
    uint16_t want_port;
  };
  for (const Case& c :
       {Case{"10.96.0.1", "443", "10.96.0.1", 443}, Case{"fd00:96::1", "6443", "fd00:96::1", 6443},
        Case{"api.internal", "443", "api.internal", 443}}) {
    const absl::StatusOr<ServerConfig> config = InClusterConfig(c.host, c.port, folder_);
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_TRUE(config->tls);
    EXPECT_EQ(config->host, c.want_host);
    EXPECT_EQ(config->port, c.want_port);
    EXPECT_EQ(config->ca.file, folder_ / "ca.crt");
    EXPECT_EQ(config->token_file, folder_ / "token");
    EXPECT_EQ(config->pod_namespace, "openelb-system");
    EXPECT_FALSE(config->insecure_skip_tls_verify);
  }
  std::filesystem::remove(folder_ / "namespace");
  EXPECT_EQ(InClusterConfig("10.96.0.1", "443", folder_)->pod_namespace, "");
}

TEST_F(ConfigTest, InClusterErrorsNameVariableOrFile) {
  const auto error = [this](const char* host, const char* port) {
    const absl::Status status = InClusterConfig(host, port, folder_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    return std::string(status.message());
  };
  EXPECT_EQ(error("", ""),
            "KUBERNETES_SERVICE_HOST is not set; outside of a pod, name a kubeconfig file");
  EXPECT_THAT(error("10.96.0.1", "https"), HasSubstr("KUBERNETES_SERVICE_PORT"));
  EXPECT_THAT(error("10.96.0.1", "443"), HasSubstr((folder_ / "ca.crt").string()));
  Write("ca.crt", kPem);
  EXPECT_THAT(error("10.96.0.1", "443"), HasSubstr((folder_ / "token").string()));
  Write("token", " \n");
  EXPECT_THAT(error("10.96.0.1", "443"), HasSubstr((folder_ / "token").string() + " is empty"));
}

// What kubeadm writes, and a second user and cluster.
std::string Kubeconfig() {
  return absl::StrReplaceAll(R"(apiVersion: v1
kind: Config
preferences: {}
current-context: admin@kubernetes
contexts:
- name: other
  context: {cluster: other, user: other}
- name: admin@kubernetes
  context:
    cluster: kubernetes
    namespace: kube-system
    user: admin
clusters:
- name: other
  cluster: {server: "http://127.0.0.1:8001"}
- name: kubernetes
  cluster:
    certificate-authority-data: PEM
    server: https://192.168.0.2:6443
users:
- name: other
  user: {}
- name: admin
  user:
    client-certificate-data: PEM
    client-key-data: PEM
)",
                             {{"PEM", absl::Base64Escape(kPem)}});
}

TEST_F(ConfigTest, KubeconfigOfKubeadm) {
  const absl::StatusOr<ServerConfig> config = ParseKubeconfig(Kubeconfig(), "/etc/k/admin.conf");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->tls);
  EXPECT_EQ(config->host, "192.168.0.2");
  EXPECT_EQ(config->port, 6443);
  EXPECT_EQ(config->base_path, "");
  EXPECT_EQ(config->ca.data, kPem);
  EXPECT_EQ(config->client_certificate.data, kPem);
  EXPECT_EQ(config->client_key.data, kPem);
  EXPECT_EQ(config->pod_namespace, "kube-system");
}

TEST_F(ConfigTest, KubeconfigWithFilesBesideIt) {
  Write("config", absl::StrReplaceAll(
                      Kubeconfig(),
                      {{"client-certificate-data:", "client-certificate: pki/admin.crt #"},
                       {"client-key-data:", "client-key: /abs/admin.key #"},
                       {"    certificate-authority-data:",
                        "    tls-server-name: kubernetes\n    certificate-authority: ../ca.crt #"},
                       {"  user:\n", "  user:\n    token: abc\n    tokenFile: token\n"}}));
  const absl::StatusOr<ServerConfig> config = ReadKubeconfig(folder_ / "config");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->ca.file, folder_.parent_path() / "ca.crt");
  EXPECT_EQ(config->client_certificate.file, folder_ / "pki/admin.crt");
  EXPECT_EQ(config->client_key.file, "/abs/admin.key");
  EXPECT_EQ(config->token, "abc");
  EXPECT_EQ(config->token_file, folder_ / "token");
  EXPECT_EQ(config->tls_server_name, "kubernetes");
}

TEST_F(ConfigTest, ServersAsPeopleWriteThem) {
  struct Case {
    const char* server;
    bool tls;
    const char* host;
    uint16_t port;
    const char* base_path;
  };
  for (const Case& c : {Case{"https://[fd00::1]:6443", true, "fd00::1", 6443, ""},
                        Case{"https://[fd00::1]", true, "fd00::1", 443, ""},
                        Case{"https://api.example.com", true, "api.example.com", 443, ""},
                        Case{"https://api.example.com/", true, "api.example.com", 443, ""},
                        Case{"http://127.0.0.1:8001", false, "127.0.0.1", 8001, ""},
                        Case{"http://localhost", false, "localhost", 80, ""},
                        Case{"https://rancher.example.com:8443/k8s/clusters/c-1/", true,
                             "rancher.example.com", 8443, "/k8s/clusters/c-1"}}) {
    const absl::StatusOr<ServerConfig> config = ParseKubeconfig(
        absl::StrReplaceAll(Kubeconfig(), {{"https://192.168.0.2:6443", c.server}}), "config");
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->tls, c.tls) << c.server;
    EXPECT_EQ(config->host, c.host);
    EXPECT_EQ(config->port, c.port);
    EXPECT_EQ(config->base_path, c.base_path);
  }
}

TEST_F(ConfigTest, KubeconfigErrorsNameFileLineAndField) {
  struct Case {
    const char* from;
    const char* to;
    const char* want;
  };
  const Case cases[] = {
      {"current-context: admin@kubernetes", "", "[current-context]: missing"},
      {"current-context: admin@kubernetes", "current-context: none",
       "line 4: [current-context]: there is no none in contexts"},
      {"    cluster: kubernetes", "    cluster: none", "contexts[1].context.cluster: there is no"},
      {"    user: admin", "    user: none", "contexts[1].context.user: there is no none in users"},
      {"    server: https://192.168.0.2:6443", "", "clusters[1].cluster.server: missing"},
      {"https://192.168.0.2:6443", "192.168.0.2:6443", "must begin with https:// or http://"},
      {"https://192.168.0.2:6443", "https://192.168.0.2:99999", "the port must be 0..65535"},
      {"https://192.168.0.2:6443", "https://fd00::1:6443", "an IPv6 address needs brackets"},
      {"https://192.168.0.2:6443", "https://:6443", "names no host"},
      {"https://192.168.0.2:6443", "https://h/?a=b", "more than a host, a port and a path"},
      {"    server:", "    proxy-url: http://p\n    server:",
       "clusters[1].cluster[proxy-url]: proxies are not supported"},
      {"    server:", "    insecure-skip-tls-verify: true\n    server:",
       "[insecure-skip-tls-verify]: true contradicts certificate-authority"},
      {"    server:", "    insecure-skip-tls-verify: 1\n    server:", "1 is not true or false"},
      {"    certificate-authority-data: ", "    certificate-authority-data: \"%\" #",
       "clusters[1].cluster[certificate-authority-data]: not PEM in base64"},
      {"    client-key-data: ", "    client-key-data: aGVsbG8= #",
       "users[1].user[client-key-data]: not PEM in base64"},
      {"    client-key-data: ", "    x: ", "client-certificate and client-key go together"},
      {"    client-certificate-data: ", "    exec: {command: aws}\n    client-certificate-data: ",
       "line 25: users[1].user.exec: no program is run"},
      {"    client-certificate-data: ", "    auth-provider: {}\n    client-certificate-data: ",
       "users[1].user[auth-provider]: no program is run"},
      {"    client-certificate-data: ", "    password: x\n    client-certificate-data: ",
       "users[1].user.password: not supported"},
      {"users:", "users: 3\nx:", "users: 3 is not a list"},
      {"users:", "users: [", "line 2"},
  };
  for (const Case& c : cases) {
    const std::string text = absl::StrReplaceAll(Kubeconfig(), {{c.from, c.to}});
    ASSERT_NE(text, Kubeconfig()) << c.from;
    const absl::Status status = ParseKubeconfig(text, "/etc/k/admin.conf").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.to;
    EXPECT_THAT(status.message(), HasSubstr("kubeconfig /etc/k/admin.conf: ")) << c.to;
    EXPECT_THAT(status.message(), HasSubstr(c.want)) << c.to;
  }
  EXPECT_THAT(ParseKubeconfig("", "f").status().message(), HasSubstr("not one YAML map"));
  EXPECT_THAT(ParseKubeconfig("a: 1\n---\nb: 2\n", "f").status().message(),
              HasSubstr("not one YAML map"));
  EXPECT_THAT(ReadKubeconfig("/none/config").status().message(),
              HasSubstr("kubeconfig: open /none/config: "));
}

TEST_F(ConfigTest, ErrorsShowNoSecret) {
  const std::string text = absl::StrReplaceAll(
      Kubeconfig(), {{"    client-key-data: ", "    token: 123456\n    client-key-data: x"}});
  const absl::Status status = ParseKubeconfig(text, "f").status();
  EXPECT_THAT(status.message(), HasSubstr("users[1].user.token: not a string"));
  EXPECT_THAT(status.message(), ::testing::Not(HasSubstr("123456")));
}

}  // namespace
}  // namespace openelb::kube
