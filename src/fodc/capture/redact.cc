// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/redact.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "fodc/base/strings.h"

namespace fodc::capture {
namespace {

using std::string_view;

constexpr std::array<string_view, 21> kSecretParts = {
    "password",      "passwd",     "passphrase", "secret",
    "token",         "credential", "apikey",     "accesskey",
    "privatekey",    "sharedkey",  "accountkey", "masterkey",
    "signingkey",    "sshkey",     "hmackey",    "encryptionkey",
    "authorization", "cookie",     "sessionid",  "connectionstring",
    "signature",
};
// What such a name ends in when its value only speaks of the secret.
constexpr std::array<string_view, 21> kHarmlessEnds = {
    "file",      "path",       "dir",    "directory", "name",  "ttl",
    "timeout",   "enabled",    "count",  "size",      "limit", "interval",
    "expiry",    "expiration", "length", "policy",    "type",  "version",
    "algorithm", "keyid",      "url",
};
constexpr std::array<string_view, 6> kNoValues = {"true", "false", "null",
                                                  "none", "nil",   "~"};
// Tokens that are known by how they begin, and the least that must follow.
struct Shape {
  string_view begin;
  std::size_t least;
};
constexpr std::array<Shape, 10> kShapes = {{
    {"eyJ", 20},
    {"AKIA", 16},
    {"ASIA", 16},
    {"ghp_", 20},
    {"gho_", 20},
    {"ghs_", 20},
    {"github_pat_", 20},
    {"glpat-", 16},
    {"xoxb-", 16},
    {"xoxp-", 16},
}};

bool IsWord(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' ||
         c == '-' || c == '.';
}

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::size_t Skip(string_view line, std::size_t at, bool (*is)(char)) {
  while (at < line.size() && is(line[at])) ++at;
  return at;
}

// Where a value that is written without quotes within a line ends.
bool IsDelimiter(char c) {
  return IsSpace(c) || string_view(",;&)]}\"'").find(c) != string_view::npos;
}

std::size_t EndOfQuoted(string_view line, std::size_t at) {
  const char quote = line[at++];
  for (; at < line.size(); ++at) {
    if (line[at] == '\\') {
      ++at;
    } else if (line[at] == quote) {
      return at;
    }
  }
  return line.size();
}

// Of a list or object that begins at `at`: behind its end, or the line's.
std::size_t EndOfBrackets(string_view line, std::size_t at) {
  std::size_t depth = 0;
  for (; at < line.size(); ++at) {
    const char c = line[at];
    if (c == '"') {
      at = EndOfQuoted(line, at);
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if ((c == ']' || c == '}') && --depth == 0) {
      return at + 1;
    }
  }
  return line.size();
}

// The password of "scheme://user:password@host", if `at` is behind "://":
// begin and end; or the whole of what stands there if it looks like a token.
std::pair<std::size_t, std::size_t> UserSecret(string_view line,
                                               std::size_t at) {
  constexpr std::size_t kTokenBytes = 16;
  const std::size_t end = line.find_first_of("/?# \t\"'<>", at);
  const string_view authority = line.substr(at, end - at);
  const std::size_t user_end = authority.rfind('@');
  if (user_end == string_view::npos) return {at, at};
  const std::size_t colon = authority.find(':');
  if (colon < user_end) return {at + colon + 1, at + user_end};
  return {at, user_end >= kTokenBytes ? at + user_end : at};
}

// Whether a word is a token by its shape.
bool IsToken(string_view word) {
  return std::any_of(kShapes.begin(), kShapes.end(), [&](const Shape& shape) {
    return word.starts_with(shape.begin) &&
           word.size() >= shape.begin.size() + shape.least;
  });
}

bool IsScheme(string_view word) {
  return EqualsIgnoreCase(word, "bearer") || EqualsIgnoreCase(word, "basic");
}

}  // namespace

bool IsSecretName(string_view name) {
  std::string plain;
  for (const char c : name) {
    if (c == '_' || c == '-' || c == '.') continue;
    plain.push_back(
        static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  if (plain == "sig") return true;  // of an address that gives access
  if (plain.ends_with("pwd")) return plain != "pwd" && plain != "oldpwd";
  if (plain.starts_with("max") || plain.starts_with("min") ||
      plain.find("tokeniz") != std::string::npos) {
    return false;
  }
  const auto ends = [&](string_view end) { return plain.ends_with(end); };
  if (std::any_of(kHarmlessEnds.begin(), kHarmlessEnds.end(), ends))
    return false;
  return std::any_of(
      kSecretParts.begin(), kSecretParts.end(),
      [&](string_view part) { return plain.find(part) != std::string::npos; });
}

void Redactor::TakeOut(std::string* out) {
  out->append(kRedacted);
  ++redacted_;
}

void Redactor::AppendLine(string_view line, std::string* out) {
  constexpr string_view kBegin = "-----BEGIN ";
  constexpr string_view kEnd = "-----END ";
  if (in_private_key_) {
    const std::size_t end = line.find(kEnd);
    in_private_key_ = end == string_view::npos;
    TakeOut(out);
    if (!in_private_key_) out->append(line.substr(end));
    return;
  }
  if (TakeNested(line, out)) return;
  const std::size_t begin = line.find(kBegin);
  const std::size_t key = line.find("PRIVATE KEY-----", begin);
  if (begin != string_view::npos && key != string_view::npos) {
    out->append(line.substr(0, key + 16));
    const std::size_t end = line.find(kEnd, key);
    in_private_key_ = end == string_view::npos;
    if (!in_private_key_ || line.size() > key + 16) TakeOut(out);
    if (!in_private_key_) out->append(line.substr(end));
    return;
  }
  Scan(line, out);
}

// What belongs to a secret of a line before: indented more, or an item of its
// list.
bool Redactor::TakeNested(string_view line, std::string* out) {
  if (!nested_in_) return false;
  const std::size_t indent = Skip(line, 0, IsSpace);
  const bool is_empty = indent == line.size();
  const bool is_item =
      indent == *nested_in_ && line.substr(indent).starts_with("- ");
  if (!is_empty && indent <= *nested_in_ && !is_item) {
    nested_in_.reset();
    return false;
  }
  out->append(line.substr(0, indent));
  if (!is_empty) TakeOut(out);
  return true;
}

void Redactor::Scan(string_view line, std::string* out) {
  const std::size_t indent = Skip(line, 0, IsSpace);
  std::size_t at = 0;
  while (at < line.size()) {
    if (line.substr(at).starts_with("://")) {
      const auto [begin, end] = UserSecret(line, at + 3);
      out->append(line.substr(at, begin - at));
      if (end > begin) TakeOut(out);
      at = end;
      continue;
    }
    if (!IsWord(line[at])) {
      out->push_back(line[at++]);
      continue;
    }
    const std::size_t word_end = Skip(line, at, IsWord);
    const string_view word = line.substr(at, word_end - at);
    const bool is_first = at == indent || line.substr(0, at) == "export ";
    if (IsToken(word)) {
      TakeOut(out);
      at = word_end;
      continue;
    }
    out->append(word);
    at = word_end;
    std::size_t next = at;
    const bool is_quoted =
        next < line.size() && (line[next] == '"' || line[next] == '\'');
    if (is_quoted) ++next;
    next = Skip(line, next, IsSpace);
    if (IsScheme(word) && next > at && !is_quoted) {
      const std::size_t end =
          Skip(line, next, [](char c) { return !IsDelimiter(c); });
      if (end - next >= 8) {
        out->append(line.substr(at, next - at));
        TakeOut(out);
        at = end;
        continue;
      }
    }
    if (next >= line.size() || (line[next] != ':' && line[next] != '='))
      continue;
    if (line.substr(next).starts_with("://") || !IsSecretName(word)) continue;
    const char separator = line[next];
    ++next;
    if (next < line.size() && (line[next] == '=' || line[next] == '>')) ++next;
    const bool is_apart = next < line.size() && IsSpace(line[next]);
    const std::size_t value = Skip(line, next, IsSpace);
    out->append(line.substr(at, value - at));
    const string_view rest =
        TakeValue(line, value, is_first || (separator == ':' && is_apart),
                  is_quoted, separator, out);
    at = line.size() - rest.size();
  }
}

// What comes behind the value that begins at `value`.
string_view Redactor::TakeValue(string_view line, std::size_t value,
                                bool is_first, bool is_quoted, char separator,
                                std::string* out) {
  const std::size_t indent = Skip(line, 0, IsSpace);
  const string_view text = line.substr(value);
  if (text.empty() || text[0] == '|' || text[0] == '>') {
    // The lines that follow are the value.
    if (separator == ':') nested_in_ = indent;
    out->append(text);
    return {};
  }
  std::size_t end = value;
  if (text[0] == '"' || text[0] == '\'') {
    end = EndOfQuoted(line, value);
    if (end == value + 1) {  // empty
      out->append(text.substr(0, 2));
      return text.substr(std::min<std::size_t>(2, text.size()));
    }
    out->push_back(text[0]);
    TakeOut(out);
    return line.substr(end);
  }
  if (text[0] == '[' || text[0] == '{') {
    end = EndOfBrackets(line, value);
    const char last = line[end - 1];
    if (last != ']' && last != '}') nested_in_ = indent;
    TakeOut(out);
    return line.substr(end);
  }
  if (is_first && !is_quoted) {
    end = line.size();
  } else {
    end = Skip(line, value, [](char c) { return !IsDelimiter(c); });
  }
  const string_view taken = Trim(line.substr(value, end - value));
  const bool is_none =
      taken.empty() ||
      std::any_of(kNoValues.begin(), kNoValues.end(), [&](string_view none) {
        return EqualsIgnoreCase(taken, none);
      });
  if (is_none) {
    out->append(line.substr(value, end - value));
  } else {
    TakeOut(out);
  }
  return line.substr(end);
}

std::string RedactText(string_view text) {
  Redactor redactor;
  std::string out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    redactor.AppendLine(text.substr(0, end), &out);
    if (end == string_view::npos) break;
    out.push_back('\n');
    text.remove_prefix(end + 1);
  }
  return out;
}

namespace {

// Calls `take` for each piece of a NUL-separated text.
template <typename Take>
void ForEachPiece(string_view text, const Take& take) {
  while (!text.empty()) {
    const std::size_t end = text.find('\0');
    take(text.substr(0, end));
    if (end == string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

// With nothing in it that would begin another line.
std::string OneLine(string_view piece) {
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

std::string RedactArguments(string_view cmdline) {
  std::string out;
  bool is_secret = false;
  ForEachPiece(cmdline, [&](string_view argument) {
    const bool is_flag = argument.starts_with("-");
    if (is_secret && !is_flag && !argument.empty()) {
      out += kRedacted;
    } else {
      Redactor().AppendLine(OneLine(argument), &out);
    }
    is_secret = is_flag && argument.find('=') == string_view::npos &&
                IsSecretName(argument);
    out.push_back('\n');
  });
  return out;
}

std::string RedactEnvironment(string_view environ) {
  std::string out;
  ForEachPiece(environ, [&](string_view variable) {
    Redactor().AppendLine(OneLine(variable), &out);
    out.push_back('\n');
  });
  return out;
}

}  // namespace fodc::capture
