// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/sample_writer.h"

#include <cmath>
#include <unordered_set>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "fodc/ctl/sample_line.h"
#include "fodc/exposition/number.h"
#include "fodc/exposition/shown_family.h"

namespace fodc::ctl {
namespace {

using exposition::AppendNumber;
using exposition::MetricType;

constexpr std::string_view kCsvHead = "timestamp,name,labels,value\n";

void AppendTime(std::string* out, std::int64_t unix_ms) {
  out->append(FormatRfc3339(FromUnixMillis(unix_ms), 3));
}

// Seconds with three decimals.
void AppendSeconds(std::string* out, std::int64_t unix_ms) {
  auto all_ms = static_cast<std::uint64_t>(unix_ms);
  if (unix_ms < 0) {
    out->push_back('-');
    all_ms = 0 - all_ms;
  }
  out->append(std::to_string(all_ms / 1000));
  const std::string ms = std::to_string(1000 + all_ms % 1000);
  out->push_back('.');
  out->append(ms, 1);
}

void AppendCsvField(std::string* out, std::string_view text) {
  if (text.find_first_of("\",\n\r") == std::string_view::npos) {
    out->append(text);
    return;
  }
  out->push_back('"');
  for (const char c : text) {
    if (c == '"') out->push_back('"');
    out->push_back(c);
  }
  out->push_back('"');
}

class CsvWriter final : public SampleWriter {
 public:
  explicit CsvWriter(Output* out) : out_(out) {}
  Status Write(const ShownSeries& series, std::span<const std::int64_t> unix_ms,
               std::span<const double> values) override {
    FODC_RETURN_IF_ERROR(Begin());
    std::string labels;
    exposition::AppendCanonicalLabels(&labels, series.labels);
    std::string middle = ",";
    AppendCsvField(&middle, series.name);
    middle.push_back(',');
    AppendCsvField(&middle, labels);
    middle.push_back(',');
    std::string line;
    for (std::size_t i = 0; i < values.size(); ++i) {
      line.clear();
      AppendTime(&line, unix_ms[i]);
      line.append(middle);
      AppendNumber(&line, values[i]);
      line.push_back('\n');
      FODC_RETURN_IF_ERROR(out_->Append(line));
    }
    return OkStatus();
  }
  Status End() override { return Begin(); }

 private:
  Status Begin() {
    if (began_) return OkStatus();
    began_ = true;
    return out_->Append(kCsvHead);
  }
  Output* out_;
  bool began_ = false;
};

class JsonWriter final : public SampleWriter {
 public:
  explicit JsonWriter(Output* out) : out_(out) {}
  Status Write(const ShownSeries& series, std::span<const std::int64_t> unix_ms,
               std::span<const double> values) override {
    std::string text = count_++ == 0 ? "[\n" : ",\n";
    text += "{\"data\":[";
    for (std::size_t i = 0; i < values.size(); ++i) {
      text += i == 0 ? "{\"timestamp\":\"" : ",{\"timestamp\":\"";
      AppendTime(&text, unix_ms[i]);
      text += "\",\"value\":";
      if (std::isfinite(values[i])) {
        AppendNumber(&text, values[i]);
      } else {
        text.push_back('"');
        AppendNumber(&text, values[i]);
        text.push_back('"');
      }
      text.push_back('}');
      if (text.size() > 64u << 10) {
        FODC_RETURN_IF_ERROR(out_->Append(text));
        text.clear();
      }
    }
    text += "],\"description\":";
    AppendJsonString(&text, series.help);
    text += ",\"labels\":{";
    for (std::size_t i = 0; i < series.labels.size(); ++i) {
      if (i > 0) text.push_back(',');
      AppendJsonString(&text, series.labels[i].name);
      text.push_back(':');
      AppendJsonString(&text, series.labels[i].value);
    }
    text += "},\"name\":";
    AppendJsonString(&text, series.name);
    text += ",\"type\":";
    AppendJsonString(&text, exposition::MetricTypeName(series.type));
    text.push_back('}');
    return out_->Append(text);
  }
  Status End() override { return out_->Append(count_ == 0 ? "[]\n" : "\n]\n"); }

 private:
  Output* out_;
  std::size_t count_ = 0;
};

class TextWriter final : public SampleWriter {
 public:
  TextWriter(bool openmetrics, bool with_times, Output* out)
      : openmetrics_(openmetrics), with_times_(with_times), out_(out) {}

