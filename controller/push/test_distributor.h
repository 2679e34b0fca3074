#pragma once
// A Distributor for tests: what it sees, says and sends is kept.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/base/clock.h"
#include "controller/push/distributor.h"

namespace openelb::push {

class FakeView final : public plan::PlanView {
 public:
  std::vector<std::string> SetsOf(absl::string_view node) const override {
    const auto it = nodes.find(std::string(node));
    return it == nodes.end() ? std::vector<std::string>() : it->second;
  }
  const plan::ResourceSet* Find(absl::string_view set) const override {
    const auto it = sets.find(std::string(set));
    return it == sets.end() ? nullptr : &it->second;
  }
  std::map<std::string, std::vector<std::string>> nodes;
  std::map<std::string, plan::ResourceSet> sets;
};

// Keeps what was sent; the test says when a stream takes more.
class FakeLink final : public PlanLink {
 public:
  void Send(StreamId stream, std::shared_ptr<const plan::v1::Plan> plan) override {
    sent[stream].push_back(*plan);
  }
  void Close(StreamId stream, const absl::Status& why) override { closed[stream] = why; }
  std::map<StreamId, std::vector<plan::v1::Plan>> sent;
  std::map<StreamId, absl::Status> closed;
};

class DistributorTest : public ::testing::Test, public Distributor::Owner {
 protected:
  DistributorTest() : log_(&sink_, &clock_) {
    for (const char* node : {"n1", "n2"}) {
      view_.nodes[node] = {"rack/r", absl::StrCat("node/", node)};
      view_.sets[absl::StrCat("node/", node)].Put("instance", node);
    }
    for (int i = 0; i < 3; ++i) view_.sets["rack/r"].Put(absl::StrCat("route/", i), "body");
    distributor_.SetEpoch(5, now_);
  }
  static DistributorOptions Options() {
    DistributorOptions options;
    options.chunk_resources = 2;
    return options;
  }

  void OnSpeakerUp(const std::string& node, const plan::v1::Hello&) override {
    events_.push_back("up " + node);
  }
  void OnSpeakerDown(const std::string& node, const absl::Status&) override {
    events_.push_back("down " + node);
  }
  void OnSecondSpeaker(const std::string& node, const std::string& host) override {
    events_.push_back(absl::StrCat("second ", node, " at ", host));
  }
  void OnSpeakerReport(const std::string& node, const plan::v1::Report&) override {
    events_.push_back("report " + node);
  }
  void OnScraperToken(StreamId stream, const std::string& token, uint64_t id) override {
    events_.push_back(absl::StrCat("scraper ", stream, " ", token, " ", id));
  }
  void OnAcked(const std::string& node, plan::Generation generation,
               std::optional<absl::Duration> since_change) override {
    events_.push_back(
        absl::StrCat("acked ", node, " ", generation.epoch, ".", generation.counter, " ",
                     since_change ? absl::FormatDuration(*since_change) : std::string("first")));
  }
  void OnLargerEpoch(const std::string& node, uint64_t epoch) override {
    events_.push_back(absl::StrCat("epoch ", node, " ", epoch));
  }

  plan::v1::Report Hello(const std::string& node, const std::string& instance) const {
    plan::v1::Report report;
    report.mutable_hello()->set_node(node);
    report.mutable_hello()->set_instance(instance);
    return report;
  }
  void Attach(StreamId stream, const std::string& node, const std::string& instance = "i1") {
    distributor_.OnAttached(stream, {node}, now_);
    distributor_.OnReport(stream, Hello(node, instance), now_);
  }
  void Ack(StreamId stream, plan::Generation generation, const std::string& plan_error = "",
           uint64_t largest_epoch = 0, std::map<std::string, std::string> errors = {}) {
    plan::v1::Report report;
    report.mutable_ack()->mutable_generation()->set_epoch(generation.epoch);
    report.mutable_ack()->mutable_generation()->set_counter(generation.counter);
    report.mutable_ack()->set_plan_error(plan_error);
    report.mutable_ack()->set_largest_epoch(largest_epoch);
    for (const auto& [key, reason] : errors) {
      auto* error = report.mutable_ack()->add_errors();
      error->set_key(key);
      error->set_reason(reason);
    }
    distributor_.OnReport(stream, report, now_);
  }
  // Lets the stream take all it is sent; returns and forgets that.
  std::vector<plan::v1::Plan> Drain(StreamId stream) {
    size_t seen;
    do {
      seen = link_.sent[stream].size();
      distributor_.OnWritable(stream, now_);
    } while (link_.sent[stream].size() > seen);
    return std::exchange(link_.sent[stream], {});
  }
  // Attached, in sync and quiet.
  void AttachAndSync(StreamId stream, const std::string& node) {
    Attach(stream, node);
    const plan::v1::Plan last = Drain(stream).back();
    Ack(stream, {last.generation().epoch(), last.generation().counter()});
    events_.clear();
  }
  void Change(const std::string& set, const std::string& key, const std::string& body) {
    if (body.empty()) {
      view_.sets[set].Erase(key);
    } else {
      view_.sets[set].Put(key, body);
    }
    plan::PlanChange change;
    change.keys[set].insert(key);
    distributor_.OnPlanChange(change, now_);
  }
  uint64_t HashOf(const std::string& node) const {
    return SpeakerPlan(&view_, view_.SetsOf(node)).hash();
  }

  absl::Duration now_ = absl::Seconds(100);
  SystemClock clock_;
  NullLogSink sink_;
  Logger log_;
  FakeView view_;
  FakeLink link_;
  Distributor distributor_{&view_, &link_, this, &log_, Options()};
  std::vector<std::string> events_;
};

}  // namespace openelb::push
