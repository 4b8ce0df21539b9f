// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/line_parser.h"

#include <algorithm>
#include <array>

#include "fodc/base/strings.h"
#include "fodc/exposition/number.h"
#include "fodc/exposition/series_hash.h"

namespace fodc::exposition {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLabelChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         IsDigit(c);
}
bool IsNameChar(char c) { return IsLabelChar(c) || c == ':'; }

void SkipBlanks(std::string_view* text) {
  std::size_t n = 0;
  while (n < text->size() && IsBlank((*text)[n])) ++n;
  text->remove_prefix(n);
}

// A metric name at the front; empty if there is none.
std::string_view EatName(std::string_view* text) {
  std::size_t n = 0;
  while (n < text->size() && IsNameChar((*text)[n])) ++n;
  if (n > 0 && IsDigit((*text)[0])) n = 0;
  const std::string_view name = text->substr(0, n);
  text->remove_prefix(n);
  return name;
}

std::string_view EatLabelName(std::string_view* text) {
  std::size_t n = 0;
  while (n < text->size() && IsLabelChar((*text)[n])) ++n;
  if (n > 0 && IsDigit((*text)[0])) n = 0;
  const std::string_view name = text->substr(0, n);
  text->remove_prefix(n);
  return name;
}

// The characters up to the next blank.
std::string_view EatWord(std::string_view* text) {
  std::size_t n = 0;
  while (n < text->size() && !IsBlank((*text)[n])) ++n;
  const std::string_view word = text->substr(0, n);
  text->remove_prefix(n);
  return word;
}

// A label as it stands in a line.
struct RawLabel {
  std::string_view name;
  std::string_view value;  // between the quotes, escaped
  bool has_escapes = false;
};

// Reads a label block behind its opening brace and calls `sink` for each
// label. False, with *problem set, if it is no label block.
template <typename Sink>
bool ReadLabelBlock(std::string_view* text, LineProblem* problem,
                    const Sink& sink) {
  *problem = LineProblem::kBadLabels;
  for (;;) {
    SkipBlanks(text);
    if (ConsumePrefix(text, "}")) return true;
    RawLabel label;
    label.name = EatLabelName(text);
    if (label.name.empty()) return false;
    SkipBlanks(text);
    if (!ConsumePrefix(text, "=")) return false;
    SkipBlanks(text);
    if (!ConsumePrefix(text, "\"")) return false;
    std::size_t n = 0;
    while (n < text->size() && (*text)[n] != '"') {
      if ((*text)[n] == '\\') {
        label.has_escapes = true;
        ++n;
      }
      ++n;
    }
    if (n >= text->size()) return false;
    label.value = text->substr(0, n);
    text->remove_prefix(n + 1);
    if (!sink(label)) return false;
    SkipBlanks(text);
    if (ConsumePrefix(text, ",")) continue;
    if (!text->starts_with("}")) return false;
  }
}

// Backslash, quote and 'n' are escapes; before anything else the backslash
// stands for itself, as Prometheus reads it.
void AppendUnescaped(std::string* out, std::string_view value, bool quotes) {
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '\\' && i + 1 < value.size()) {
      const char c = value[i + 1];
      if (c == '\\' || (c == '"' && quotes)) {
        *out += c;
        ++i;
        continue;
      }
      if (c == 'n') {
        *out += '\n';
        ++i;
        continue;
      }
    }
    *out += value[i];
  }
}

// Adds one label to what its series is hashed from, with its value in canonical
// text.
void HashLabel(const RawLabel& label, series_hash::LabelSum* sum) {
  const std::uint64_t name =
      series_hash::LabelName(label.name.data(), label.name.size());
  const auto is_known_escape = [&label] {
    for (std::size_t i = 0; i < label.value.size(); ++i) {
      if (label.value[i] != '\\') continue;
      const char c = label.value[++i];
      if (c != '\\' && c != '"' && c != 'n') return false;
    }
    return true;
  };
  if (!label.has_escapes || is_known_escape()) {
    // The closing quote stands behind it.
    series_hash::AddLabel(name, label.value.data(), label.value.size() + 1,
                          sum);
    return;
  }
  std::string value;
  AppendUnescaped(&value, label.value, true);
  const Label plain{label.name, value};
  std::string text;
  AppendCanonicalLabels(&text, {&plain, 1});
  const std::size_t value_at = label.name.size() + 2;
  const std::size_t size = text.size() - value_at;
  text.append(64, '\0');  // the hash reads beyond
  series_hash::AddLabel(name, text.data() + value_at, size, sum);
}

bool IsInteger(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return ParseInt(text).has_value() && IsDigit(text[0]);
}

bool IsTimestamp(std::string_view word, Format format) {
  if (format == Format::kText) return IsInteger(word);
  double seconds = 0;
  return ParseNumber(word, &seconds) && seconds - seconds == 0;
}

