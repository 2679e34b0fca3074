#pragma once
// What we ask of the TCP connections to an API server.

#include <string>

namespace openelb::kube {

// The family of `host`: AF_INET or AF_INET6, of a name that of its first address; AF_UNSPEC when it
// has none. May wait for DNS.
int FamilyOf(const std::string& host);

// Makes the kernel find out that the peer is gone: an idle connection breaks after 11 s of silence,
// one with data under way after 8 s without an acknowledgement. To be called before connecting.
void DetectDeadPeer(int fd);

// Whether an idle connection must not be used again: the peer closed or reset it, was found dead,
// or sent what nobody asked for (in TLS a farewell).
bool IsStale(int fd);

}  // namespace openelb::kube