  Status Write(const ShownSeries& series, std::span<const std::int64_t> unix_ms,
               std::span<const double> values) override {
    std::string text;
    BeginFamily(series, &text);
    std::string head(series.name);
    if (!series.labels.empty()) {
      head.push_back('{');
      exposition::AppendCanonicalLabels(&head, series.labels);
      head.push_back('}');
    }
    head.push_back(' ');
    for (std::size_t i = 0; i < values.size(); ++i) {
      text.append(head);
      AppendNumber(&text, values[i]);
      if (with_times_) {
        text.push_back(' ');
        if (openmetrics_) {
          AppendSeconds(&text, unix_ms[i]);
        } else {
          text.append(std::to_string(unix_ms[i]));
        }
      }
      text.push_back('\n');
      if (text.size() > 64u << 10) {
        FODC_RETURN_IF_ERROR(out_->Append(text));
        text.clear();
      }
    }
    return out_->Append(text);
  }
  Status End() override {
    return openmetrics_ ? out_->Append("# EOF\n") : OkStatus();
  }

 private:
  // The head, where this series is the first of its family.
  void BeginFamily(const ShownSeries& s, std::string* out) {
    const exposition::ShownFamily family =
        openmetrics_ ? exposition::FamilyInOpenMetrics(s.name, s.family, s.type)
                     : exposition::FamilyInText(s.name, s.family, s.type);
    if (!begun_.insert(std::string(family.name)).second) return;
    AppendFamilyHead(out,
                     openmetrics_ ? exposition::Format::kOpenMetrics
                                  : exposition::Format::kText,
                     {.name = family.name,
                      .type = family.type,
                      .help = s.help,
                      .unit = s.unit});
  }

  bool openmetrics_;
  bool with_times_;
  Output* out_;
  std::unordered_set<std::string> begun_;  // families
};

}  // namespace

std::unique_ptr<SampleWriter> MakeSampleWriter(SampleFormat format,
                                               bool with_times, Output* out) {
  switch (format) {
    case SampleFormat::kCsv:
      return std::make_unique<CsvWriter>(out);
    case SampleFormat::kJson:
      return std::make_unique<JsonWriter>(out);
    case SampleFormat::kText:
      return std::make_unique<TextWriter>(false, with_times, out);
    case SampleFormat::kOpenMetrics:
      return std::make_unique<TextWriter>(true, with_times, out);
  }
  return nullptr;
}

Status OpenMetricsToCsv::Feed(std::string_view piece) {
  for (;;) {
    const std::size_t end = piece.find('\n');
    if (end == std::string_view::npos) {
      rest_.append(piece);
      return OkStatus();
    }
    if (rest_.empty()) {
      FODC_RETURN_IF_ERROR(Line(piece.substr(0, end)));
    } else {
      rest_.append(piece.substr(0, end));
      FODC_RETURN_IF_ERROR(Line(rest_));
      rest_.clear();
    }
    piece.remove_prefix(end + 1);
  }
}

Status OpenMetricsToCsv::Line(std::string_view line) {
  if (!began_) {
    began_ = true;
    FODC_RETURN_IF_ERROR(out_->Append(kCsvHead));
  }
  if (line == "# EOF") ended_ = true;
  if (line.empty() || line.front() == '#') return OkStatus();
  const auto bad = [line] {
    return DataLoss("the answer has a line that is no sample with a time: " +
                    ToValidUtf8(line.substr(0, 200)));
  };
  const auto sample = SplitSampleLine(line);
  if (!sample) return bad();
  const std::vector<std::string_view> pieces = Split(Trim(sample->rest), ' ');
  if (pieces.size() < 2) return bad();
  const std::optional<double> seconds = ParseDouble(pieces[1]);
  double value = 0;
  if (!exposition::ParseNumber(pieces[0], &value) || !seconds.has_value() ||
      !(std::fabs(*seconds) < 9e9)) {
    return bad();
  }
  std::string out;
  AppendTime(&out, std::llround(*seconds * 1000));
  out.push_back(',');
  AppendCsvField(&out, sample->name);
  out.push_back(',');
  AppendCsvField(&out, sample->labels);
  out.push_back(',');
  out.append(pieces[0]);
  out.push_back('\n');
  return out_->Append(out);
}

Status OpenMetricsToCsv::End() {
  if (!ended_) return DataLoss("the answer was cut: it has no \"# EOF\"");
  return OkStatus();
}

}  // namespace fodc::ctl
