#pragma once
// Layer 2 of a speaker: one Responder for each interface on which addresses are owned or probed,
// and the frames, groups and interfaces of the kernel around them. Who owns what is decided by the
// caller, in these words: own this address on this interface, stop, probe first.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "api/base/clock.h"
#include "speaker/io/packet_io.h"
#include "speaker/layer2/responder.h"

namespace openelb::layer2 {

// Called from Tick alone, so never from within a call of the observer's own.
class Layer2Observer {
 public:
  virtual ~Layer2Observer() = default;
  virtual void OnProbed(const std::string& interface, const ProbeResult& result) = 0;
  // A conflict that begins is worth an Event; while it goes on, the owner that is to stay uses
  // Announce and the other one Stop.
  virtual void OnConflict(const std::string& interface, const Conflict& conflict) = 0;
  // An interface came, went, or changed. Addresses stay owned meanwhile: they are answered for and
  // announced again once frames pass. To keep an owner that may have been replaced from that, stop
  // its addresses now and probe first.
  virtual void OnInterfacesChanged() = 0;
};

// Interfaces are known by name, so that one that is made anew goes on. Owner thread only.
class Layer2 final : public io::PacketHandler {
 public:
  // All outlive it.
  Layer2(io::PacketIo* io, const Clock* clock, Random* random, Layer2Observer* observer,
         Timing timing = {}, Answering answering = Answering::kHere);
  ~Layer2() override;

  // From now on the address is answered for, and announced at once. Again: no effect. Errors name
  // interface and address: InvalidArgument for an address that no station can have alone, NotFound
  // for an interface that is not there, else what opening it said; nothing is owned then. The
  // address must not be configured on any interface of the node, unless the kernel is to answer.
  absl::Status Own(const std::string& interface, const IpAddress& address);
  // OnProbed follows, once frames have passed for long enough. Same errors.
  absl::Status Probe(const std::string& interface, const IpAddress& address);
  // Announces an owned address again.
  void Announce(const std::string& interface, const IpAddress& address);
  // Announces an owned address once more so much later, in a single frame, in case that a node that
  // was not heard for a while owns it, too.
  void Remind(const std::string& interface, const IpAddress& address, absl::Duration after);
  // Ends owning or probing; unknown ones are ignored.
  void Stop(const std::string& interface, const IpAddress& address);
  bool Owns(const std::string& interface, const IpAddress& address) const;

  // To be called at NextWakeup, which calls and frames bring forward.
  void Tick();
  absl::Duration NextWakeup() const;

  std::vector<io::Interface> Interfaces() { return io_->Interfaces(); }
  const Counters& counters() const { return counters_; }
  // What was done for each owned address.
  std::map<IpAddress, AddressCounts> CountsByAddress() const;
  // Frames that did not leave, and the newest reason. Announcements and probes for which there was
  // no room for the moment are tried again.
  uint64_t send_errors() const { return send_errors_; }
  // Groups that could not be joined: neighbours may not find the addresses of these.
  uint64_t group_errors() const { return group_errors_; }
  const absl::Status& last_error() const { return last_error_; }

  void OnFrame(int interface, std::span<const uint8_t> frame) override;
  void OnInterfacesChanged() override;

 private:
  struct Port {
    int index = 0;  // 0: the interface is not there
    Responder responder;
    // Groups yet to be joined (true) or left, and when some of them may be.
    std::map<IpAddress, bool> groups;
    absl::Duration groups_at;
  };

  absl::StatusOr<Port*> PortFor(const std::string& interface, const IpAddress& address);
  // Makes the port follow the interface of its name; nullptr: there is none.
  absl::Status Follow(Port* port, const io::Interface* interface);
  void ChangeGroup(Port* port, const GroupChange& change);
  void ChangeSomeGroups(Port* port);
  void Join(const Port& port, const IpAddress& group);
  void Flush(const std::string& name, Port* port);
  // Whether trying again in a moment has a point.
  bool SendOrWait(const Port& port, const Bytes& frame);

  io::PacketIo* io_;
  const Clock* clock_;
  Random* random_;
  Layer2Observer* observer_;
  const Timing timing_;
  const Answering answering_;
  Counters counters_;
  uint64_t send_errors_ = 0;
  uint64_t group_errors_ = 0;
  absl::Status last_error_;
  std::map<std::string, Port> ports_;
  bool interfaces_changed_ = false;
};

}  // namespace openelb::layer2
