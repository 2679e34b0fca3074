#include "api/base/flags.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "api/base/ip.h"

namespace openelb {
namespace {

constexpr size_t kHelpColumn = 34;

// Escaped, so that a message stays one line.
std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", absl::Utf8SafeCEscape(text), "\"");
}

absl::Status Invalid(absl::string_view value, absl::string_view allowed) {
  return absl::InvalidArgumentError(absl::StrCat(Quoted(value), " is not ", allowed));
}

std::string Key(absl::string_view name) { return absl::StrReplaceAll(name, {{"_", "-"}}); }

// absl::FormatDuration writes 24h as "24h" and 90s as "1m30s", which is what ParseDuration reads.
std::string Text(absl::Duration value) { return absl::FormatDuration(value); }

std::string Text(const std::vector<HostPort>& values) {
  return absl::StrJoin(values, ", ", [](std::string* out, const HostPort& value) {
    absl::StrAppend(out, value.ToString());
  });
}

// With the dashes that its name is usually written with.
std::string Shown(absl::string_view name) {
  return absl::StrCat(name.size() == 1 ? "-" : "--", absl::Utf8SafeCEscape(name));
}

// HOST:PORT where a server can listen.
absl::StatusOr<HostPort> ParseListenAddress(absl::string_view text) {
  absl::StatusOr<HostPort> parsed = ParseHostPort(text);
  if (!parsed.ok() || parsed->host.empty() || parsed->host == "localhost" ||
      IpAddress::Parse(parsed->host).ok()) {
    return parsed;
  }
  return Invalid(text, "HOST:PORT: the host must be an IP address, localhost or empty");
}

std::string Text(const HostPort& value) { return value == HostPort() ? "" : value.ToString(); }

}  // namespace

FlagSet::FlagSet(std::string program, std::string usage, std::string purpose)
    : program_(std::move(program)), usage_(std::move(usage)), purpose_(std::move(purpose)) {
  Group("General");
  Bool("help", &help_, "print this text and exit");
  Alias("h", "help");
  Bool("version", &version_, "print the version and exit");
}

void FlagSet::Group(absl::string_view title) { group_ = std::string(title); }

FlagSet::Flag& FlagSet::Add(absl::string_view name, absl::string_view value, std::string initial,
                            absl::string_view help,
                            std::function<absl::Status(absl::string_view)> set) {
  // Declaring a name twice is a programming error: no command line could reach the second.
  if (!index_.emplace(Key(name), flags_.size()).second) std::abort();
  flags_.push_back({.name = std::string(name),
                    .group = group_,
                    .value = std::string(value),
                    .initial = std::move(initial),
                    .help = std::string(help),
                    .set = std::move(set)});
  return flags_.back();
}

FlagSet::Flag* FlagSet::Find(absl::string_view name) {
  const auto it = index_.find(Key(name));
  return it == index_.end() ? nullptr : &flags_[it->second];
}

const FlagSet::Flag* FlagSet::Find(absl::string_view name) const {
  return const_cast<FlagSet*>(this)->Find(name);
}

void FlagSet::String(absl::string_view name, std::string* value, absl::string_view help) {
  Add(name, "TEXT", *value, help, [value](absl::string_view text) {
    *value = std::string(text);
    return absl::OkStatus();
  });
}

void FlagSet::Choice(absl::string_view name, std::string* value, std::vector<std::string> allowed,
                     absl::string_view help) {
  const std::string shown = absl::StrJoin(allowed, "|");
  Add(name, shown, *value, help,
      [value, allowed = std::move(allowed)](absl::string_view text) -> absl::Status {
        if (std::find(allowed.begin(), allowed.end(), text) == allowed.end()) {
          return Invalid(text, absl::StrCat("one of ", absl::StrJoin(allowed, ", ")));
        }
        *value = std::string(text);
        return absl::OkStatus();
      });
}

