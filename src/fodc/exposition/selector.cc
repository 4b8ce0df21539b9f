// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/selector.h"

#include <re2/re2.h>

#include <cstdint>
#include <optional>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::exposition {
namespace {

constexpr std::int64_t kMaxRegexMemory = 256 << 10;

bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool IsNameChar(char c) { return IsNameStart(c) || (c >= '0' && c <= '9'); }

re2::StringPiece ToPiece(std::string_view s) { return {s.data(), s.size()}; }

// What is left of the text, and how to complain about it.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : all_(text), rest_(text) {}

  void SkipBlanks() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t' ||
                              rest_[0] == '\n' || rest_[0] == '\r')) {
      rest_.remove_prefix(1);
    }
  }
  bool done() const { return rest_.empty(); }
  char peek() const { return rest_.empty() ? '\0' : rest_[0]; }
  bool Consume(std::string_view what) { return ConsumePrefix(&rest_, what); }

  std::string_view TakeName(bool colons) {
    std::size_t n = 0;
    while (n < rest_.size() &&
           (n == 0 ? IsNameStart(rest_[n]) || (colons && rest_[n] == ':')
                   : IsNameChar(rest_[n]) || (colons && rest_[n] == ':'))) {
      ++n;
    }
    const std::string_view name = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return name;
  }

  // A quoted string, decoded.
  Result<std::string> TakeString();

  Status Error(std::string_view what) const {
    return InvalidArgument(StrCat("selector `", all_, "`: ", what, " at byte ",
                                  all_.size() - rest_.size()));
  }

 private:
  Status TakeEscape(std::string* out);

  std::string_view all_;
  std::string_view rest_;
};

Status Cursor::TakeEscape(std::string* out) {
  if (rest_.empty()) return Error("a string that does not end");
  const char c = rest_[0];
  static constexpr std::string_view kPlain = "abfnrtv\\'\"";
  static constexpr std::string_view kMeaning = "\a\b\f\n\r\t\v\\'\"";
  if (const auto at = kPlain.find(c); at != std::string_view::npos) {
    out->push_back(kMeaning[at]);
    rest_.remove_prefix(1);
    return OkStatus();
  }
  if (c == 'x') {
    unsigned value = 0;
    for (std::size_t i = 1; i <= 2; ++i) {
      const char h = i < rest_.size() ? rest_[i] : '\0';
      const int digit = h >= '0' && h <= '9'   ? h - '0'
                        : h >= 'a' && h <= 'f' ? h - 'a' + 10
                        : h >= 'A' && h <= 'F' ? h - 'A' + 10
                                               : -1;
      if (digit < 0) return Error("a bad \\x escape");
      value = value * 16 + static_cast<unsigned>(digit);
    }
    out->push_back(static_cast<char>(value));
    rest_.remove_prefix(3);
    return OkStatus();
  }
  return Error("an unknown escape");
}

Result<std::string> Cursor::TakeString() {
  const char quote = peek();
  if (quote != '"' && quote != '\'' && quote != '`') {
    return Error("a quoted string is missing");
  }
  rest_.remove_prefix(1);
  std::string out;
  while (!rest_.empty()) {
    const char c = rest_[0];
    if (c != '\\' || quote == '`') {
      rest_.remove_prefix(1);
      if (c == quote) return out;
      out.push_back(c);
      continue;
    }
    rest_.remove_prefix(1);
    FODC_RETURN_IF_ERROR(TakeEscape(&out));
  }
  return Error("a string that does not end");
}

}  // namespace

struct Selector::Matcher {
  std::string label;
  bool negated = false;
  std::string value;                // when there is no expression
  std::unique_ptr<re2::RE2> regex;  // anchored

  bool Matches(std::string_view text) const {
    const bool equal =
        regex ? re2::RE2::FullMatch(ToPiece(text), *regex) : text == value;
    return equal != negated;
  }
};

Selector::Selector() = default;
Selector::Selector(Selector&&) noexcept = default;
Selector& Selector::operator=(Selector&&) noexcept = default;
Selector::~Selector() = default;

