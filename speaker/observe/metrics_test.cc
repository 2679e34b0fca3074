#include "speaker/observe/metrics.h"

#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "api/base/scheduler.h"
#include "speaker/layer2/test_frames.h"

namespace openelb {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// One interface, on which no frame can be sent and no group be joined.
class DeafPackets final : public io::PacketIo {
 public:
  void SetHandler(io::PacketHandler*) override {}
  std::vector<io::Interface> Interfaces() override {
    io::Interface eth0{.index = 2, .name = "eth0", .mac = MacAddress({2, 0, 0, 0, 0, 1})};
    eth0.up = eth0.carrier = true;
    return {eth0};
  }
  absl::Status Open(int) override { return absl::OkStatus(); }
  void Close(int) override {}
  absl::Status Send(int, std::span<const uint8_t>) override { return absl::InternalError("deaf"); }
  absl::Status JoinGroup(int, const IpAddress&) override { return absl::InternalError("deaf"); }
  void LeaveGroup(int, const IpAddress&) override {}
};

class NoObserver final : public layer2::Layer2Observer {
  void OnProbed(const std::string&, const layer2::ProbeResult&) override {}
  void OnConflict(const std::string&, const layer2::Conflict&) override {}
  void OnInterfacesChanged() override {}
};

class SpeakerMetricsTest : public testing::Test {
 protected:
  Metrics metrics{SpeakerMetricTable()};
  SpeakerMetrics exporter{"test", &metrics};
};

TEST_F(SpeakerMetricsTest, Bfd) {
  std::vector<bfd::SessionView> sessions(3);
  bfd::Counters counted;
  sessions[0].state = bfd::State::kUp;
  sessions[1].state = bfd::State::kUp;
  counted.sent = 5;
  counted.received = 4;
  counted.send_errors = 3;
  counted.dropped[static_cast<size_t>(bfd::Drop::kTtl)] = 2;
  counted.transitions[{"Up", "handshake"}] = 2;
  exporter.ExportBfd(sessions, counted);
  EXPECT_THAT(
      metrics.Expose(),
      AllOf(HasSubstr("\nopenelb_speaker_bfd_sessions{state=\"Up\"} 2\n"),
            HasSubstr("\nopenelb_speaker_bfd_sessions{state=\"Down\"} 1\n"),
            HasSubstr("\nopenelb_speaker_bfd_sessions{state=\"Init\"} 0\n"),
            HasSubstr("\nopenelb_speaker_bfd_packets_total{direction=\"sent\"} 5\n"),
            HasSubstr("\nopenelb_speaker_bfd_packets_total{direction=\"received\"} 4\n"),
            HasSubstr("\nopenelb_speaker_bfd_send_errors_total 3\n"),
            HasSubstr("\nopenelb_speaker_bfd_dropped_total{reason=\"ttl\"} 2\n"),
            HasSubstr("\nopenelb_speaker_bfd_dropped_total{reason=\"version\"} 0\n"),
            HasSubstr("\nopenelb_speaker_bfd_session_transitions_total{reason=\"handshake\",state="
                      "\"Up\"} 2\n")));
  sessions.clear();
  counted.sent = 6;
  exporter.ExportBfd(sessions, counted);
  EXPECT_THAT(metrics.Expose(),
              AllOf(HasSubstr("\nopenelb_speaker_bfd_sessions{state=\"Up\"} 0\n"),
                    HasSubstr("\nopenelb_speaker_bfd_packets_total{direction=\"sent\"} 6\n")));
}

TEST_F(SpeakerMetricsTest, Claims) {
  layer2::ClaimCounters counters;
  counters.sent = 5;
  counters.received = 4;
  counters.send_errors = 3;
  counters.dropped[static_cast<size_t>(layer2::ClaimDrop::kReplay)] = 2;
  exporter.ExportClaims(counters);
  EXPECT_THAT(
      metrics.Expose(),
      AllOf(
          HasSubstr("\nopenelb_speaker_layer2_claims_datagrams_total{direction=\"sent\"} 5\n"),
          HasSubstr("\nopenelb_speaker_layer2_claims_datagrams_total{direction=\"received\"} 4\n"),
          HasSubstr("\nopenelb_speaker_layer2_claims_send_errors_total 3\n"),
          HasSubstr("\nopenelb_speaker_layer2_claims_dropped_total{reason=\"replay\"} 2\n"),
          HasSubstr("\nopenelb_speaker_layer2_claims_dropped_total{reason=\"ttl\"} 0\n")));
}

TEST_F(SpeakerMetricsTest, Sessions) {
  plan::v1::Observed observed;
  const auto add = [&](const char* address, const char* state, bool shut_down) {
    plan::v1::PeerObserved* peer = observed.add_peers();
    peer->set_address(address);
    peer->set_name("leaf");
    peer->set_session_state(state);
    peer->set_admin_down(shut_down);
    peer->mutable_up_since()->set_seconds(1700000000);
    peer->mutable_up_since()->set_nanos(500000000);
  };
  add("10.0.0.1", "ESTABLISHED", false);
  add("10.0.0.2", "ACTIVE", false);
  add("10.0.0.3", "IDLE", true);
  exporter.ExportSessions(observed);
  const auto line = [](const char* name, const char* address, const char* value) {
    return absl::StrCat("\nopenelb_speaker_bgp_", name, "{name=\"leaf\",peer=\"", address, "\"} ",
                        value, "\n");
  };
  EXPECT_THAT(
      metrics.Expose(),
      AllOf(HasSubstr(line("session_state", "10.0.0.1", "5")),
            HasSubstr(line("session_wanted", "10.0.0.1", "1")),
            HasSubstr(line("session_wanted", "10.0.0.2", "1")),
            HasSubstr(line("session_wanted", "10.0.0.3", "0")),
            HasSubstr(line("session_established_timestamp_seconds", "10.0.0.1", "1700000000.5"))));
  for (const char* down : {"10.0.0.2", "10.0.0.3"}) {
    EXPECT_THAT(metrics.Expose(),
                Not(HasSubstr(absl::StrCat(
                    "session_established_timestamp_seconds{name=\"leaf\",peer=\"", down))));
  }
  // A peer whose name changes, and others that go, leave nothing behind.
  observed.clear_peers();
  add("10.0.0.1", "ESTABLISHED", false);
  observed.mutable_peers(0)->set_name("spine");
  exporter.ExportSessions(observed);
  EXPECT_THAT(metrics.Expose(),
              AllOf(Not(HasSubstr("name=\"leaf\"")), HasSubstr("session_state{name=\"spine\"")));
}

TEST_F(SpeakerMetricsTest, OldNamesAreServedWhereTheyAreAskedFor) {
  plan::v1::Observed observed;
  plan::v1::PeerObserved* peer = observed.add_peers();
  peer->set_address("10.0.0.1");
  peer->set_session_state("ESTABLISHED");
  peer->set_announced_prefixes(7);
  peer->mutable_received()->set_update(3);
  peer->mutable_sent()->set_withdrawn_prefixes(2);
  exporter.ExportSessions(observed);
  EXPECT_THAT(metrics.Expose(), Not(HasSubstr("peerIP")));

  exporter.AddLegacy("worker1");
  exporter.ExportSessions(observed);
  const char* const labels = "{nodeName=\"worker1\",peerIP=\"10.0.0.1\"}";
  EXPECT_THAT(metrics.Expose(),
              AllOf(HasSubstr(absl::StrCat("\nsession_up", labels, " 5\n")),
                    HasSubstr(absl::StrCat("\nupdates_total", labels, " 3\n")),
                    HasSubstr(absl::StrCat("\nannounced_prefixes_total", labels, " 7\n")),
                    HasSubstr(absl::StrCat("\npending_prefixes_total", labels, " 2\n")),
                    HasSubstr("\nopenelb_speaker_bgp_session_state{")));

  Scheduler scheduler;
  SeededRandom random(1);
  DeafPackets packets;
  NoObserver observer;
  layer2::Layer2 wire(&packets, &scheduler, &random, &observer);
  const IpAddress address = IpAddress::Parse("192.168.0.100").value();
  ASSERT_TRUE(wire.Own("eth0", address).ok());
  wire.OnFrame(2, layer2::ArpRequest(address, layer2::Mac(9), layer2::Ip("192.168.0.9")));
  exporter.ExportLayer2Wire(wire);
  EXPECT_THAT(metrics.Expose(), AllOf(HasSubstr("\nrequests_received{ip=\"192.168.0.100\"} 1\n"),
                                      HasSubstr("\nresponses_sent{ip=\"192.168.0.100\"} 1\n"),
                                      HasSubstr("\ngratuitous_sent{ip=\"192.168.0.100\"} 0\n")));
  wire.Stop("eth0", address);
  exporter.ExportLayer2Wire(wire);
  observed.clear_peers();
  exporter.ExportSessions(observed);
  EXPECT_THAT(metrics.Expose(), AllOf(Not(HasSubstr("{ip=")), Not(HasSubstr("peerIP=\"10"))));
}

// What goes wrong with frames, of either mode.
TEST_F(SpeakerMetricsTest, Frames) {
  Scheduler scheduler;
  SeededRandom random(1);
  DeafPackets packets;
  NoObserver observer;
  layer2::Layer2 wire(&packets, &scheduler, &random, &observer);
  ASSERT_TRUE(wire.Own("eth0", IpAddress::Parse("2001:db8::100").value()).ok());
  wire.Tick();
  wire.OnFrame(2, {});
  exporter.ExportLayer2Wire(wire);
  EXPECT_THAT(
      metrics.Expose(),
      AllOf(HasSubstr("\nopenelb_speaker_layer2_send_errors_total 1\n"),
            HasSubstr("\nopenelb_speaker_layer2_group_errors_total 1\n"),
            HasSubstr(
                "\nopenelb_speaker_layer2_errors_total{protocol=\"arp\",reason=\"truncated\"} 1\n"),
            Not(HasSubstr("\nopenelb_speaker_vrrp_frame_errors_total{"))));
  exporter.ExportVipWire(wire);
  EXPECT_THAT(metrics.Expose(),
              AllOf(HasSubstr("\nopenelb_speaker_vrrp_errors_total{operation=\"announce\"} 1\n"),
                    HasSubstr("\nopenelb_speaker_vrrp_errors_total{operation=\"group\"} 1\n"),
                    HasSubstr("\nopenelb_speaker_vrrp_frame_errors_total{protocol=\"arp\",reason="
                              "\"truncated\"} 1\n"),
                    HasSubstr("\nopenelb_speaker_vrrp_frame_errors_total{protocol=\"ndp\",reason="
                              "\"truncated\"} 0\n")));
}

}  // namespace
}  // namespace openelb
