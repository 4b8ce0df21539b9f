// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/redact.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "fodc/base/strings.h"
#include "fodc/capture/secret_name.h"

namespace fodc::capture {
namespace {

using std::string_view;

// As far as is looked ahead for what may be there; a line may be a megabyte.
constexpr std::size_t kMaxPeek = 256;
constexpr std::array<string_view, 6> kNoValues = {"true", "false", "null",
                                                  "none", "nil",   "~"};
// Tokens that are known by how they begin, and the least that must follow.
struct Shape {
  string_view begin;
  std::size_t least;
};
constexpr std::array<Shape, 16> kShapes = {{
    {"eyJ", 20},
    {"AKIA", 16},
    {"ASIA", 16},
    {"AIza", 30},
    {"ghp_", 20},
    {"gho_", 20},
    {"ghs_", 20},
    {"ghu_", 20},
    {"ghr_", 20},
    {"github_pat_", 20},
    {"glpat-", 16},
    {"hvs.", 20},
    {"npm_", 30},
    {"sk_live_", 16},
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

// The quote that stands at `at`, with the backslashes before it that it has
// where JSON lies within JSON; empty if there is none.
string_view QuoteAt(string_view line, std::size_t at) {
  const std::size_t quote = Skip(line, at, [](char c) { return c == '\\'; });
  if (quote >= line.size() || (line[quote] != '"' && line[quote] != '\'')) {
    return {};
  }
  return line.substr(at, quote + 1 - at);
}

// Where the text that begins behind such a quote ends: at the next that has no
// more backslashes and no fewer.
std::size_t EndOfText(string_view line, std::size_t at, string_view quote) {
  if (quote.size() == 1) return EndOfQuoted(line, at - 1);
  for (;; ++at) {
    at = line.find(quote, at);
    if (at == string_view::npos) return line.size();
    if (line[at - 1] != '\\') return at;
  }
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

// Of "user:password@tcp(host)/name", as Go's MySQL driver has it, if `at` is
// behind the colon: the password's end; else `at`.
std::size_t EndOfUserSecret(string_view line, std::size_t at) {
  string_view text = line.substr(at, kMaxPeek);
  text = text.substr(0, text.find_first_of(" \t\"'<>"));
  for (const string_view mark : {"@tcp(", "@tcp6(", "@unix(", "@/"}) {
    const std::size_t found = text.find(mark);
    if (found != string_view::npos) return at + found;
  }
  return at;
}

// Where the value of a name begins that stands before `at`, if no colon and no
// equals sign is between them: of a flag ("--password x"), in a list of
// arguments ("\"--password\", \"x\""), behind an arrow or a tab, in quotes as
// SQL has it ("PASSWORD 'x'", "PASSWORD FOR user = 'x'"); else `at`. `quote`
// closes the name, and `next` is what is no blank behind it.
std::size_t ValueApart(string_view line, std::size_t at, string_view quote,
                       std::size_t next) {
  std::size_t begin = at;
  while (begin > 0 && IsWord(line[begin - 1])) --begin;
  const bool is_flag = line.substr(begin).starts_with("--");
  const string_view rest = line.substr(next);
  const auto skip = [line](std::size_t from) {
    return Skip(line, from, IsSpace);
  };
  if (is_flag && !quote.empty() && rest.starts_with(",")) {
    const std::size_t value = skip(next + 1);
    if (!QuoteAt(line, value).empty()) return value;
  }
  if (!quote.empty()) return at;
  if (rest.starts_with("->")) return skip(next + 2);
  if (next == at || rest.front() == ':' || rest.front() == '=') return at;
  const bool is_apart_by_tab =
      line.substr(at, next - at).find('\t') != line.npos;
  if ((is_flag && rest.front() != '-') || is_apart_by_tab ||
      rest.front() == '\'') {
    return next;
  }
  if (rest.size() < 4 || !EqualsIgnoreCase(rest.substr(0, 4), "for "))
    return at;
  const std::size_t equals = rest.substr(0, kMaxPeek).find("= '");
  return equals == rest.npos ? at : next + equals + 2;
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

// Where the last word of a line that goes on begins, if it may become a secret;
// else its end.
std::size_t EndOfKnown(string_view line) {
  const std::size_t text = line.find_last_of(" \t\"'<>") + 1;
  const std::size_t scheme = line.substr(text).rfind("://");
  if (scheme != string_view::npos) {
    const std::size_t authority = text + scheme + 3;
    if (line.find_first_of("/?#@", authority) == string_view::npos)
      return authority;
  }
  std::size_t word = line.size();
  while (word > 0 && IsWord(line[word - 1])) --word;
  const string_view last = line.substr(word);
  const string_view before = Trim(line.substr(0, word));
  const bool is_scheme =
      IsScheme(before.substr(before.find_last_of(" \t:") + 1));
  const bool is_token = std::any_of(
      kShapes.begin(), kShapes.end(),
      [last](const Shape& shape) { return last.starts_with(shape.begin); });
  return is_scheme || is_token ? word : line.size();
}

}  // namespace

void Redactor::TakeOut(std::string* out) {
  out->append(kRedacted);
  ++redacted_;
}

void Redactor::AppendLine(string_view line, std::string* out) {
  if (named_lines_ > 0) --named_lines_;
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

void Redactor::AppendOpenLine(string_view line, std::string* out) {
  const std::size_t cut = EndOfKnown(line);
  AppendLine(line.substr(0, cut), out);
  if (cut < line.size()) TakeOut(out);
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

// Whether the value that is called `name` or `key` is a secret's name, so that
// what is called `value` is the secret.
void Redactor::NoteName(string_view value) {
  constexpr int kLines = 4;
  value = value.substr(0, kMaxPeek);
  const string_view quote = QuoteAt(value, 0);
  const std::size_t end =
      quote.empty() ? Skip(value, 0, [](char c) { return !IsDelimiter(c); })
                    : EndOfText(value, quote.size(), quote);
  const string_view name = value.substr(quote.size(), end - quote.size());
  named_lines_ = IsSecretName(name) ? kLines : 0;
}

bool Redactor::IsSecret(string_view word) {
  return IsSecretName(word) ||
         (named_lines_ > 0 && EqualsIgnoreCase(word, "value"));
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
    const std::size_t begin = at;
    at = Skip(line, begin, IsWord);
    const string_view word = line.substr(begin, at - begin);
    if (IsToken(word)) {
      TakeOut(out);
      continue;
    }
    out->append(word);
    if (begin > 0 && line[begin - 1] == '<' && IsSecretName(word)) {
      at = line.size() - TakeElement(line, at, out).size();
      continue;
    }
    const bool is_first = begin == indent || line.substr(0, begin) == "export ";
    at = line.size() - TakeBehind(line, word, at, is_first, out).size();
  }
}

// Of what stands behind `word` what belongs to it, and what comes then.
string_view Redactor::TakeBehind(string_view line, string_view word,
                                 std::size_t at, bool is_first,
                                 std::string* out) {
  const string_view quote = QuoteAt(line, at);
  std::size_t next = Skip(line, at + quote.size(), IsSpace);
  const bool is_apart = quote.empty() && next > at;
  if (is_apart && IsScheme(word)) {
    const std::size_t end =
        Skip(line, next, [](char c) { return !IsDelimiter(c); });
    if (end - next >= 8) {
      out->append(line.substr(at, next - at));
      TakeOut(out);
      return line.substr(end);
    }
  }
  if (next >= line.size()) return line.substr(at);
  if (const std::size_t value = ValueApart(line, at, quote, next);
      value != at && IsSecretName(word)) {
    out->append(line.substr(at, value - at));
    return TakeValue(line, value, /*is_whole_line=*/false, /*may_nest=*/false,
                     out);
  }
  if (line[next] != ':' && line[next] != '=') {
    // "requirepass x": the name, and one word.
    const string_view rest = Trim(line.substr(next));
    const bool is_one = rest.find_first_of(" \t") == string_view::npos;
    if (!is_first || !is_apart || !is_one || !IsSecretName(word)) {
      return line.substr(at);
    }
    out->append(line.substr(at, next - at));
    TakeOut(out);
    return {};
  }
  if (line.substr(next).starts_with("://")) return line.substr(at);
  const char separator = line[next];
  if (quote.empty() && separator == ':') {
    const std::size_t end = EndOfUserSecret(line, next + 1);
    if (end > next + 1) {
      out->append(line.substr(at, next + 1 - at));
      TakeOut(out);
      return line.substr(end);
    }
  }
  ++next;
  if (next < line.size() && (line[next] == '=' || line[next] == '>')) ++next;
  const std::size_t value = Skip(line, next, IsSpace);
  if (EqualsIgnoreCase(word, "name") || EqualsIgnoreCase(word, "key")) {
    NoteName(line.substr(value));
  }
  if (!IsSecret(word)) return line.substr(at);
  out->append(line.substr(at, value - at));
  const bool is_whole_line =
      quote.empty() && (is_first || (separator == ':' && value > next));
  const bool may_nest = separator == ':' && !IsGroupName(word);
  return TakeValue(line, value, is_whole_line, may_nest, out);
}

// What comes behind the value that begins at `value`.
string_view Redactor::TakeValue(string_view line, std::size_t value,
                                bool is_whole_line, bool may_nest,
                                std::string* out) {
  const std::size_t indent = Skip(line, 0, IsSpace);
  const string_view text = line.substr(value);
  if (text.empty() || text[0] == '|' || text[0] == '>') {
    // The lines that follow are the value.
    if (may_nest) nested_in_ = indent;
    out->append(text);
    return {};
  }
  const string_view quote = QuoteAt(line, value);
  if (!quote.empty()) {
    const std::size_t begin = value + quote.size();
    const std::size_t end = EndOfText(line, begin, quote);
    out->append(quote);
    if (end > begin) TakeOut(out);
    out->append(line.substr(end, quote.size()));
    return line.substr(std::min(line.size(), end + quote.size()));
  }
  if (text[0] == '[' || text[0] == '{') {
    if (!may_nest && text.size() == 1) return text;
    const std::size_t end = EndOfBrackets(line, value);
    const char last = line[end - 1];
    if (last != ']' && last != '}') nested_in_ = indent;
    TakeOut(out);
    return line.substr(end);
  }
  const std::size_t end =
      is_whole_line ? line.size()
                    : Skip(line, value, [](char c) { return !IsDelimiter(c); });
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

// Of an XML element of a secret name, from behind the name on, its attributes
// `value` and its text, and what comes then.
string_view Redactor::TakeElement(string_view line, std::size_t at,
                                  std::string* out) {
  const std::size_t tag_end =
      std::min(line.find_first_of("<>", at), line.size());
  Redactor attributes;
  attributes.named_lines_ = 1;
  attributes.Scan(line.substr(at, tag_end - at), out);
  redacted_ += attributes.redacted_;
  if (tag_end == line.size() || line[tag_end] == '<' ||
      line[tag_end - 1] == '/') {
    return line.substr(tag_end);
  }
  out->push_back('>');
  const std::size_t end = std::min(line.find('<', tag_end), line.size());
  if (end > tag_end + 1) TakeOut(out);
  if (end == line.size()) nested_in_ = Skip(line, 0, IsSpace);
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

}  // namespace fodc::capture
