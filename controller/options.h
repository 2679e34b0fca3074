#pragma once
// The command line of openelb-controller.

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "api/base/flags.h"
#include "api/base/host_port.h"
#include "api/base/program.h"
#include "controller/plan/planner.h"

namespace openelb {

// What Kubernetes and the manifest tell a pod; members are empty where they do not.
struct PodEnvironment {
  std::string namespace_name = "openelb-system";
  std::string pod_name;
  std::string pod_ip;
  std::string api_host;
  std::string api_port;
};

// `getenv` as in the C library.
PodEnvironment ReadPodEnvironment(const std::function<const char*(const char* name)>& getenv);

// How virtual routers run, for all Eips of protocol vip.
struct VrrpFlags {
  std::string vrid_range = "1-255";
  std::string version = "3";
  absl::Duration interval = plan::VrrpOptions().interval;
  bool preempt = false;
  bool unicast = false;

  // Error: InvalidArgument, one line that names the flag.
  absl::StatusOr<plan::VrrpOptions> Options() const;
};

struct ControllerFlags {
  CommonOptions common = {.metrics_addr = HostPort{"", 50052}};
  PodEnvironment environment;
  std::string manifests;      // empty: the Kubernetes API
  std::string kubeconfig;     // empty: as the environment of a pod says
  std::string status_dir;     // empty: MANIFESTS/.status
  std::string plan_endpoint;  // empty: the pod's address and the port of plan_addr
  HostPort plan_addr = {"", 50051};
  std::string plan_tls_cert;
  std::string plan_tls_key;
  std::string plan_tls_ca;
  std::string token_file;
  bool plan_insecure = false;
  std::string speaker_service_account = "openelb-speaker";
  bool speakers_return = true;
  absl::Duration settle = absl::Seconds(10);
  absl::Duration endpoint_grace = absl::Milliseconds(1500);  // in a cluster
  absl::Duration drain_time = absl::Seconds(10);
  absl::Duration bfd_interval = absl::Milliseconds(100);
  int64_t bfd_multiplier = 3;
  VrrpFlags vrrp;
  int64_t webhook_port = 9443;  // in a cluster; 0: none
  bool default_eip_webhook = false;

  std::string StatusDir() const { return status_dir.empty() ? manifests + "/.status" : status_dir; }
  // CheckControllerFlags has passed.
  plan::Options PlanOptions() const;
  // HOST:PORT where speakers reach this controller.
  std::string PlanEndpoint() const;
};

// Declares every flag, those of OpenELB's controller included. `options` outlives `flags`.
void DeclareControllerFlags(FlagSet* flags, ControllerFlags* options);

// What single flags cannot tell. Error: InvalidArgument, one line that names the flag.
absl::Status CheckControllerFlags(const ControllerFlags& options);

struct PlanFlags {
  std::string manifests;
  std::string status_dir;
  std::string node;
  std::string output = "table";
  bool no_add_path = false;
  VrrpFlags vrrp;

  std::string StatusDir() const { return status_dir.empty() ? manifests + "/.status" : status_dir; }
};

// The flags of `openelb-controller plan`.
void DeclarePlanFlags(FlagSet* flags, PlanFlags* options);

}  // namespace openelb
