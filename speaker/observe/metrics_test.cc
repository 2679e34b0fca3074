#include "speaker/observe/metrics.h"

#include <gmock/gmock.h>

namespace openelb {
namespace {

using testing::AllOf;
using testing::HasSubstr;

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

}  // namespace
}  // namespace openelb
