#pragma once
// `openelb-controller plan`: what a folder of manifests would lead to, and why, without a daemon.

#include <span>

namespace openelb {

// Prints to standard output; problems with the manifests go to standard error, a line each. Returns
// the exit code: 0, also when some manifests are wrong and the rest was planned; 1 when the folder
// cannot be read; 2 for a wrong command line.
int RunPlanCommand(std::span<const char* const> args);

}  // namespace openelb