void FlagSet::Bool(absl::string_view name, bool* value, absl::string_view help) {
  Add(name, "", *value ? "true" : "", help, [value](absl::string_view text) -> absl::Status {
    return absl::SimpleAtob(text, value) ? absl::OkStatus() : Invalid(text, "true or false");
  });
}

void FlagSet::Int(absl::string_view name, int64_t* value, int64_t minimum, int64_t maximum,
                  absl::string_view help) {
  Add(name, "N", absl::StrCat(*value), help,
      [value, minimum, maximum](absl::string_view text) -> absl::Status {
        int64_t number = 0;
        if (!absl::SimpleAtoi(text, &number) || number < minimum || number > maximum) {
          return Invalid(text, absl::StrCat("a number ", minimum, "..", maximum));
        }
        *value = number;
        return absl::OkStatus();
      });
}

void FlagSet::Duration(absl::string_view name, absl::Duration* value, absl::string_view help) {
  Add(name, "DURATION", Text(*value), help, [value](absl::string_view text) -> absl::Status {
    absl::Duration duration;
    if (!absl::ParseDuration(text, &duration) || duration < absl::ZeroDuration() ||
        duration == absl::InfiniteDuration()) {
      return Invalid(text, "a duration such as 300ms, 10s, 1m30s or 24h");
    }
    *value = duration;
    return absl::OkStatus();
  });
}

void FlagSet::Address(absl::string_view name, HostPort* value, absl::string_view help) {
  Add(name, "HOST:PORT", Text(*value), help, [value](absl::string_view text) -> absl::Status {
    absl::StatusOr<HostPort> parsed = ParseHostPort(text);
    if (!parsed.ok()) return parsed.status();
    *value = *std::move(parsed);
    return absl::OkStatus();
  });
}

void FlagSet::AddressOrNone(absl::string_view name, std::optional<HostPort>* value,
                            absl::string_view help) {
  Add(name, "HOST:PORT", value->has_value() ? (*value)->ToString() : "0", help,
      [value](absl::string_view text) -> absl::Status {
        value->reset();
        if (text == "0") return absl::OkStatus();
        absl::StatusOr<HostPort> parsed = ParseListenAddress(text);
        if (!parsed.ok()) return parsed.status();
        *value = *std::move(parsed);
        return absl::OkStatus();
      });
}

void FlagSet::Strings(absl::string_view name, std::vector<std::string>* values,
                      absl::string_view help) {
  Add(name, "TEXT", absl::StrJoin(*values, ", "), absl::StrCat(help, "; repeatable"),
      [values, first = true](absl::string_view text) mutable {
        if (first) values->clear();
        first = false;
        values->emplace_back(text);
        return absl::OkStatus();
      });
}

void FlagSet::Addresses(absl::string_view name, std::vector<HostPort>* values,
                        absl::string_view help) {
  Add(name, "HOST:PORT", Text(*values), absl::StrCat(help, "; repeatable"),
      [values, first = true](absl::string_view text) mutable -> absl::Status {
        absl::StatusOr<HostPort> parsed = ParseHostPort(text);
        if (!parsed.ok()) return parsed.status();
        if (first) values->clear();
        first = false;
        values->push_back(*std::move(parsed));
        return absl::OkStatus();
      });
}

void FlagSet::Alias(absl::string_view alias, absl::string_view name) {
  const auto it = index_.find(Key(name));
  if (it == index_.end() || !index_.emplace(Key(alias), it->second).second) std::abort();
}

void FlagSet::Require(absl::string_view name) {
  Flag* flag = Find(name);
  if (flag == nullptr) std::abort();
  flag->required = true;
}

void FlagSet::WithoutEffect(absl::string_view name, Takes takes, absl::string_view why) {
  Flag& flag = Add(name, takes == Takes::kValue ? "VALUE" : "", "", why,
                   [](absl::string_view) { return absl::OkStatus(); });
  flag.hidden = true;
}

