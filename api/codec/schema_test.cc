// The CRDs and this codec agree: the decoders ask for exactly the fields that an API server lets
// through, and every field of a status that is written is kept by it.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "absl/time/time.h"
#include "api/codec/encode.h"
#include "api/codec/kinds.h"
#include "api/codec/parse.h"

namespace openelb::codec {
namespace {

// The schema of every version of a kind; both versions have one.
Value LoadSchema(const std::string& plural) {
  std::ifstream in(absl::StrCat("../../crds/network.kubesphere.io_", plural, ".yaml"));
  EXPECT_TRUE(in.good()) << plural;
  std::stringstream text;
  text << in.rdbuf();
  const ParsedText parsed = ParseYaml(text.str());
  EXPECT_FALSE(parsed.error.has_value()) << parsed.error->message;
  const Value::List& versions =
      *parsed.documents.at(0).value.Find("spec")->Find("versions")->list();
  const auto schema = [&](size_t version) {
    return *versions.at(version).Find("schema")->Find("openAPIV3Schema");
  };
  for (size_t version = 1; version < versions.size(); ++version)
    EXPECT_EQ(schema(0), schema(version));
  return schema(0);
}

const Value& Property(const Value& schema, absl::string_view name) {
  return *schema.Find("properties")->Find(name);
}

std::string TypeOf(const Value& schema) {
  const Value* type = schema.Find("type");
  return type == nullptr ? "integer" : *type->string();  // integers that may be text have no type
}

// A value with every field that the schema names.
Value Example(const Value& schema) {
  const std::string type = TypeOf(schema);
  if (type == "integer") return 3;
  if (type == "boolean") return true;
  if (type == "array") return Value::List{Example(*schema.Find("items"))};
  if (type == "string") {
    const Value* allowed = schema.Find("enum");
    return allowed == nullptr ? Value("10.0.0.1") : allowed->list()->at(0);
  }
  Value example = Value::Map();
  if (const Value* free = schema.Find("additionalProperties")) example["any"] = Example(*free);
  if (const Value* properties = schema.Find("properties")) {
    for (const auto& [name, property] : *properties->map()) example[name] = Example(property);
  }
  return example;
}

std::set<std::string> Names(const Value& map) {
  std::set<std::string> names;
  for (const auto& [name, member] : *map.map()) names.insert(name);
  return names;
}

// That the decoder asked for what the schema names, in `example` and all it holds.
void ExpectSameFields(const Value& schema, const Value& example, const Findings& findings,
                      const std::string& path) {
  if (example.list() != nullptr) {
    ExpectSameFields(*schema.Find("items"), example.list()->at(0), findings, path + "[]");
  }
  if (schema.Find("properties") == nullptr) return;
  const std::set<std::string>* asked = findings.Known(&example);
  ASSERT_NE(asked, nullptr) << path << " is not read";
  EXPECT_EQ(*asked, Names(*schema.Find("properties"))) << path;
  for (const auto& [name, member] : *example.map()) {
    ExpectSameFields(Property(schema, name), member, findings, absl::StrCat(path, ".", name));
  }
}

// Decodes an object with every field of its kind's schema but those that others stand for.
void ExpectDecoded(const std::string& plural, Object (*decode)(kube::ObjectMeta, const Field&),
                   const std::vector<std::string>& other_spellings) {
  Value schema = Property(LoadSchema(plural), "spec");
  Value root;
  root["spec"] = Example(schema);
  for (const std::string& name : other_spellings) root["spec"].map()->erase(name);
  Findings findings;
  decode({}, Field(&root, "", 0, &findings));
  ExpectSameFields(schema, *root.Find("spec"), findings, plural + " spec");
}

TEST(Schema, DecodersAskForItsFields) {
  ExpectDecoded("eips", DecodeEip, {});
  ExpectDecoded("bgpconfs", DecodeBgpConf, {});
  ExpectDecoded("bgppeers", DecodeBgpPeer, {"config"});
  ExpectDecoded("openelbs", DecodeOpenElb, {});
}

// v1alpha1 had these two fields of spec.config and the decoder reads it as it reads spec.conf.
TEST(Schema, EarlierSpellingOfConfIsDecoded) {
  const Value config = Property(Property(LoadSchema("bgppeers"), "spec"), "config");
  Value root;
  root["spec"]["config"] = Example(config);
  Findings findings;
  DecodeBgpPeer({}, Field(&root, "", 0, &findings));
  const std::set<std::string>* asked = findings.Known(root.Find("spec")->Find("config"));
  ASSERT_NE(asked, nullptr);
  const std::set<std::string> named = Names(*config.Find("properties"));
  EXPECT_TRUE(std::includes(asked->begin(), asked->end(), named.begin(), named.end()));
  EXPECT_EQ(named, (std::set<std::string>{"neighborAddress", "peerAs"}));
}

// That the schema names every field of `status`, with its type.
void ExpectKept(const Value& schema, const Value& status, const std::string& path) {
  const std::string type = TypeOf(schema);
  if (status.map() != nullptr) {
    ASSERT_EQ(type, "object") << path;
    const Value* properties = schema.Find("properties");
    const Value* free = schema.Find("additionalProperties");
    for (const auto& [name, member] : *status.map()) {
      const Value* field = properties != nullptr ? properties->Find(name) : free;
      ASSERT_NE(field, nullptr) << path << "." << name;
      ExpectKept(*field, member, absl::StrCat(path, ".", name));
    }
  } else if (status.list() != nullptr) {
    ASSERT_EQ(type, "array") << path;
    for (const Value& item : *status.list()) ExpectKept(*schema.Find("items"), item, path);
  } else {
    const bool right = type == "integer"   ? status.integer() != nullptr
                       : type == "boolean" ? status.boolean() != nullptr
                                           : type == "string" && status.string() != nullptr;
    EXPECT_TRUE(right) << path << ": " << status.Describe() << " is not of type " << type;
  }
}

void ExpectStatusKept(const std::string& plural, const Value& status) {
  ExpectKept(Property(LoadSchema(plural), "status"), status, plural + " status");
}

TEST(Schema, KeepsWhatIsEncoded) {
  const std::vector<kube::Condition> conditions = {{.type = "Truncated",
                                                    .status = true,
                                                    .reason = "Long",
                                                    .message = "cut",
                                                    .observed_generation = 2,
                                                    .last_transition_time = absl::UnixEpoch()}};
  ExpectStatusKept("eips",
                   EncodeEipStatus({.first_ip = "10.0.0.1",
                                    .last_ip = "10.0.0.2",
                                    .pool_size = "2",
                                    .v4 = true,
                                    .used = {{"10.0.0.1", "default/web"}},
                                    .usage = 1,
                                    .occupied = true,
                                    .ready = true,
                                    .owners = {{"10.0.0.1", "n1", {"n2"}, absl::UnixEpoch()}},
                                    .owners_total = 1,
                                    .conditions = conditions}));
  network::BgpConfStatus conf;
  conf.nodes["master1"] = {.router_id = "10.0.0.1", .as = 4294967295};
  conf.conditions = conditions;
  ExpectStatusKept("bgpconfs", EncodeBgpConfStatus(conf));
  network::BgpPeerStatus peer;
  peer.nodes["master1"] = {.router_id = "10.0.0.9",
                           .admin_down = true,
                           .uptime = absl::UnixEpoch(),
                           .downtime = absl::UnixEpoch(),
                           .last_error = "Hold Timer Expired"};
  peer.conditions = conditions;
  ExpectStatusKept("bgppeers", EncodeBgpPeerStatus(peer));
  ExpectStatusKept("openelbs", EncodeOpenElbStatus({.observed_generation = 2,
                                                    .desired = 3,
                                                    .ready = 2,
                                                    .updated = 1,
                                                    .counted = true,
                                                    .conditions = conditions}));
}

}  // namespace
}  // namespace openelb::codec