bool IsExemplar(std::string_view text, LineProblem* problem) {
  if (!ConsumePrefix(&text, "#")) return false;
  SkipBlanks(&text);
  if (!ConsumePrefix(&text, "{")) return false;
  LineProblem labels_problem{};
  bool is_utf8 = true;
  if (!ReadLabelBlock(&text, &labels_problem, [&](const RawLabel& label) {
        is_utf8 = is_utf8 && IsValidUtf8(label.value);
        return true;
      })) {
    return false;
  }
  if (!is_utf8) {
    *problem = LineProblem::kBadUtf8;
    return false;
  }
  SkipBlanks(&text);
  double value = 0;
  if (!ParseNumber(EatWord(&text), &value)) return false;
  SkipBlanks(&text);
  if (text.empty()) return true;
  if (!IsTimestamp(EatWord(&text), Format::kOpenMetrics)) return false;
  SkipBlanks(&text);
  return text.empty();
}

struct TypeWord {
  std::string_view word;
  MetricType type;
};
constexpr std::array<TypeWord, 9> kTypeWords = {{
    {"counter", MetricType::kCounter},
    {"gauge", MetricType::kGauge},
    {"histogram", MetricType::kHistogram},
    {"summary", MetricType::kSummary},
    {"untyped", MetricType::kUntyped},
    {"unknown", MetricType::kUnknown},
    {"gaugehistogram", MetricType::kGaugeHistogram},
    {"info", MetricType::kInfo},
    {"stateset", MetricType::kStateSet},
}};

ParsedLine Bad(LineProblem problem) {
  ParsedLine out;
  out.kind = LineKind::kBad;
  out.problem = problem;
  return out;
}

ParsedLine ParseHashLine(std::string_view line, Format format) {
  std::string_view text = line.substr(1);
  const bool is_spaced = !text.empty() && IsBlank(text[0]);
  SkipBlanks(&text);
  ParsedLine out;  // a comment
  const std::string_view word = EatWord(&text);
  if (is_spaced) {
    if (word == "HELP") out.kind = LineKind::kHelp;
    if (word == "TYPE") out.kind = LineKind::kType;
    if (format == Format::kOpenMetrics) {
      if (word == "UNIT") out.kind = LineKind::kUnit;
      if (word == "EOF") {
        SkipBlanks(&text);
        return text.empty() ? (out.kind = LineKind::kEof, out)
                            : Bad(LineProblem::kBadMetadata);
      }
    }
  }
  if (out.kind == LineKind::kComment) return out;
  SkipBlanks(&text);
  const std::string_view name = EatName(&text);
  if (name.empty() || (!text.empty() && !IsBlank(text[0]))) {
    return Bad(LineProblem::kBadMetadata);
  }
  SkipBlanks(&text);
  if (out.kind == LineKind::kHelp) {
    return IsValidUtf8(text) ? out : Bad(LineProblem::kBadUtf8);
  }
  const std::string_view value = EatWord(&text);
  SkipBlanks(&text);
  if (!text.empty()) return Bad(LineProblem::kBadMetadata);
  if (out.kind == LineKind::kType) {
    const bool is_known =
        std::any_of(kTypeWords.begin(), kTypeWords.end(),
                    [value](const TypeWord& t) { return t.word == value; });
    if (!is_known) return Bad(LineProblem::kBadMetadata);
  } else if (!IsValidUtf8(value)) {
    return Bad(LineProblem::kBadUtf8);
  }
  return out;
}