Result<Selector> Selector::Parse(std::string_view text,
                                 std::size_t* expressions) {
  std::size_t own_expressions = 0;
  if (expressions == nullptr) expressions = &own_expressions;
  if (text.size() > kMaxTextBytes) {
    return InvalidArgument(StrCat("a selector of ", text.size(),
                                  " bytes is over the limit of ",
                                  kMaxTextBytes));
  }
  if (!IsValidUtf8(text)) return InvalidArgument("a selector is not UTF-8");
  Selector out;
  Cursor in(text);
  in.SkipBlanks();
  if (const std::string_view name = in.TakeName(true); !name.empty()) {
    out.matchers_.push_back({"__name__", false, std::string(name), nullptr});
  }
  in.SkipBlanks();
  if (in.Consume("{")) {
    in.SkipBlanks();
    while (!in.Consume("}")) {
      const std::string_view label = in.TakeName(false);
      if (label.empty()) return in.Error("a label name is missing");
      in.SkipBlanks();
      bool negated = false;
      bool is_regex = false;
      if (in.Consume("=~")) {
        is_regex = true;
      } else if (in.Consume("!~")) {
        is_regex = negated = true;
      } else if (in.Consume("!=")) {
        negated = true;
      } else if (!in.Consume("=")) {
        return in.Error("one of = != =~ !~ is missing");
      }
      in.SkipBlanks();
      FODC_ASSIGN_OR_RETURN(std::string value, in.TakeString());
      Matcher matcher{std::string(label), negated, std::move(value), nullptr};
      if (is_regex) {
        if (++*expressions > kMaxExpressions) {
          return in.Error(
              StrCat("more than ", kMaxExpressions, " regular expressions"));
        }
        re2::RE2::Options options;
        options.set_log_errors(false);
        options.set_dot_nl(true);
        options.set_max_mem(kMaxRegexMemory);
        matcher.regex = std::make_unique<re2::RE2>(matcher.value, options);
        if (!matcher.regex->ok()) {
          return in.Error(StrCat("a bad expression \"", matcher.value, "\" (",
                                 matcher.regex->error(), ")"));
        }
      }
      if (out.matchers_.size() == kMaxMatchers) {
        return in.Error(StrCat("more than ", kMaxMatchers, " matchers"));
      }
      out.matchers_.push_back(std::move(matcher));
      in.SkipBlanks();
      if (in.Consume("}")) break;
      if (!in.Consume(",")) return in.Error("a comma or } is missing");
      in.SkipBlanks();
    }
  }
  in.SkipBlanks();
  if (!in.done()) return in.Error("something unexpected");
  bool selective = false;
  for (const Matcher& m : out.matchers_) selective |= !m.Matches("");
  if (!selective) {
    return in.Error("at least one matcher must refuse the empty string");
  }
  return out;
}

bool Selector::Matches(std::string_view name,
                       std::span<const Label> labels) const {
  for (const Matcher& m : matchers_) {
    std::string_view value;
    if (m.label == "__name__") {
      value = name;
    } else {
      for (const Label& label : labels) {
        if (label.name == m.label) value = label.value;
      }
    }
    if (!m.Matches(value)) return false;
  }
  return true;
}

bool Selector::MayMatchName(std::string_view name) const {
  for (const Matcher& m : matchers_) {
    if (m.label == "__name__" && !m.Matches(name)) return false;
  }
  return true;
}

Result<SelectorSet> SelectorSet::Parse(
    std::span<const std::string_view> texts) {
  if (texts.size() > kMaxSelectors) {
    return InvalidArgument(StrCat(
        texts.size(), " selectors are over the limit of ", kMaxSelectors));
  }
  SelectorSet out;
  std::size_t expressions = 0;
  for (const std::string_view text : texts) {
    FODC_ASSIGN_OR_RETURN(Selector selector,
                          Selector::Parse(text, &expressions));
    out.selectors_.push_back(std::move(selector));
  }
  return out;
}

bool SelectorSet::Matches(std::string_view name,
                          std::span<const Label> labels) const {
  if (selectors_.empty()) return true;
  for (const Selector& s : selectors_) {
    if (s.Matches(name, labels)) return true;
  }
  return false;
}

bool SelectorSet::MayMatchName(std::string_view name) const {
  if (selectors_.empty()) return true;
  for (const Selector& s : selectors_) {
    if (s.MayMatchName(name)) return true;
  }
  return false;
}

}  // namespace fodc::exposition
