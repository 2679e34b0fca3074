#include "controller/plan/export_policy.h"

#include <algorithm>
#include <limits>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "api/codec/field.h"
#include "api/codec/toml.h"
#include "api/network/v1alpha2/community.h"

namespace openelb::plan {
namespace {

using codec::Field;
using Verdict = ExportRule::Verdict;

constexpr size_t kMaxText = 64 << 10;

// Reads one document; what is wrong, and what is known and not done, is collected in its findings.
class PolicyReader {
 public:
  // "line 5: statement mark/lab: actions[set-next-hop]: MESSAGE".
  std::string Describe(const codec::Finding& finding) const {
    absl::string_view path = finding.path;
    std::string where;
    for (const auto& [prefix, name] : statements_) {
      if (!absl::ConsumePrefix(&path, absl::StrCat(prefix, "."))) continue;
      where = absl::StrCat("statement ", name, ": ");
      break;
    }
    return absl::StrCat("line ", finding.line, ": ", where, path, ": ", finding.message);
  }

  ExportPolicy Read(const Field& root) {
    ReadSets(root["defined-sets"]);
    std::map<std::string, Field> definitions;
    for (const Field& definition : root["policy-definitions"].Items())
      definitions.try_emplace(definition["name"].String(), definition);
    const Field config = root["global"]["apply-policy"]["config"];
    // Of routes that come in; none do.
    config.Skip({"import-policy-list", "default-import-policy"});
    policy_.rejects_rest = Rejects(config["default-export-policy"]);
    std::map<std::string, std::vector<PolicyStatement>> read;
    for (const auto& [name, definition] : definitions)
      read[name] = ReadDefinition(name, definition);
    for (const std::string& name : config["export-policy-list"].Strings()) {
      const auto it = read.find(name);
      if (it == read.end()) {
        config["export-policy-list"].Error(absl::StrCat("there is no policy \"", name, "\""));
        continue;
      }
      policy_.statements.insert(policy_.statements.end(), it->second.begin(), it->second.end());
    }
    return std::move(policy_);
  }

 private:
  static bool Rejects(const Field& field) {
    return field.OneOf({{"accept-route", false}, {"reject-route", true}}, false);
  }

  // ---- defined sets ----

  void ReadSets(const Field& sets) {
    for (const Field& set : sets["prefix-sets"].Items()) {
      std::vector<ExportRule::Range>& ranges = prefix_sets_[set["prefix-set-name"].String()];
      for (const Field& item : set["prefix-list"].Items()) {
        if (const auto range = ReadRange(item)) ranges.push_back(*range);
      }
    }
    for (const Field& set : sets["neighbor-sets"].Items()) {
      std::vector<IpPrefix>& neighbors = neighbor_sets_[set["neighbor-set-name"].String()];
      for (const std::string& text : set["neighbor-info-list"].Strings()) {
        const auto address = IpAddress::Parse(text);
        const auto prefix = IpPrefix::Parse(text);
        if (address.ok())
          neighbors.push_back(IpPrefix::Host(*address));
        else if (prefix.ok())
          neighbors.push_back(*prefix);
        else
          set["neighbor-info-list"].Error(absl::StrCat("\"", text, "\" is not an address"));
      }
    }
    // Sets that only conditions use which are not read may stand there.
    sets.Skip({"tag-sets", "bgp-defined-sets"});
  }

  // "LEAST..MOST"; absent: the prefix itself alone.
  static std::optional<ExportRule::Range> ReadRange(const Field& item) {
    const std::string text = item["ip-prefix"].String();
    const auto prefix = IpPrefix::Parse(text);
    if (!prefix.ok()) {
      item["ip-prefix"].Error(absl::StrCat("\"", text, "\" is not a prefix"));
      return std::nullopt;
    }
    ExportRule::Range range{*prefix, prefix->length(), prefix->length()};
    const Field lengths = item["masklength-range"];
    if (!lengths.given() || lengths.String().empty()) return range;
    const std::vector<std::string> parts = absl::StrSplit(lengths.String(), "..");
    if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &range.least) ||
        !absl::SimpleAtoi(parts[1], &range.most) || range.least < 0 || range.least > range.most ||
        range.most > FamilyBits(prefix->family())) {
      lengths.Error(absl::StrCat("\"", lengths.String(), "\" is not LEAST..MOST"));
      return std::nullopt;
    }
    return range;
  }

