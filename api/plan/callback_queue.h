#pragma once
// Keeps gRPC's threads for callbacks from being ended and begun again within one process.

namespace openelb::plan {

// Channels and servers of gRPC's callback API share one counted completion queue. When the last of
// them goes, gRPC 1.51 ends the threads that poll the queue, and they may free it twice: a crash of
// whoever dials again after a lost stream. After this call the count never comes to zero. To be
// called before a channel or server is made; any number of times, from any thread.
void KeepCallbackQueue();

}  // namespace openelb::plan
