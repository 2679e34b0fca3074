#include "speaker/io/address_monitor.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>

#include <cstring>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "speaker/io/test_namespace.h"

namespace openelb::io {
namespace {

// Builds datagrams as the kernel sends them.
class Datagram {
 public:
  template <typename Body>
  Datagram& Message(uint16_t type, const Body& body, const std::string& attributes = "",
                    uint16_t flags = 0) {
    nlmsghdr header{};
    header.nlmsg_len =
        static_cast<uint32_t>(sizeof(header) + NLMSG_ALIGN(sizeof(body)) + attributes.size());
    header.nlmsg_type = type;
    header.nlmsg_flags = flags;
    Append(&header, sizeof(header));
    Append(&body, sizeof(body));
    bytes_ += attributes;
    return *this;
  }
  std::span<const uint8_t> bytes() const {
    return {reinterpret_cast<const uint8_t*>(bytes_.data()), bytes_.size()};
  }

 private:
  void Append(const void* data, size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
    bytes_.append(NLMSG_ALIGN(size) - size, '\0');
  }
  std::string bytes_;
};

std::string Attribute(uint16_t type, std::string value) {
  rtattr header{};
  header.rta_type = type;
  header.rta_len = static_cast<uint16_t>(sizeof(header) + value.size());
  value.append(RTA_ALIGN(value.size()) - value.size(), '\0');
  return std::string(reinterpret_cast<const char*>(&header), sizeof(header)) + value;
}

ifinfomsg Link(int index, unsigned flags) {
  ifinfomsg link{};
  link.ifi_index = index;
  link.ifi_flags = flags;
  return link;
}

ifaddrmsg Address(unsigned index, uint8_t family, uint8_t length, uint8_t scope = RT_SCOPE_UNIVERSE,
                  uint8_t flags = 0) {
  ifaddrmsg address{};
  address.ifa_family = family;
  address.ifa_prefixlen = length;
  address.ifa_scope = scope;
  address.ifa_flags = flags;
  address.ifa_index = index;
  return address;
}

const std::string kV4("\xc0\x00\x02\x03", 4);  // 192.0.2.3
const std::string kPeerV4("\xc0\x00\x02\x04", 4);

std::string Read(const Datagram& datagram) {
  LinkTable table;
  const absl::StatusOr<bool> complete = ParseDump(datagram.bytes(), &table);
  if (!complete.ok()) return std::string(complete.status().message());
  std::string text;
  for (const InterfaceAddress& address : table.Addresses()) {
    text += address.interface + " " + address.ToString() + ";";
  }
  return text + (*complete ? "done" : "more");
}

TEST(ParseDumpTest, KeepsUsableAddressesOfLinksThatAreUp) {
  const std::string eth0 = Attribute(IFLA_IFNAME, std::string("eth0\0", 5));
  const Datagram up = Datagram().Message(RTM_NEWLINK, Link(2, IFF_UP), eth0);
  auto with = [&](const ifaddrmsg& header, const std::string& attributes) {
    return Read(Datagram(up).Message(RTM_NEWADDR, header, attributes));
  };
  const std::string local = Attribute(IFA_LOCAL, kV4);
  EXPECT_EQ(with(Address(2, AF_INET, 24), local), "eth0 192.0.2.3/24;more");
  EXPECT_EQ(with(Address(2, AF_INET, 24), Attribute(IFA_ADDRESS, kV4)), "eth0 192.0.2.3/24;more");
  EXPECT_EQ(with(Address(2, AF_INET, 32), Attribute(IFA_ADDRESS, kPeerV4) + local),
            "eth0 192.0.2.3/32;more");
  EXPECT_EQ(with(Address(3, AF_INET, 24), local), "more") << "no such link";
  EXPECT_EQ(with(Address(2, AF_INET, 24, RT_SCOPE_LINK), local), "more") << "link-local";
  EXPECT_EQ(with(Address(2, AF_INET, 24, RT_SCOPE_UNIVERSE, IFA_F_TENTATIVE), local), "more");
  EXPECT_EQ(with(Address(2, AF_DECnet, 24), local), "more") << "another family";

  auto alone = [&](const ifinfomsg& link) {
    return Read(Datagram()
                    .Message(RTM_NEWLINK, link, eth0)
                    .Message(RTM_NEWADDR, Address(2, AF_INET, 24), local));
  };
  EXPECT_EQ(alone(Link(2, 0)), "more") << "down";
  EXPECT_EQ(alone(Link(2, IFF_UP | IFF_LOOPBACK)), "more");
}

TEST(ParseDumpTest, DescribesInterfaces) {
  const std::string forwarding("\1\0\0\0\5\0\0\0", 8);
  const std::string attributes =
      Attribute(IFLA_IFNAME, std::string("eth0\0", 5)) +
      Attribute(IFLA_ADDRESS, std::string("\x02\0\x5e\x10\0\1", 6)) +
      Attribute(IFLA_MTU, std::string("\xdc\x05\0\0", 4)) +
      Attribute(IFLA_AF_SPEC, Attribute(AF_INET6, Attribute(IFLA_INET6_CONF, forwarding)));
  const Datagram datagram =
      Datagram()
          .Message(RTM_NEWLINK, Link(2, IFF_UP | IFF_RUNNING), attributes)
          .Message(RTM_NEWLINK, Link(3, IFF_RUNNING), Attribute(IFLA_IFNAME, "eth1"))
          .Message(RTM_NEWADDR, Address(2, AF_INET, 24), Attribute(IFA_LOCAL, kV4))
          .Message(RTM_NEWADDR, Address(2, AF_INET, 16, RT_SCOPE_LINK),
                   Attribute(IFA_LOCAL, kPeerV4));
  LinkTable table;
  ASSERT_TRUE(ParseDump(datagram.bytes(), &table).ok());
  const std::vector<Interface> interfaces = table.Interfaces();
  ASSERT_EQ(interfaces.size(), 2u);
  EXPECT_EQ(interfaces[0].index, 2);
  EXPECT_EQ(interfaces[0].name, "eth0");
  EXPECT_EQ(interfaces[0].mac.ToString(), "02:00:5e:10:00:01");
  EXPECT_EQ(interfaces[0].mtu, 1500);
  EXPECT_TRUE(interfaces[0].up && interfaces[0].carrier && interfaces[0].ipv6_router);
  ASSERT_EQ(interfaces[0].addresses.size(), 2u) << "of every scope";
  EXPECT_EQ(interfaces[0].addresses[1].ToString(), "192.0.2.4/16");
  EXPECT_EQ(interfaces[1].name, "eth1");
  EXPECT_FALSE(interfaces[1].up || interfaces[1].carrier || interfaces[1].ipv6_router);
}

// As kernels of several ages describe an address that we put there, and some of others.
TEST(ParseDumpTest, KnowsOursByWhicheverMarkTheKernelKeeps) {
  const std::string v4 = Attribute(IFA_LOCAL, kV4);
  const std::string v6 =
      Attribute(IFA_ADDRESS, std::string("\x20\x01\x0d\xb8", 4) + std::string(12, 1));
  const std::string protocol = Attribute(IFA_PROTO, "\x70");
  const std::string metric = Attribute(IFA_RT_PRIORITY, "bleo");
  const std::string label = Attribute(IFA_LABEL, std::string("eth0:openelb\0", 13));
  const struct {
    const char* name;
    ifaddrmsg header;
    std::string attributes;
    bool ours;
  } kCases[] = {
      {"all marks, IPv4", Address(2, AF_INET, 32), v4 + protocol + metric + label, true},
      {"all marks, IPv6", Address(2, AF_INET6, 128), v6 + protocol + metric, true},
      {"before 5.18, IPv6", Address(2, AF_INET6, 128), v6 + metric, true},
      {"before 5.18, IPv4 on a long name", Address(2, AF_INET, 32), v4 + metric, true},
      {"before 4.18, IPv4", Address(2, AF_INET, 32), v4 + label, true},
      {"no mark", Address(2, AF_INET6, 128), v6, false},
      {"another protocol", Address(2, AF_INET, 32),
       v4 + Attribute(IFA_PROTO, "\x02") + metric + label, false},
      {"another metric", Address(2, AF_INET6, 128), v6 + Attribute(IFA_RT_PRIORITY, "\1\1\1\1"),
       false},
      {"a whole subnet", Address(2, AF_INET, 24), v4 + protocol + metric, false},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.name);
    LinkTable table;
    ASSERT_TRUE(
        ParseDump(Datagram().Message(RTM_NEWADDR, test.header, test.attributes).bytes(), &table)
            .ok());
    EXPECT_EQ(table.held[2].size(), test.ours ? 1u : 0u);
    EXPECT_EQ(table.addresses[2].size(), test.ours ? 0u : 1u);
  }
}

TEST(ParseDumpTest, TellsHowADumpEnds) {
  const std::string eth0 = Attribute(IFLA_IFNAME, std::string("eth0\0", 5));
  EXPECT_EQ(Read(Datagram().Message(NLMSG_DONE, int{0})), "done");
  EXPECT_EQ(Read(Datagram().Message(NLMSG_ERROR, nlmsgerr{})), "rtnetlink: refused");
  EXPECT_EQ(Read(Datagram().Message(RTM_NEWLINK, Link(2, IFF_UP), eth0, NLM_F_DUMP_INTR)),
            "rtnetlink: the table changed while it was read");
  EXPECT_EQ(Read(Datagram().Message(RTM_NEWLINK, Link(2, IFF_UP))), "rtnetlink: malformed answer")
      << "no name";
  EXPECT_EQ(
      Read(Datagram().Message(RTM_NEWADDR, Address(2, AF_INET6, 64), Attribute(IFA_LOCAL, kV4))),
      "rtnetlink: malformed answer");
  EXPECT_EQ(
      Read(Datagram().Message(RTM_NEWADDR, Address(2, AF_INET, 33), Attribute(IFA_LOCAL, kV4))),
      "rtnetlink: malformed answer");
}

// Every truncation, and every single octet set to 0 and 255, is survived.
TEST(ParseDumpTest, SurvivesDamage) {
  const std::string eth0 = Attribute(IFLA_IFNAME, std::string("eth0\0", 5));
  const Datagram whole =
      Datagram()
          .Message(RTM_NEWLINK, Link(2, IFF_UP), eth0)
          .Message(RTM_NEWADDR, Address(2, AF_INET, 24), Attribute(IFA_LOCAL, kV4));
  const std::vector<uint8_t> bytes(whole.bytes().begin(), whole.bytes().end());
  int readable = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    LinkTable table;
    // Copied, so that a read past the end is a read past an allocation.
    const std::vector<uint8_t> cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(i));
    readable += ParseDump(cut, &table).ok() ? 1 : 0;
    for (uint8_t value : {0, 255}) {
      std::vector<uint8_t> changed = bytes;
      changed[i] = value;
      LinkTable other;
      readable += ParseDump(changed, &other).ok() ? 1 : 0;
    }
  }
  EXPECT_GT(readable, 0);
  EXPECT_LT(readable, static_cast<int>(3 * bytes.size()));
}

