#include "controller/plan_command.h"

#include <cstdio>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "api/base/disk.h"
#include "api/base/program.h"
#include "api/base/version.h"
#include "controller/ipam/ipam.h"
#include "controller/manifests/load.h"
#include "controller/options.h"
#include "controller/plan/planner.h"
#include "controller/plan/render.h"
#include "controller/saved_state.h"

namespace openelb {
namespace {

constexpr char kProgram[] = "openelb-controller plan";

void Complain(absl::string_view what) {
  std::fputs(absl::StrCat(plan::EscapeControls(what), "\n").c_str(), stderr);
}

// What speakers reported to a controller that ran here: their interface prefixes and the choices
// that stick.
void LoadSaved(Disk* status_dir, plan::Planner* planner) {
  const auto text = status_dir->Read(kSavedStateFile);
  if (!text.ok()) return;
  const auto saved = ParseSavedState(*text);
  if (!saved.ok()) return Complain(saved.status().message());
  for (const plan::Fact& fact : saved->facts) {
    if (fact.kind == plan::kPrefixesFact) planner->SetFact(fact);
  }
  planner->LoadAssignments(saved->assignments);
}

int Plan(const PlanFlags& flags, const plan::VrrpOptions& vrrp) {
  FileDisk status_dir(flags.StatusDir());
  const auto loaded = manifests::LoadDirectory(flags.manifests, flags.StatusDir());
  if (!loaded.ok()) {
    Complain(absl::StrCat(kProgram, ": --manifests: ", loaded.status().message()));
    return 1;
  }
  for (const manifests::Problem& problem : loaded->problems) Complain(problem.text);
  ipam::Ipam ipam;
  plan::Planner planner(
      {.speakers_from = plan::Options::Speakers::kDaemonSet, .system_namespace = "", .vrrp = vrrp});
  planner.SetWatchSecret("shown to nobody");
  LoadSaved(&status_dir, &planner);
  bool node_exists = flags.node.empty();
  for (const Object& object : loaded->objects) {
    std::visit(
        [&](const auto& o) {
          if constexpr (requires { ipam.Upsert(o); }) ipam.Upsert(o);
        },
        object);
    planner.Upsert(object);
    node_exists |= KeyOf(object) == ObjectKey{kube::Node::kKind, "", flags.node};
  }
  if (!node_exists) {
    Complain(absl::StrCat(kProgram, ": --node: there is no Node \"", flags.node, "\" in ",
                          flags.manifests));
    return kExitUsage;
  }
  ipam.Start();
  std::map<std::string, plan::ServiceRow> services;
  for (const std::string& service : ipam.TakeChanges().services) {
    const ipam::ServiceState* state = ipam.Find(service);
    if (state == nullptr) continue;
    plan::ServiceRow& row = services[service];
    row.pending = state->pending;
    if (!state->allocation) continue;
    row.pool = state->allocation->pool;
    for (const IpAddress& address : state->allocation->addresses)
      row.addresses.push_back(address.ToString());
    if (state->allocation->protocol == network::Protocol::kBgp) {
      planner.SetAddresses(service, state->allocation->addresses, row.pool);
    } else if (state->allocation->protocol == network::Protocol::kLayer2) {
      planner.SetLayer2(service, row.pool, state->allocation->addresses);
    } else {
      planner.SetVip(service, row.pool, state->allocation->addresses);
    }
  }
  planner.SetPoolProblems(ipam.Problems());
  planner.Step();
  const plan::RenderInput input{
      .planner = planner,
      .services = std::move(services),
      .node = flags.node.empty() ? std::nullopt : std::optional(flags.node),
      .add_path = !flags.no_add_path};
  const auto print = [](absl::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
  };
  flags.output == "json" ? plan::RenderJson(input, print) : plan::RenderTable(input, print);
  return 0;
}

}  // namespace

int RunPlanCommand(std::span<const char* const> args) {
  PlanFlags options;
  FlagSet flags(kProgram, "--manifests DIR [--node NAME] [-o table|json]",
                "Shows what a folder of manifests leads to, and why, without a daemon.");
  DeclarePlanFlags(&flags, &options);
  if (const std::optional<int> exit = ParseOrExit(&flags, args, kProgram, Version())) return *exit;
  const absl::StatusOr<plan::VrrpOptions> vrrp = options.vrrp.Options();
  if (!vrrp.ok()) {
    Complain(absl::StrCat(kProgram, ": ", vrrp.status().message()));
    return kExitUsage;
  }
  return Plan(options, *vrrp);
}

}  // namespace openelb
