// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <string>
#include <string_view>

#include "fodc/capture/redact.h"
#include "fodc/capture/secret_name.h"

namespace fodc::capture {
namespace {

// Calls `take` for each piece of a NUL-separated text.
template <typename Take>
void ForEachPiece(std::string_view text, const Take& take) {
  while (!text.empty()) {
    const std::size_t end = text.find('\0');
    take(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

// With nothing in it that would begin another line.
std::string OneLine(std::string_view piece) {
  std::string line;
  for (const char c : piece) {
    if (c == '\n') {
      line += "\\n";
    } else {
      line.push_back(c);
    }
  }
  return line;
}

}  // namespace

std::string RedactArguments(std::string_view cmdline) {
  std::string out;
  bool is_secret = false;
  ForEachPiece(cmdline, [&](std::string_view argument) {
    const bool is_flag = argument.starts_with("-");
    // "-x" behind "--password" may be either: it goes.
    if (is_secret && !argument.starts_with("--") && !argument.empty()) {
      out += kRedacted;
    } else {
      Redactor().AppendLine(OneLine(argument), &out);
    }
    is_secret = is_flag && argument.find('=') == std::string_view::npos &&
                IsSecretName(argument);
    out.push_back('\n');
  });
  return out;
}

std::string RedactEnvironment(std::string_view environ) {
  std::string out;
  ForEachPiece(environ, [&](std::string_view variable) {
    // Of a shell's directories the names sound like a password's.
    if (variable.starts_with("PWD=/") || variable.starts_with("OLDPWD=/")) {
      out += OneLine(variable);
    } else {
      Redactor().AppendLine(OneLine(variable), &out);
    }
    out.push_back('\n');
  });
  return out;
}

}  // namespace fodc::capture
