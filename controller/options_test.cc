#include "controller/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "absl/strings/str_cat.h"
#include "api/base/temp_folder.h"

namespace openelb {
namespace {

using ::testing::HasSubstr;

// The error of a command line, or empty.
std::string ErrorOf(const std::vector<const char*>& args, ControllerFlags* options) {
  FlagSet flags("openelb-controller", "", "");
  DeclareControllerFlags(&flags, options);
  absl::Status status = flags.Parse(args);
  if (status.ok()) status = CheckControllerFlags(*options);
  return std::string(status.message());
}

TEST(ControllerOptionsTest, TheDocumentedCommandLine) {
  ControllerFlags options;
  EXPECT_EQ(ErrorOf({"--manifests", "m", "--plan-addr", "127.0.0.1:7", "--metrics-addr=:0",
                     "--plan-insecure"},
                    &options),
            "");
  EXPECT_EQ(options.StatusDir(), "m/.status");
  EXPECT_EQ(options.plan_addr, (HostPort{"127.0.0.1", 7}));
  EXPECT_EQ(options.bfd_interval, absl::Milliseconds(100));
  EXPECT_EQ(options.bfd_multiplier, 3);
  options = {};
  EXPECT_EQ(
      ErrorOf({"--manifests=m", "--plan-insecure", "--bfd-interval=10ms", "--bfd-multiplier=255"},
              &options),
      "");
  EXPECT_EQ(options.bfd_interval, absl::Milliseconds(10));
  EXPECT_EQ(options.bfd_multiplier, 255);
  options = {};
  EXPECT_EQ(ErrorOf({"--manifests=m", "--status-dir=s", "--plan-tls-cert=c", "--plan-tls-key=k",
                     "--token-file=t"},
                    &options),
            "");
  options = {};
  EXPECT_EQ(ErrorOf({"--manifests=m", "--plan-insecure", "--metrics-secure", "--metrics-tls-ca=c"},
                    &options),
            "");
}

TEST(ControllerOptionsTest, APodNeedsNoFlags) {
  const std::map<std::string, std::string> environment = {{"KUBERNETES_SERVICE_HOST", "10.96.0.1"},
                                                          {"KUBERNETES_SERVICE_PORT", "443"},
                                                          {"OPENELB_NAMESPACE", "lb"},
                                                          {"POD_NAME", "openelb-controller-1"},
                                                          {"POD_IP", "fd00::7"}};
  ControllerFlags options;
  options.environment = ReadPodEnvironment([&](const char* name) -> const char* {
    const auto it = environment.find(name);
    return it == environment.end() ? nullptr : it->second.c_str();
  });
  EXPECT_EQ(ErrorOf({}, &options), "");
  EXPECT_EQ(options.environment.namespace_name, "lb");
  EXPECT_EQ(options.PlanEndpoint(), "[fd00::7]:50051");
}

TEST(ControllerOptionsTest, Vrrp) {
  ControllerFlags options;
  EXPECT_EQ(ErrorOf({"--manifests=m", "--plan-insecure"}, &options), "");
  plan::VrrpOptions vrrp = options.PlanOptions().vrrp;
  EXPECT_EQ(vrrp.first_vrid, 1);
  EXPECT_EQ(vrrp.last_vrid, 255);
  EXPECT_EQ(vrrp.version, 3);
  EXPECT_EQ(vrrp.interval, absl::Milliseconds(100));
  EXPECT_FALSE(vrrp.preempt);
  EXPECT_FALSE(vrrp.unicast);
  EXPECT_EQ(
      ErrorOf({"--manifests=m", "--plan-insecure", "--vrrp-vrid-range=40-40", "--vrrp-version=2",
               "--vrrp-interval=40.95s", "--vrrp-preempt", "--vrrp-unicast"},
              &options),
      "");
  vrrp = options.PlanOptions().vrrp;
  EXPECT_EQ(vrrp.first_vrid, 40);
  EXPECT_EQ(vrrp.last_vrid, 40);
  EXPECT_EQ(vrrp.version, 2);
  EXPECT_EQ(vrrp.interval, absl::Milliseconds(40'950));
  EXPECT_TRUE(vrrp.preempt);
  EXPECT_TRUE(vrrp.unicast);
}

TEST(ControllerOptionsTest, WrongOnesNameTheFlag) {
  struct Case {
    std::vector<const char*> args;
    const char* error;
  };
  for (const Case& c :
       {Case{{"--plan-insecure"}, "--kubeconfig"},
        Case{{"--manifests=", "--plan-insecure"}, "--kubeconfig"},
        Case{{"--kubeconfig=k"}, "--plan-endpoint"},
        Case{{"--kubeconfig=k", "--manifests=m", "--plan-insecure"}, "--kubeconfig"},
        Case{{"--kubeconfig=k", "--plan-endpoint=h:1", "--status-dir=s"}, "--status-dir"},
        Case{{"--kubeconfig=k", "--plan-endpoint=h:1", "--token-file=t"}, "--token-file"},
        Case{{"--kubeconfig=k", "--plan-endpoint=h:1", "--plan-tls-cert=c"}, "--plan-tls-key"},
        Case{{"--kubeconfig=k", "--plan-endpoint=h:1", "--plan-tls-cert=c", "--plan-tls-key=k",
              "--plan-insecure"},
             "--plan-insecure"},
        Case{{"--manifests=m"}, "--plan-tls-cert"},
        Case{{"--manifests=m", "--plan-tls-cert=c"}, "--plan-tls-key"},
        Case{{"--manifests=m", "--plan-tls-cert=c", "--plan-tls-key=k"}, "--token-file"},
        Case{{"--manifests=m", "--plan-insecure", "--token-file=t"}, "--plan-insecure"},
        Case{{"--manifests=m", "--plan-insecure", "--plan-addr=nonsense"}, "--plan-addr"},
        Case{{"--manifests=m", "--plan-insecure", "--settle=soon"}, "--settle"},
        Case{{"--manifests=m", "--plan-insecure", "--bfd-interval=9ms"},
             "--bfd-interval: \"9ms\" (allowed: 10ms..1m)"},
        Case{{"--manifests=m", "--plan-insecure", "--bfd-interval=61s"},
             "--bfd-interval: \"1m1s\" (allowed: 10ms..1m)"},
        Case{{"--manifests=m", "--plan-insecure", "--bfd-multiplier=0"}, "--bfd-multiplier: \"0\""},
        Case{{"--manifests=m", "--plan-insecure", "--bfd-multiplier=256"},
             "--bfd-multiplier: \"256\""},
        Case{{"--manifests=m", "--plan-insecure", "--vrrp-vrid-range=0-9"},
             "--vrrp-vrid-range: \"0-9\" is not FIRST-LAST within 1-255"},
        Case{{"--manifests=m", "--plan-insecure", "--vrrp-vrid-range=9-256"}, "--vrrp-vrid-range"},
        Case{{"--manifests=m", "--plan-insecure", "--vrrp-vrid-range=9-8"}, "--vrrp-vrid-range"},
        Case{{"--manifests=m", "--plan-insecure", "--vrrp-vrid-range=9"}, "--vrrp-vrid-range"},
        Case{{"--manifests=m", "--plan-insecure", "--vrrp-interval=15ms"},
             "--vrrp-interval: 15ms is not within 10ms-40.95s in steps of 10ms"},
        Case{{"--manifests=m", "--plan-insecure", "--vrrp-interval=41s"}, "--vrrp-interval"},
        Case{{"--manifests=m", "--plan-insecure", "--vrrp-interval=0s"}, "--vrrp-interval"},
        Case{{"--manifests=m", "--plan-insecure", "--vrrp-version=4"}, "--vrrp-version"},
        Case{{"--manifests=m", "--plan-insecure", "--metrics-tls-ca=c"},
             "--metrics-tls-ca: needs --metrics-secure"},
        Case{{"--manifests=m", "--plan-insecure", "--metrics-secure"},
             "--metrics-tls-ca: required with --manifests and --metrics-secure"},
        Case{{"--manifests=m", "--plan-insecure", "--nonsense"}, "--nonsense"},
        Case{{"--manifests=m", "--plan-insecure", "stray"}, "stray"}}) {
    ControllerFlags options;
    EXPECT_THAT(ErrorOf(c.args, &options), HasSubstr(c.error));
  }
}

TEST(ControllerOptionsTest, TheStatusFolderDoesNotHoldTheManifests) {
  const TempFolder temp;
  const std::string dir = temp.path();
  std::filesystem::create_directories(dir + "/site/sub");
  std::filesystem::create_symlink("site", dir + "/link");
  struct Case {
    std::string manifests;
    std::string status_dir;
    bool right;
  };
  for (const Case& c : {Case{"/site", "/site", false}, Case{"/site", "/link/", false},
                        Case{"/link", "/site/sub/..", false}, Case{"/site/sub", "/site", false},
                        Case{"/site/sub", "/link", false}, Case{"/new/sub", "/new", false},
                        Case{"/new", "/new/", false}, Case{"/site", "/site/sub", true},
                        Case{"/site", "/link/.status", true}, Case{"/site", "/site2", true},
                        Case{"/new", "/status", true}}) {
    ControllerFlags options;
    const std::string manifests = absl::StrCat("--manifests=", dir, c.manifests);
    const std::string status_dir = absl::StrCat("--status-dir=", dir, c.status_dir);
    const std::string error =
        ErrorOf({manifests.c_str(), status_dir.c_str(), "--plan-insecure"}, &options);
    EXPECT_EQ(error.empty(), c.right) << c.manifests << " " << c.status_dir;
    if (!c.right) {
      EXPECT_THAT(error, HasSubstr(absl::StrCat("--status-dir: \"", dir, c.status_dir, "\"")));
    }
  }
  ControllerFlags options;
  EXPECT_THAT(ErrorOf({"--manifests=no/such", "--status-dir=no", "--plan-insecure"}, &options),
              HasSubstr("--status-dir"));
}

TEST(ControllerOptionsTest, OpenElbsFlagsAreTaken) {
  ControllerFlags options;
  EXPECT_EQ(ErrorOf({"--manifests=m", "--plan-insecure", "--metrics-addr=:50052",
                     "--webhook-port=443", "--leader-elect", "--webhook-cert-dir=/tmp/certs",
                     "--readiness-addr=0", "--api-hosts=:50051", "-v=4"},
                    &options),
            "");
}

}  // namespace
}  // namespace openelb