  // ---- statements ----

  std::vector<PolicyStatement> ReadDefinition(const std::string& policy, const Field& definition) {
    std::vector<PolicyStatement> statements;
    for (const Field& field : definition["statements"].Items()) {
      PolicyStatement& statement = statements.emplace_back();
      statement.rule.name = absl::StrCat(policy, "/", field["name"].String());
      statements_[field.path()] = statement.rule.name;
      ReadConditions(field["conditions"], &statement);
      ReadActions(field["actions"], &statement);
    }
    return statements;
  }

  template <typename T>
  static const std::vector<T>* FindSet(const std::map<std::string, std::vector<T>>& sets,
                                       const Field& name) {
    const auto it = sets.find(name.String());
    if (it == sets.end()) {
      name.Error(absl::StrCat("there is no set \"", name.String(), "\""));
    } else if (it->second.empty()) {
      name.Error(absl::StrCat("set \"", name.String(), "\" is empty"));
    } else {
      return &it->second;
    }
    return nullptr;
  }

  void ReadConditions(const Field& conditions, PolicyStatement* statement) const {
    const auto inverted = [](const Field& match) {
      return match["match-set-options"].OneOf(
          {{"any", false}, {"ANY", false}, {"invert", true}, {"INVERT", true}}, false);
    };
    if (const Field match = conditions["match-prefix-set"]; match.given()) {
      if (const auto* set = FindSet(prefix_sets_, match["prefix-set"]))
        statement->rule.prefixes = *set;
      statement->rule.others = inverted(match);
    }
    if (const Field match = conditions["match-neighbor-set"]; match.given()) {
      if (const auto* set = FindSet(neighbor_sets_, match["neighbor-set"]))
        statement->neighbors = *set;
      statement->other_neighbors = inverted(match);
    }
  }

  static void ReadActions(const Field& actions, PolicyStatement* statement) {
    ExportRule& rule = statement->rule;
    rule.verdict = actions["route-disposition"].OneOf({{"none", Verdict::kNext},
                                                       {"accept-route", Verdict::kAccept},
                                                       {"reject-route", Verdict::kReject}},
                                                      Verdict::kNext);
    const Field bgp = actions["bgp-actions"];
    ReadMed(bgp["set-med"], &rule);
    if (bgp["set-local-pref"].given())
      rule.set.local_pref = bgp["set-local-pref"].Int<uint32_t>(0, UINT32_MAX);
    if (const Field prepend = bgp["set-as-path-prepend"]; prepend.given()) {
      rule.set.prepend = prepend["repeat-n"].Int<uint32_t>(0, kMaxPrepend);
      uint32_t as = 0;
      const std::string text = prepend["as"].String();
      if (absl::SimpleAtoi(text, &as))
        statement->prepended_as = as;
      else if (text != "last-as")
        prepend["as"].Error(absl::StrCat("\"", text, "\" is not an AS number or last-as"));
    }
    for (const char* kind : {"community", "ext-community", "large-community"})
      ReadCommunities(bgp[absl::StrCat("set-", kind)], kind, &rule);
  }

  // "+5", "-5" or a new value.
  static void ReadMed(const Field& field, ExportRule* rule) {
    if (!field.given()) return;
    if (field.value()->integer() != nullptr) {
      rule->set.med = field.Int<uint32_t>(0, UINT32_MAX);
      return;
    }
    const std::string text = field.String();
    int64_t number = 0;
    constexpr int64_t kMost = std::numeric_limits<uint32_t>::max();
    if (!absl::SimpleAtoi(text, &number) || number < -kMost || number > kMost)
      return field.Error(absl::StrCat("\"", text, "\" is not a MED, or + or - and a number"));
    if (text[0] == '+' || text[0] == '-')
      rule->add_med = number;
    else
      rule->set.med = static_cast<uint32_t>(number);
  }

