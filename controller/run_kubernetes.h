#pragma once
// The controller on the Kubernetes API: one thread that decides and serves speakers, another one
// that talks to the API server (kube/api_side.h).

#include "api/base/log.h"
#include "api/base/signals.h"
#include "controller/options.h"

namespace openelb {

// Runs until a stop signal. The process's exit code.
int RunOnKubernetes(const ControllerFlags& flags, StopSignals* signals, LogSink* sink, Logger* log);

}  // namespace openelb