std::string_view WithoutCr(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

void ParseValueAndTail(std::string_view text, Format format, ParsedLine* out) {
  const std::size_t whole = text.size();
  text = WithoutCr(text);
  const auto fail = [out](LineProblem problem) {
    out->kind = LineKind::kBad;
    out->problem = problem;
  };
  out->flags = 0;
  const std::string_view number = EatWord(&text);
  if (!ParseNumber(number, &out->value)) return fail(LineProblem::kBadValue);
  if (number.size() != whole) out->flags |= kHasTail;
  SkipBlanks(&text);
  if (text.empty()) return;
  if (text[0] != '#') {
    if (!IsTimestamp(EatWord(&text), format)) {
      return fail(LineProblem::kBadTimestamp);
    }
    out->flags |= kHasTimestamp;
    SkipBlanks(&text);
    if (text.empty()) return;
  }
  LineProblem problem = LineProblem::kBadExemplar;
  if (format == Format::kText) return fail(LineProblem::kBadTimestamp);
  if (!IsExemplar(text, &problem)) return fail(problem);
  out->flags |= kHasExemplar;
}

ParsedLine ParseLine(std::string_view line, Format format, bool unterminated) {
  const auto bad = [unterminated](LineProblem problem) {
    return Bad(unterminated ? LineProblem::kTruncated : problem);
  };
  std::string_view text = WithoutCr(line);
  SkipBlanks(&text);
  if (text.empty()) return {};
  if (line.size() > kMaxLineBytes) return bad(LineProblem::kLineTooLong);
  if (text[0] == '#') {
    const ParsedLine out = ParseHashLine(text, format);
    return out.kind == LineKind::kBad ? bad(out.problem) : out;
  }
  const std::string_view name = EatName(&text);
  if (name.empty()) {
    return bad(IsValidUtf8(line) ? LineProblem::kBadName
                                 : LineProblem::kBadUtf8);
  }
  SkipBlanks(&text);
  series_hash::LabelSum labels;
  if (ConsumePrefix(&text, "{")) {
    std::array<std::string_view, kMaxLabelsPerLine> names;
    std::size_t count = 0;
    LineProblem problem{};
    LineProblem sink_problem{};
    bool refused = false;
    const auto refuse = [&](LineProblem p) {
      sink_problem = p;
      refused = true;
      return false;
    };
    const bool ok = ReadLabelBlock(&text, &problem, [&](const RawLabel& label) {
      if (count == names.size()) {
        return refuse(LineProblem::kTooManyLabels);
      }
      if (std::find(names.begin(), names.begin() + count, label.name) !=
          names.begin() + count) {
        return refuse(LineProblem::kDuplicateLabel);
      }
      // The series' name, where it is a label: whoever reads it on a page of
      // ours would refuse that page.
      if (label.name == "__name__") return refuse(LineProblem::kBadLabels);
      if (!IsValidUtf8(label.value)) return refuse(LineProblem::kBadUtf8);
      names[count++] = label.name;
      HashLabel(label, &labels);
      return true;
    });
    if (!ok) return bad(refused ? sink_problem : problem);
  } else if (!text.empty() && !IsBlank(text[0]) &&
             text.data() == name.data() + name.size()) {
    // Something glued to the name that no name may hold.
    return bad(IsValidUtf8(line) ? LineProblem::kBadName
                                 : LineProblem::kBadUtf8);
  }
  SkipBlanks(&text);  // `name{a="b"}1` is legal in text 0.0.4
  ParsedLine out;
  out.kind = LineKind::kSample;
  out.value_at = static_cast<std::uint32_t>(text.data() - line.data());
  ParseValueAndTail(line.substr(out.value_at), format, &out);
  if (out.kind == LineKind::kBad) return bad(out.problem);
  out.hash = series_hash::Finish(
      series_hash::Bytes(name.data(), name.size(), series_hash::kName), labels);
  return out;
}

MetadataLine ParseMetadata(std::string_view line, LineKind kind) {
  std::string_view text = WithoutCr(line);
  SkipBlanks(&text);
  text.remove_prefix(1);
  SkipBlanks(&text);
  EatWord(&text);
  SkipBlanks(&text);
  MetadataLine out;
  out.name = EatName(&text);
  SkipBlanks(&text);
  out.text = kind == LineKind::kHelp ? text : EatWord(&text);
  if (kind == LineKind::kType) {
    for (const TypeWord& t : kTypeWords) {
      if (t.word == out.text) out.type = t.type;
    }
  }
  return out;
}

std::string_view ParseName(std::string_view line) {
  SkipBlanks(&line);
  return EatName(&line);
}

void ParseLabels(std::string_view line, std::vector<Label>* labels,
                 std::string* arena) {
  labels->clear();
  arena->clear();
  // Unescaped text is never longer: the views stay where they are.
  if (arena->capacity() < line.size()) arena->reserve(line.size());
  SkipBlanks(&line);
  EatName(&line);
  SkipBlanks(&line);
  if (!ConsumePrefix(&line, "{")) return;
  LineProblem problem{};
  static_cast<void>(ReadLabelBlock(&line, &problem, [&](const RawLabel& label) {
    if (!label.has_escapes) {
      labels->push_back({label.name, label.value});
      return true;
    }
    const std::size_t at = arena->size();
    AppendUnescaped(arena, label.value, true);
    labels->push_back({label.name, std::string_view(*arena).substr(at)});
    return true;
  }));
}

bool IsSameSeries(std::string_view a, std::string_view b) {
  if (ParseName(a) != ParseName(b)) return false;
  std::vector<Label> labels_a;
  std::vector<Label> labels_b;
  std::string arena_a;
  std::string arena_b;
  ParseLabels(a, &labels_a, &arena_a);
  ParseLabels(b, &labels_b, &arena_b);
  std::sort(labels_a.begin(), labels_a.end());
  std::sort(labels_b.begin(), labels_b.end());
  return labels_a == labels_b;
}

void UnescapeHelp(std::string_view text, bool quotes, std::string* out) {
  out->clear();
  AppendUnescaped(out, text, quotes);
}

}  // namespace fodc::exposition
