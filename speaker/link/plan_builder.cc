#include "speaker/link/plan_builder.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

namespace openelb::link {
namespace {

// Garbage is on purpose: nothing is printed.
class Quiet final : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int, google::protobuf::io::ColumnNumber, const std::string&) override {}
};

void Set(plan::Generation from, plan::v1::Generation* to) {
  to->set_epoch(from.epoch);
  to->set_counter(from.counter);
}

}  // namespace

std::string Body(const std::string& text) {
  plan::v1::ResourceBody body;
  Quiet quiet;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&quiet);
  return parser.MergeFromString(text, &body) ? body.SerializeAsString() : text;
}

uint64_t HashOf(const Resources& resources) {
  uint64_t hash = 0;
  for (const auto& [key, text] : resources) hash += plan::ResourceHash(key, Body(text));
  return hash;
}

std::vector<plan::v1::Plan> Snapshot(plan::Generation generation, const Resources& resources) {
  std::vector<plan::v1::Plan> plans(3);
  for (plan::v1::Plan& plan : plans) Set(generation, plan.mutable_generation());
  plans[0].mutable_snapshot_begin()->set_resource_count(resources.size());
  for (const auto& [key, text] : resources) {
    plan::v1::Resource* resource = plans[1].mutable_chunk()->add_resources();
    resource->set_key(key);
    resource->set_body(Body(text));
  }
  plans[2].mutable_snapshot_end()->set_hash(HashOf(resources));
  return plans;
}

plan::v1::Plan Delta(plan::Generation base, const Resources& before, plan::Generation generation,
                     const Resources& after) {
  plan::v1::Plan plan;
  Set(generation, plan.mutable_generation());
  Set(base, plan.mutable_delta()->mutable_base());
  for (const auto& [key, text] : after) {
    const auto old = before.find(key);
    if (old != before.end() && old->second == text) continue;
    plan::v1::Resource* resource = plan.mutable_delta()->add_upserts();
    resource->set_key(key);
    resource->set_body(Body(text));
  }
  for (const auto& [key, text] : before) {
    if (!after.contains(key)) plan.mutable_delta()->add_removals(key);
  }
  plan.mutable_delta()->set_hash(HashOf(after));
  return plan;
}

}  // namespace openelb::link
