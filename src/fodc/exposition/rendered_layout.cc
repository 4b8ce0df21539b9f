// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/rendered_layout.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "fodc/base/status.h"
#include "fodc/exposition/family_index.h"
#include "fodc/exposition/number.h"

namespace fodc::exposition {
namespace {

void AppendLabel(std::string* out, std::string_view name,
                 std::string_view value) {
  const Label label{name, value};
  AppendCanonicalLabels(out, {&label, 1});
}

void AppendHelp(std::string* out, std::string_view help, Format format) {
  for (const char c : help) {
    if (c == '\\') {
      *out += "\\\\";
    } else if (c == '\n') {
      *out += "\\n";
    } else if (c == '"' && format == Format::kOpenMetrics) {
      *out += "\\\"";
    } else {
      *out += c;
    }
  }
}

// The family that a series is written under.
struct Placing {
  std::string_view family;
  MetricType type = MetricType::kUnknown;
};

bool IsComponent(const SeriesDesc& s, Format format) {
  return s.name.size() > s.family.size() && s.name.starts_with(s.family) &&
         IsComponentSuffix(format, s.type, s.name.substr(s.family.size()));
}

bool HasLabel(const SeriesDesc& s, std::string_view name) {
  return std::any_of(s.labels.begin(), s.labels.end(),
                     [name](const Label& l) { return l.name == name; });
}

Placing Place(const SeriesDesc& s, Format format) {
  const bool open = format == Format::kOpenMetrics;
  const Placing plain{s.name, MetricType::kUnknown};
  constexpr std::string_view kTotal = "_total";
  switch (s.type) {
    case MetricType::kGauge:
      return {s.name, MetricType::kGauge};
    case MetricType::kUntyped:
      return {s.name, open ? MetricType::kUnknown : MetricType::kUntyped};
    case MetricType::kCounter:
      if (!open) {
        // OpenMetrics' creation times are no counters.
        const bool is_created = s.name.size() > s.family.size() &&
                                s.name.substr(s.family.size()) == "_created";
        return is_created ? plain : Placing{s.name, MetricType::kCounter};
      }
      if (s.name.size() > kTotal.size() && s.name.ends_with(kTotal)) {
        return {s.name.substr(0, s.name.size() - kTotal.size()),
                MetricType::kCounter};
      }
      return IsComponent(s, format) ? Placing{s.family, s.type} : plain;
    case MetricType::kSummary:
      if (s.name == s.family && HasLabel(s, "quantile")) {
        return {s.family, s.type};
      }
      return IsComponent(s, format) ? Placing{s.family, s.type} : plain;
    case MetricType::kHistogram:
      if (s.name.ends_with("_bucket") && !HasLabel(s, "le")) return plain;
      return IsComponent(s, format) ? Placing{s.family, s.type} : plain;
    case MetricType::kGaugeHistogram:
      if (!open || (s.name.ends_with("_bucket") && !HasLabel(s, "le"))) {
        return plain;
      }
      return IsComponent(s, format) ? Placing{s.family, s.type} : plain;
    case MetricType::kInfo:
      if (!open) return {s.name, MetricType::kGauge};
      return IsComponent(s, format) ? Placing{s.family, s.type} : plain;
    case MetricType::kStateSet:
      if (!open) return {s.name, MetricType::kGauge};
      return s.name == s.family && HasLabel(s, s.family)
                 ? Placing{s.name, s.type}
                 : plain;
    case MetricType::kUnknown:
      break;
  }
  return plain;
}

// What orders the lines of a page. Of a histogram the sum, count and creation
// time follow the buckets of the same label set.
struct SortKey {
  std::string_view family;
  std::string labels;  // canonical, without le or quantile
  int component = 0;
  double number = 0;  // of le or quantile
  std::uint32_t series = 0;
  Placing placing;

