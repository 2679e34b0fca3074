#pragma once
// config/default/speaker.yaml as this program was built with it: what is installed by hand and what
// the controller makes come of one file.

namespace openelb::install {

// YAML: the ServiceAccount and the DaemonSet.
const char* SpeakerManifest();

}  // namespace openelb::install
