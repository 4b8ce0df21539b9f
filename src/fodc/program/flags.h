// SPDX-License-Identifier: Apache-2.0
// A program's flags, as Go programs have them, each also from the environment
// and from a configuration file: flag before environment before file before
// default.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"

namespace fodc::program {

// What Parse found. Print `out` to standard output, `error` to standard error.
struct ParseOutcome {
  bool run = false;   // go on; otherwise exit with `exit_code`
  int exit_code = 0;  // 0 after --help and --version, 2 for a usage error
  std::string out{};
  std::string error{};
};

// One flag's line of the listing that --help prints and docs/reference is
// compared with.
struct FlagInfo {
  std::string name;           // without "--"
  std::string type;           // string, bool, int, float, duration, bytes, list
  std::string default_value;  // as it would be written
  std::string help;
};

struct EffectiveValue {
  std::string name;
  std::string value;   // "***" for what is secret
  std::string source;  // "flag", "env", "file", "default"
};

class Flags;

// One flag while it is declared: what its value must satisfy. The messages
// name the flag, the value and the limit. Valid as long as its Flags.
class Flag {
 public:
  // For int, float, duration (in nanoseconds), bytes.
  Flag& AtLeast(double min);
  Flag& AtMost(double max);
  Flag& AtLeast(std::chrono::nanoseconds min);
  Flag& AtMost(std::chrono::nanoseconds max);
  // For strings and each element of a list.
  Flag& OneOf(std::vector<std::string> values);
  Flag& NotEmpty();
  // For strings: the value of "--name" alone. A value then needs "=".
  Flag& Alone(std::string value);
  // `check` gets the value as text (a list joined by commas); its message is
  // put behind "--name: ".
  Flag& Check(std::function<Status(const std::string& value)> check);
  // Masked in EffectiveValues.
  Flag& Secret();
  // Of URLs: user and password are masked there.
  Flag& MaskUserInfo();

  struct State;
  explicit Flag(State* state) : state_(state) {}

 private:
  State* state_;
};

// Not thread-safe. Accepts --flag=value, --flag value, --flag and --flag=false
// for bools, lists by repetition and by commas, durations as Go writes them,
// bytes with binary units; "--flag=" is the empty value. The environment is
// `<env_prefix><FLAG_WITH_UNDERSCORES>`; an empty variable counts as not set.
// --config FILE holds `flag = value` lines (INI or TOML). --help and --version
// are there without being declared.
class Flags {
 public:
  Flags(std::string program, std::string summary, std::string version,
        std::string env_prefix = "FODC_");
  ~Flags();
  Flags(const Flags&) = delete;
  Flags& operator=(const Flags&) = delete;

  // `*value` holds the default, must outlive Parse and gets the value. Aborts
  // on a name that is there already.
  Flag String(std::string name, std::string* value, std::string help);
  Flag Bool(std::string name, bool* value, std::string help);
  Flag Int(std::string name, std::int64_t* value, std::string help);
  Flag Float(std::string name, double* value, std::string help);
  Flag Duration(std::string name, std::chrono::nanoseconds* value,
                std::string help);
  Flag Bytes(std::string name, std::uint64_t* value, std::string help);
  Flag List(std::string name, std::vector<std::string>* value,
            std::string help);
  // A list by repetition alone: a comma is part of an element, as it was given.
  Flag Texts(std::string name, std::vector<std::string>* value,
             std::string help);
  // After all flags are read, for rules between several of them.
  void CheckAll(std::function<Status()> check);

  // Once. After a failure the variables may hold part of the values.
  ParseOutcome Parse(int argc, const char* const* argv);
  ParseOutcome Parse(const std::vector<std::string>& arguments);

  // What is wrong, as Parse says it: where each value that the message names
  // came from, if not from the command line, and how to get help.
  std::string UsageError(std::string_view message) const;

  std::string Help() const;
  // In the order of declaration; --config, --help and --version at the end.
  std::vector<FlagInfo> Listing() const;
  // All that were declared, after Parse: to be logged once.
  std::vector<EffectiveValue> EffectiveValues() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::program