  friend bool operator<(const SortKey& a, const SortKey& b) {
    return std::tie(a.family, a.labels, a.component, a.number, a.series) <
           std::tie(b.family, b.labels, b.component, b.number, b.series);
  }
};

SortKey MakeKey(const SeriesDesc& s, Format format, std::uint32_t index,
                std::vector<Label>* scratch) {
  SortKey key;
  key.placing = Place(s, format);
  key.family = key.placing.family;
  key.series = index;
  const MetricType type = key.placing.type;
  const bool is_bucketed =
      type == MetricType::kHistogram || type == MetricType::kGaugeHistogram;
  const std::string_view special = is_bucketed                    ? "le"
                                   : type == MetricType::kSummary ? "quantile"
                                                                  : "";
  scratch->clear();
  for (const Label& label : s.labels) {
    if (label.name == special) {
      if (!ParseNumber(label.value, &key.number) || key.number != key.number) {
        key.number = std::numeric_limits<double>::infinity();
      }
    } else {
      scratch->push_back(label);
    }
  }
  AppendCanonicalLabels(&key.labels, *scratch);
  const std::string_view suffix =
      s.name.substr(std::min(s.name.size(), key.family.size()));
  if (suffix == "_sum" || suffix == "_gsum") key.component = 1;
  if (suffix == "_count" || suffix == "_gcount") key.component = 2;
  if (suffix == "_created") key.component = 3;
  return key;
}

bool IsTaken(std::string_view name, const SeriesDesc& s,
             std::span<const std::string_view> identity_names) {
  return HasLabel(s, name) ||
         std::find(identity_names.begin(), identity_names.end(), name) !=
             identity_names.end();
}

void AppendLine(std::string* out, const SeriesDesc& s,
                std::span<const std::string_view> identity_names) {
  out->append(s.name);
  if (s.labels.empty() && identity_names.empty()) {
    *out += ' ';
    return;
  }
  *out += '{';
  bool is_first = true;
  std::vector<std::string> renamed;
  for (const Label& label : s.labels) {
    if (!is_first) *out += ',';
    is_first = false;
    if (std::find(identity_names.begin(), identity_names.end(), label.name) ==
        identity_names.end()) {
      AppendLabel(out, label.name, label.value);
      continue;
    }
    std::string name = "exported_" + std::string(label.name);
    while (IsTaken(name, s, identity_names) ||
           std::find(renamed.begin(), renamed.end(), name) != renamed.end()) {
      name.insert(0, "exported_");
    }
    AppendLabel(out, name, label.value);
    renamed.push_back(std::move(name));
  }
  if (identity_names.empty()) {
    *out += "} ";
  } else if (!is_first) {
    *out += ',';
  }
}

}  // namespace

std::shared_ptr<const RenderedLayout> RenderedLayout::Build(
    Format format, std::span<const SeriesDesc> series,
    std::span<const std::string_view> identity_names) {
  std::shared_ptr<RenderedLayout> out(new RenderedLayout);
  out->format_ = format;
  out->has_identity_ = !identity_names.empty();
  std::vector<SortKey> keys;
  keys.reserve(series.size());
  std::vector<Label> scratch;
  for (std::size_t i = 0; i < series.size(); ++i) {
    keys.push_back(
        MakeKey(series[i], format, static_cast<std::uint32_t>(i), &scratch));
  }
  std::sort(keys.begin(), keys.end());

  // Text first, with offsets; views when the text has stopped growing.
  struct Offsets {
    std::size_t name, name_size, help, help_size, unit, unit_size;
  };
  std::string text;
  std::vector<Offsets> offsets;
  out->lines_.reserve(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const SeriesDesc& s = series[keys[i].series];
    if (i == 0 || keys[i].family != keys[i - 1].family) {
      Offsets o{};
      o.name = text.size();
      text += keys[i].family;
      o.name_size = keys[i].family.size();
      o.help = text.size();
      AppendHelp(&text, s.help, format);
      o.help_size = text.size() - o.help;
      // Only a name that ends in its unit may declare it.
      if (format == Format::kOpenMetrics && !s.unit.empty() &&
          keys[i].family.size() > s.unit.size() + 1 &&
          keys[i].family.ends_with(s.unit) &&
          keys[i].family[keys[i].family.size() - s.unit.size() - 1] == '_') {
        o.unit = text.size();
        text += s.unit;
        o.unit_size = s.unit.size();
      }
      offsets.push_back(o);
      Family family;
      family.type = keys[i].placing.type;
      family.first_line = static_cast<std::uint32_t>(i);
      out->families_.push_back(family);
    }
    Family& family = out->families_.back();
    // Series of one name that were declared in two ways.
    if (family.type != keys[i].placing.type) {
      family.type = MetricType::kUnknown;
    }
    ++family.line_count;
    Line line;
    line.at = static_cast<std::uint32_t>(text.size());
    AppendLine(&text, s, identity_names);
    line.size = static_cast<std::uint32_t>(text.size() - line.at);
    line.series = keys[i].series;
    line.name_size = static_cast<std::uint32_t>(s.name.size());
    out->lines_.push_back(line);
  }
  FODC_CHECK(text.size() < std::numeric_limits<std::uint32_t>::max());
  out->text_.reserve(text.size() + kSlackBytes);
  out->text_.assign(text.begin(), text.end());
  out->text_.resize(text.size() + kSlackBytes);
  const char* base = out->text_.data();
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    const Offsets& o = offsets[i];
    out->families_[i].name = {base + o.name, o.name_size};
    out->families_[i].help = {base + o.help, o.help_size};
    out->families_[i].unit = {base + o.unit, o.unit_size};
  }
  return out;
}

std::size_t RenderedLayout::memory_bytes() const {
  return sizeof *this + text_.capacity() + lines_.capacity() * sizeof(Line) +
         families_.capacity() * sizeof(Family);
}

std::string RenderIdentity(std::span<const Label> identity) {
  std::string out;
  if (identity.empty()) return out;
  for (const Label& label : identity) {
    if (!out.empty()) out += ',';
    AppendLabel(&out, label.name, label.value);
  }
  out += "} ";
  return out;
}

}  // namespace fodc::exposition