TEST(AddressMonitorTest, ReadsAgainAfterLostNotifications) {
  ASSERT_NO_FATAL_FAILURE(EnterNewNetworkNamespace());
  auto monitor = AddressMonitor::Create().value();
  const int small = 1;  // the kernel raises it to its minimum
  ASSERT_EQ(setsockopt(monitor->fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
  RunShell("ip link add test0 type veth peer name test1 && ip link set test0 up");
  RunShell("for i in $(seq 100); do echo addr add 192.0.2.$i/24 dev test0; done | ip -batch -");
  EXPECT_TRUE(monitor->Refresh().value());
  EXPECT_EQ(monitor->addresses().size(), 100u);
  EXPECT_FALSE(monitor->Refresh().value()) << "nothing changed since";
}

// The kernel's own description of two ends of a cable.
TEST(AddressMonitorTest, DescribesInterfacesAsTheyAre) {
  ASSERT_NO_FATAL_FAILURE(EnterNewNetworkNamespace());
  auto monitor = AddressMonitor::Create().value();
  RunShell("ip link add test0 mtu 1400 address 02:00:5e:10:00:01 type veth peer name test1");
  // Without link-local addresses of its own, which are news for seconds (RFC 4862).
  RunShell("ip link set test0 addrgenmode none && ip link set test1 addrgenmode none");
  RunShell("ip link set test0 up");
  EXPECT_TRUE(monitor->Refresh().value());
  const auto find = [&](const std::string& name) {
    for (const Interface& interface : monitor->interfaces()) {
      if (interface.name == name) return interface;
    }
    return Interface();
  };
  EXPECT_EQ(monitor->interfaces().size(), 2u);
  EXPECT_EQ(find("test0").mac.ToString(), "02:00:5e:10:00:01");
  EXPECT_EQ(find("test0").mtu, 1400);
  EXPECT_TRUE(find("test0").up);
  EXPECT_FALSE(find("test0").carrier) << "the other end is down";
  EXPECT_FALSE(find("test1").up);
  RunShell("ip link set test1 up && ip addr add fe80::1/64 dev test1 nodad");
  RunShell("echo 1 > /proc/sys/net/ipv6/conf/test1/forwarding");
  EXPECT_TRUE(monitor->Refresh().value());
  // The kernel says so in its own time, and whatever else it has to say of a link that is up.
  pollfd readable{monitor->fd(), POLLIN, 0};
  for (int i = 0; i < 100 && (!find("test0").carrier || poll(&readable, 1, 300) == 1); ++i) {
    EXPECT_EQ(poll(&readable, 1, 1000), 1);
    EXPECT_TRUE(monitor->Refresh().ok());
  }
  EXPECT_TRUE(find("test0").carrier);
  EXPECT_TRUE(find("test1").ipv6_router);
  EXPECT_FALSE(find("test0").ipv6_router);
  EXPECT_THAT(find("test1").addresses, testing::Contains(InterfaceAddress{
                                           "test1", IpAddress::Parse("fe80::1").value(), 64}));
  EXPECT_TRUE(monitor->addresses().empty()) << "none beyond the link";

  EXPECT_EQ(poll(&readable, 1, 0), 0);
  RunShell("echo 0 > /proc/sys/net/ipv6/conf/test1/forwarding");
  EXPECT_EQ(poll(&readable, 1, 1000), 1) << "forwarding is told of";
  EXPECT_TRUE(monitor->Refresh().value());
  EXPECT_FALSE(find("test1").ipv6_router);
}

}  // namespace
}  // namespace openelb::io
