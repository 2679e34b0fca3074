#include "api/base/listen_socket.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "api/base/socket_address.h"

namespace openelb {
namespace {

TEST(ListenSocketTest, OneForBothFamiliesShowsWhoComesByWhich) {
  auto listener = ListenSocket::Open({"", 0});
  ASSERT_TRUE(listener.ok()) << listener.status();
  for (const char* host : {"127.0.0.1", "::1"}) {
    SCOPED_TRACE(host);
    const IpAddress address = IpAddress::Parse(host).value();
    SocketAddress to = ToSocketAddress(address, listener->port());
    const int client = socket(address.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(connect(client, to.get(), to.size), 0);
    const auto accepted = AcceptClient(*listener);
    ASSERT_TRUE(accepted.has_value());
    EXPECT_EQ(accepted->address, address);
    SocketAddress own;
    own.size = sizeof own.storage;
    getsockname(client, own.get(), &own.size);
    EXPECT_EQ(accepted->port, PortOf(own.storage));
    close(accepted->fd);
    close(client);
  }
}

}  // namespace
}  // namespace openelb
