#include "controller/kube/testing/transport_rig.h"

#include <gtest/gtest.h>

namespace openelb::kube {

void RecordingSink::OnHead(int s, const HttpHeaders& h) {
  EXPECT_EQ(status, 0) << "a second head";
  EXPECT_FALSE(done.has_value()) << "a head after the end";
  status = s;
  headers = h;
  if (on_event) on_event();
}

void RecordingSink::OnData(absl::string_view data) {
  EXPECT_NE(status, 0) << "a body before its head";
  EXPECT_FALSE(done.has_value()) << "a body after the end";
  EXPECT_FALSE(data.empty());
  body.append(data.data(), data.size());
  if (on_event) on_event();
}

void RecordingSink::OnDone(const absl::Status& end) {
  EXPECT_FALSE(done.has_value()) << "a second end";
  done = end;
  if (on_event) on_event();
}

}  // namespace openelb::kube
