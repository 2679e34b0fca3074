#pragma once
// Command line flags as a table: each program declares its flags once, and parsing, errors and the
// help text follow from the table.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/base/host_port.h"

namespace openelb {

// The flags of one program or subcommand. Each declaration binds a variable, whose value at that
// moment is the default that the help text shows; the variable must outlive Parse.
//
// Spelling: `--name=value`, `--name value`, and both with one dash. A boolean takes its value only
// after "=" (`--name=false`); alone it means true. Names are never abbreviated; "_" and "-" are the
// same in them. `--` ends the flags. --help (-h) and --version are always there.
class FlagSet {
 public:
  // `usage` follows the program's name in the first line of the help text, `purpose` is the
  // sentence under it.
  FlagSet(std::string program, std::string usage, std::string purpose);
  // Bound to its own members.
  FlagSet(const FlagSet&) = delete;
  FlagSet& operator=(const FlagSet&) = delete;

  // Starts a group of the help text; the flags declared next belong to it.
  void Group(absl::string_view title);

  void String(absl::string_view name, std::string* value, absl::string_view help);
  void Choice(absl::string_view name, std::string* value, std::vector<std::string> allowed,
              absl::string_view help);
  void Bool(absl::string_view name, bool* value, absl::string_view help);
  // Refuses values outside minimum..maximum.
  void Int(absl::string_view name, int64_t* value, int64_t minimum, int64_t maximum,
           absl::string_view help);
  // Go's notation: 300ms, 10s, 1m30s, 24h; never negative.
  void Duration(absl::string_view name, absl::Duration* value, absl::string_view help);
  void Address(absl::string_view name, HostPort* value, absl::string_view help);
  // Where to listen, so HOST is an address, localhost or empty. "0" means nothing.
  void AddressOrNone(absl::string_view name, std::optional<HostPort>* value,
                     absl::string_view help);
  // May be given several times, each adding one value; the first one given replaces the default.
  void Strings(absl::string_view name, std::vector<std::string>* values, absl::string_view help);
  void Addresses(absl::string_view name, std::vector<HostPort>* values, absl::string_view help);

  // A second name of a declared flag.
  void Alias(absl::string_view alias, absl::string_view name);
  // Parse refuses a command line without this declared flag, unless --help or --version is there.
  void Require(absl::string_view name);

  // A flag of older programs that is accepted and does nothing; the value, if it takes one, is not
  // looked at. `why` ends the sentence "--name has no effect: ".
  enum class Takes { kNothing, kValue };
  void WithoutEffect(absl::string_view name, Takes takes, absl::string_view why);
  // The logging flags of klog, which every Kubernetes program takes.
  void KlogWithoutEffect();

  // Reads `args` (without the program's name) into the variables. Error: InvalidArgument, one line
  // that names the flag, its value and what is allowed; variables may have changed by then.
  absl::Status Parse(std::span<const char* const> args);

  bool help() const { return help_; }
  bool version() const { return version_; }
  // After Parse: was this declared flag on the command line?
  bool Given(absl::string_view name) const;
  // After Parse: one sentence for each flag without effect that was given, each flag once.
  const std::vector<std::string>& warnings() const { return warnings_; }
  // The text for --help: groups in order of declaration, then the names without effect.
  std::string Help() const;

 private:
  struct Flag {
    std::string name;
    std::string group;
    std::string value;  // what stands for the value in the help text; empty: a boolean
    std::string initial;
    std::string help;
    std::function<absl::Status(absl::string_view)> set;  // an error says what is allowed
    bool required = false;
    bool given = false;
    bool hidden = false;  // without effect: named at the end only
  };
  Flag& Add(absl::string_view name, absl::string_view value, std::string initial,
            absl::string_view help, std::function<absl::Status(absl::string_view)> set);
  Flag* Find(absl::string_view name);
  const Flag* Find(absl::string_view name) const;

  std::string program_;
  std::string usage_;
  std::string purpose_;
  std::string group_;
  std::vector<Flag> flags_;
  std::map<std::string, size_t, std::less<>> index_;  // name or alias to its place in flags_
  std::vector<std::string> warnings_;
  bool help_ = false;
  bool version_ = false;
};

}  // namespace openelb