  static void ReadCommunities(const Field& field, absl::string_view kind, ExportRule* rule) {
    if (!field.given()) return;
    PathAttributes named;
    const Field list = field[absl::StrCat("set-", kind, "-method")]["communities-list"];
    for (const std::string& text : list.Strings()) {
      const auto community = network::ParseCommunity(text);
      const auto* standard =
          community ? std::get_if<network::StandardCommunity>(&*community) : nullptr;
      const auto* extended =
          community ? std::get_if<network::ExtendedCommunity>(&*community) : nullptr;
      const auto* large = community ? std::get_if<network::LargeCommunity>(&*community) : nullptr;
      if (kind == "community" && standard != nullptr)
        named.communities.push_back(standard->value);
      else if (kind == "ext-community" && extended != nullptr)
        named.extended_communities.push_back(extended->value);
      else if (kind == "large-community" && large != nullptr)
        named.large_communities.push_back(large->parts);
      else
        list.Error(absl::StrCat("\"", text, "\" is not one"));
    }
    const std::string option =
        field["options"].OneOfText({"ADD", "REMOVE", "REPLACE", "add", "remove", "replace"}, "ADD");
    if (option == "REMOVE" || option == "remove") {
      rule->remove = Merge(rule->remove, named);
      return;
    }
    rule->set = Merge(rule->set, named);
    if (option == "ADD" || option == "add") return;
    rule->clear_communities |= kind == "community";
    rule->clear_extended_communities |= kind == "ext-community";
    rule->clear_large_communities |= kind == "large-community";
  }

  ExportPolicy policy_;
  std::map<std::string, std::string> statements_;  // names by paths
  std::map<std::string, std::vector<ExportRule::Range>> prefix_sets_;
  std::map<std::string, std::vector<IpPrefix>> neighbor_sets_;
};

}  // namespace

ExportPolicy ReadExportPolicy(absl::string_view gobgp_conf) {
  if (gobgp_conf.size() > kMaxText) return {.error = "it is longer than 64 KiB"};
  const codec::ParsedToml toml = codec::ParseToml(gobgp_conf);
  if (toml.error.has_value())
    return {.error = absl::StrCat("line ", toml.error->line, ": ", toml.error->message)};
  codec::Findings findings;
  PolicyReader reader;
  ExportPolicy policy = reader.Read(Field(&toml.value, "", 1, &findings));
  std::vector<codec::Finding> wrong = findings.errors();
  for (codec::Finding& unknown : findings.UnknownFields(toml.value)) {
    unknown.message = "is not applied by this version";
    wrong.push_back(std::move(unknown));
  }
  std::vector<std::string> texts;
  for (const codec::Finding& finding : wrong) texts.push_back(reader.Describe(finding));
  policy.error = absl::StrJoin(texts, "; ");
  return policy;
}

PeerRules RulesFor(const ExportPolicy& policy, const IpAddress& peer, uint32_t local_as) {
  PeerRules out;
  for (const PolicyStatement& statement : policy.statements) {
    const bool named = std::any_of(
        statement.neighbors.begin(), statement.neighbors.end(), [&](const IpPrefix& prefix) {
          return prefix.family() == peer.family() && prefix.Contains(peer);
        });
    if (!statement.neighbors.empty() && named == statement.other_neighbors) continue;
    if (statement.prepended_as.value_or(local_as) != local_as) {
      out.error = absl::StrCat("statement ", statement.rule.name, " prepends AS ",
                               *statement.prepended_as, ", but the speaker's is ", local_as);
    }
    out.rules.push_back(statement.rule);
  }
  if (policy.rejects_rest)
    out.rules.push_back({.name = "default-export-policy", .verdict = Verdict::kReject});
  return out;
}

}  // namespace openelb::plan
