#include "speaker/io/address_monitor.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstring>
#include <string>

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

}  // namespace
}  // namespace openelb::io
