#pragma once
// The controller on a folder of manifests: the real seams around Controller, one owner thread.

#include "api/base/log.h"
#include "api/base/signals.h"
#include "controller/options.h"

namespace openelb {

// Runs until a stop signal. The process's exit code.
int RunOnManifests(const ControllerFlags& flags, StopSignals* signals, LogSink* sink, Logger* log);

}  // namespace openelb