void FlagSet::KlogWithoutEffect() {
  constexpr absl::string_view kWhy = "logs go to standard error; see --log-format";
  for (const char* name : {"add_dir_header", "alsologtostderr", "logtostderr", "one_output",
                           "skip_headers", "skip_log_headers"}) {
    WithoutEffect(name, Takes::kNothing, kWhy);
  }
  for (const char* name : {"log_backtrace_at", "log_dir", "log_file", "log_file_max_size",
                           "log_flush_frequency", "stderrthreshold", "v", "vmodule"}) {
    WithoutEffect(name, Takes::kValue, kWhy);
  }
}

absl::Status FlagSet::Parse(std::span<const char* const> args) {
  for (size_t i = 0; i < args.size(); ++i) {
    const absl::string_view arg = args[i];
    if (arg == "--" && i + 1 == args.size()) break;
    if (arg == "--" || !absl::StartsWith(arg, "-") || arg == "-") {
      return absl::InvalidArgumentError(
          absl::StrCat("unexpected argument ", Quoted(arg == "--" ? args[i + 1] : arg)));
    }
    absl::string_view name = arg.substr(absl::StartsWith(arg, "--") ? 2 : 1);
    const size_t equals = name.find('=');
    const bool has_value = equals != absl::string_view::npos;
    absl::string_view value = has_value ? name.substr(equals + 1) : "";
    name = name.substr(0, equals);

    Flag* flag = Find(name);
    if (flag == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(Shown(name), ": unknown flag; see --help"));
    }
    if (!has_value) {
      if (flag->value.empty()) {
        value = "true";
      } else if (i + 1 < args.size()) {
        value = args[++i];
      } else {
        return absl::InvalidArgumentError(
            absl::StrCat(Shown(name), ": needs a value (", flag->value, ")"));
      }
    }
    if (absl::Status status = flag->set(value); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(Shown(name), ": ", status.message()));
    }
    if (flag->hidden && !flag->given) {
      warnings_.push_back(absl::StrCat("--", flag->name, " has no effect: ", flag->help));
    }
    flag->given = true;
  }
  if (help_ || version_) return absl::OkStatus();
  for (const Flag& flag : flags_) {
    if (flag.required && !flag.given) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", flag.name, ": is required (", flag.value, ")"));
    }
  }
  return absl::OkStatus();
}

bool FlagSet::Given(absl::string_view name) const {
  const Flag* flag = Find(name);
  return flag != nullptr && flag->given;
}

std::string FlagSet::Help() const {
  std::string out = absl::StrCat("Usage: ", program_, " ", usage_, "\n", purpose_, "\n");
  std::vector<std::string> groups;
  std::vector<std::string> hidden;
  for (const Flag& flag : flags_) {
    if (flag.hidden) {
      hidden.push_back(absl::StrCat("--", flag.name));
    } else if (std::find(groups.begin(), groups.end(), flag.group) == groups.end()) {
      groups.push_back(flag.group);
    }
  }
  // The general flags are declared first and matter least.
  std::rotate(groups.begin(), groups.begin() + 1, groups.end());
  for (const std::string& group : groups) {
    absl::StrAppend(&out, "\n", group, ":\n");
    for (const Flag& flag : flags_) {
      if (flag.hidden || flag.group != group) continue;
      std::string left = absl::StrCat("  --", flag.name, flag.value.empty() ? "" : " ", flag.value);
      left.resize(std::max(left.size() + 2, kHelpColumn), ' ');
      absl::StrAppend(&out, left, flag.help);
      if (flag.required) {
        absl::StrAppend(&out, " (required)");
      } else if (!flag.initial.empty()) {
        absl::StrAppend(&out, " (default ", flag.initial, ")");
      }
      absl::StrAppend(&out, "\n");
    }
  }
  if (!hidden.empty()) {
    absl::StrAppend(&out, "\nAccepted without effect: ", absl::StrJoin(hidden, " "), "\n");
  }
  return out;
}

}  // namespace openelb
