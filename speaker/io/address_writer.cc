#include "speaker/io/address_writer.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "speaker/io/address_monitor.h"

namespace openelb::io {
namespace {

constexpr uint32_t kForever = 0xffffffff;

// One RTM_NEWADDR or RTM_DELADDR.
class Message {
 public:
  Message(uint16_t type, uint16_t flags, int interface, const IpAddress& address) {
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    Append(&header, sizeof(header));
    ifaddrmsg body{};
    body.ifa_family = address.is_v4() ? AF_INET : AF_INET6;
    body.ifa_prefixlen = static_cast<uint8_t>(FamilyBits(address.family()));
    body.ifa_index = static_cast<uint32_t>(interface);
    Append(&body, sizeof(body));
    Attribute(IFA_LOCAL, address.bytes().data(), address.bytes().size());
    Attribute(IFA_ADDRESS, address.bytes().data(), address.bytes().size());
  }
  void Attribute(uint16_t type, const void* value, size_t size) {
    rtattr header{};
    header.rta_type = type;
    header.rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
    Append(&header, sizeof(header));
    Append(value, size);
  }
  std::span<const uint8_t> Finish(uint32_t sequence) {
    nlmsghdr header;
    std::memcpy(&header, bytes_.data(), sizeof(header));
    header.nlmsg_len = static_cast<uint32_t>(bytes_.size());
    header.nlmsg_seq = sequence;
    std::memcpy(bytes_.data(), &header, sizeof(header));
    return bytes_;
  }

 private:
  void Append(const void* data, size_t size) {
    const auto* octets = static_cast<const uint8_t*>(data);
    bytes_.insert(bytes_.end(), octets, octets + size);
    bytes_.resize(RTA_ALIGN(bytes_.size()));
  }
  std::vector<uint8_t> bytes_;
};

std::string What(absl::string_view verb, const std::string& name, const IpAddress& address) {
  return absl::StrCat(verb, " ", address.ToString(), " on ", name);
}

}  // namespace

absl::StatusOr<AddressWriter> AddressWriter::Create(HeldMarks marks) {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.valid()) return ErrnoStatus(errno, "open rtnetlink");
  return AddressWriter(std::move(fd), marks);
}

absl::Status AddressWriter::Add(int interface, const std::string& name, const IpAddress& address) {
  Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, interface, address);
  if (marks_.protocol) message.Attribute(IFA_PROTO, &kHeldProtocol, sizeof(kHeldProtocol));
  if (marks_.metric) message.Attribute(IFA_RT_PRIORITY, &kHeldMetric, sizeof(kHeldMetric));
  if (address.is_v4()) {
    const std::string label = absl::StrCat(name, kHeldLabelSuffix);
    const bool fits = label.size() < IFNAMSIZ;
    if (marks_.label && fits) message.Attribute(IFA_LABEL, label.c_str(), label.size() + 1);
  } else {
    const uint32_t flags = IFA_F_NODAD;
    message.Attribute(IFA_FLAGS, &flags, sizeof(flags));
    ifa_cacheinfo lifetimes{};
    lifetimes.ifa_prefered = 0;
    lifetimes.ifa_valid = kForever;
    message.Attribute(IFA_CACHEINFO, &lifetimes, sizeof(lifetimes));
  }
  const int error = Request(message.Finish(++sequence_));
  if (error != 0) return ErrnoStatus(error, What("add", name, address));
  return absl::OkStatus();
}

absl::Status AddressWriter::Remove(int interface, const std::string& name,
                                   const IpAddress& address) {
  Message message(RTM_DELADDR, 0, interface, address);
  const int error = Request(message.Finish(++sequence_));
  if (error != 0 && error != EADDRNOTAVAIL && error != ENODEV) {
    return ErrnoStatus(error, What("remove", name, address));
  }
  return absl::OkStatus();
}

int AddressWriter::Request(std::span<const uint8_t> request) {
  if (send(fd_.get(), request.data(), request.size(), 0) < 0) return errno;
  // The kernel has done the work, and written the answer, before send returned.
  alignas(nlmsghdr) std::array<uint8_t, 4096> answer;
  const ssize_t size = recv(fd_.get(), answer.data(), answer.size(), 0);
  if (size < 0) return errno;
  nlmsghdr header;
  nlmsgerr error;
  if (static_cast<size_t>(size) < NLMSG_LENGTH(sizeof(error))) return EPROTO;
  std::memcpy(&header, answer.data(), sizeof(header));
  std::memcpy(&error, answer.data() + NLMSG_HDRLEN, sizeof(error));
  if (header.nlmsg_type != NLMSG_ERROR || header.nlmsg_seq != sequence_) return EPROTO;
  return -error.error;
}

}  // namespace openelb::io
