// SPDX-License-Identifier: Apache-2.0
// Takes secrets out of text that is captured: configuration files, log lines,
// command lines, environments. It goes by names (a key that sounds like a
// secret loses its value, whatever it is), by places (the password of a URL)
// and by shapes (private keys, well-known tokens). When in doubt it takes more.
// A secret under a name that gives no hint, in no known shape, is not seen, nor
// what is left of a private key whose first line was cut off.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace fodc::capture {

inline constexpr std::string_view kRedacted = "[redacted]";

// One text, line by line: it remembers private keys and values that go over
// several lines (YAML blocks and lists, indented JSON). Not thread-safe; its
// memory does not grow with the text.
class Redactor {
 public:
  // Appends `line`, which has no line feed, without its secrets.
  void AppendLine(std::string_view line, std::string* out);
  // The same of a line whose end is not there yet: what may be the beginning of
  // a secret at its end (of a URL's user, of a token) goes, too.
  void AppendOpenLine(std::string_view line, std::string* out);
  // How many pieces were taken out.
  std::size_t redacted() const { return redacted_; }

 private:
  void TakeOut(std::string* out);
  bool TakeNested(std::string_view line, std::string* out);
  void NoteName(std::string_view value);
  bool IsSecret(std::string_view word);
  void Scan(std::string_view line, std::string* out);
  std::string_view TakeBehind(std::string_view line, std::string_view word,
                              std::size_t at, bool is_first, std::string* out);
  std::string_view TakeValue(std::string_view line, std::size_t value,
                             bool is_whole_line, bool may_nest,
                             std::string* out);
  std::string_view TakeElement(std::string_view line, std::size_t at,
                               std::string* out);

  bool in_private_key_ = false;
  // What is indented more than that belongs to a secret's value.
  std::optional<std::size_t> nested_in_;
  // In how many lines, this one among them, a `value` is that of a secret name.
  int named_lines_ = 0;
  std::size_t redacted_ = 0;
};

// A whole text; a line feed at its end stays one.
std::string RedactText(std::string_view text);
// As /proc/<pid>/cmdline has it, NUL-separated: one argument a line. The value
// after a flag of a secret name ("--password x") is taken out as well.
std::string RedactArguments(std::string_view cmdline);
// As /proc/<pid>/environ has it: one variable a line, line feeds in values
// written as \n.
std::string RedactEnvironment(std::string_view environ);

}  // namespace fodc::capture
