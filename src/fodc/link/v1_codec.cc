// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/v1_codec.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/exposition/identity_labels.h"
#include "fodc/exposition/names.h"

namespace fodc::link {

namespace v1 = banyandb::fodc::v1;
using exposition::MetricType;
using google::protobuf::Timestamp;

namespace {

v1::MetricType ToV1(MetricType type) {
  switch (type) {
    case MetricType::kGauge:
    case MetricType::kInfo:
    case MetricType::kStateSet:
      return v1::METRIC_TYPE_GAUGE;
    case MetricType::kCounter:
      return v1::METRIC_TYPE_COUNTER;
    case MetricType::kHistogram:
      return v1::METRIC_TYPE_HISTOGRAM;
    case MetricType::kSummary:
      return v1::METRIC_TYPE_SUMMARY;
    // v1 calls a family without a TYPE line untyped.
    case MetricType::kUnknown:
    case MetricType::kUntyped:
    case MetricType::kGaugeHistogram:
      return v1::METRIC_TYPE_UNTYPED;
  }
  return v1::METRIC_TYPE_UNTYPED;
}

MetricType FromV1(v1::MetricType type) {
  switch (type) {
    case v1::METRIC_TYPE_GAUGE:
      return MetricType::kGauge;
    case v1::METRIC_TYPE_COUNTER:
      return MetricType::kCounter;
    case v1::METRIC_TYPE_HISTOGRAM:
      return MetricType::kHistogram;
    case v1::METRIC_TYPE_SUMMARY:
      return MetricType::kSummary;
    case v1::METRIC_TYPE_UNTYPED:
      return MetricType::kUntyped;
    default:
      return MetricType::kUnknown;
  }
}

constexpr std::int64_t kNanos = 1'000'000'000;

void PutTime(std::int64_t unix_ns, Timestamp* out) {
  std::int64_t seconds = unix_ns / kNanos;
  std::int64_t nanos = unix_ns % kNanos;
  if (nanos < 0) {
    nanos += kNanos;
    --seconds;
  }
  out->set_seconds(seconds);
  out->set_nanos(static_cast<std::int32_t>(nanos));
}

std::int64_t UnixNs(UnixTime t) { return t.time_since_epoch().count(); }

// Times that UnixTime cannot hold are brought to its ends.
UnixTime TakeTime(const Timestamp& from) {
  constexpr std::int64_t kMaxSeconds =
      std::numeric_limits<std::int64_t>::max() / kNanos - 1;
  const std::int64_t seconds =
      std::clamp<std::int64_t>(from.seconds(), -kMaxSeconds, kMaxSeconds);
  return UnixTime(std::chrono::nanoseconds(
      seconds * kNanos +
      std::clamp<std::int64_t>(from.nanos(), 0, kNanos - 1)));
}

// Calls f(name, value) for each label of a canonical text.
template <typename F>
void ForEachLabel(std::string_view text, const F& f) {
  std::string value;
  while (!text.empty()) {
    const std::size_t eq = text.find('=');
    if (eq == std::string_view::npos) return;
    const std::string_view name = text.substr(0, eq);
    text.remove_prefix(eq + 1);
    if (!ConsumePrefix(&text, "\"")) return;
    value.clear();
    std::size_t i = 0;
    for (; i < text.size() && text[i] != '"'; ++i) {
      if (text[i] == '\\' && i + 1 < text.size()) {
        ++i;
        value.push_back(text[i] == 'n' ? '\n' : text[i]);
      } else {
        value.push_back(text[i]);
      }
    }
    text.remove_prefix(std::min(i + 1, text.size()));
    f(name, std::string_view(value));
    ConsumePrefix(&text, ",");
  }
}

// Encodes the metrics of one source's series.
class MetricWriter {
 public:
  explicit MetricWriter(const fleet::AgentIdentity& identity)
      : identity_(identity) {}

  // The labels that every series of this container carries.
  void EnterContainer(std::string_view container_name) {
    if (entered_ && container_name == container_) return;
    entered_ = true;
    container_ = std::string(container_name);
    identity_labels_ = exposition::IdentityLabels(
        identity_.role, identity_.pod_name, container_, identity_.labels);
  }

  // Everything of a Metric but value and time, encoded.
  const std::string& Encode(const recorder::Series& series) {
    metric_.Clear();
    metric_.set_name(ToValidUtf8(series.name()));
    auto& labels = *metric_.mutable_labels();
    own_names_.clear();
    ForEachLabel(series.labels(), [&](std::string_view k, std::string_view) {
      own_names_.push_back(k);
    });
    ForEachLabel(series.labels(), [&](std::string_view k, std::string_view v) {
      std::string key = ToValidUtf8(k);
      const bool renamed = identity_labels_.contains(key);
      // Not to a name that the series has, either.
      while (identity_labels_.contains(key) ||
             (renamed && std::find(own_names_.begin(), own_names_.end(), key) !=
                             own_names_.end())) {
        key.insert(0, "exported_");
      }
      labels[std::move(key)] = ToValidUtf8(v);
    });
    for (const auto& [key, value] : identity_labels_) labels[key] = value;
    // v1 has HELP on series that bear their family's very name.
    if (series.family() == series.name()) {
      metric_.set_description(ToValidUtf8(series.help()));
    }
    metric_.set_type(ToV1(series.type()));
    encoded_.clear();
    metric_.SerializeToString(&encoded_);
    return encoded_;
  }

 private:
  const fleet::AgentIdentity& identity_;
  bool entered_ = false;
  std::string container_;
  std::map<std::string, std::string> identity_labels_;
  std::vector<std::string_view> own_names_;
  v1::Metric metric_;
  std::string encoded_;
};

void AppendVarint(std::string* out, std::uint64_t v) {
  for (; v >= 0x80; v >>= 7) out->push_back(static_cast<char>(v | 0x80));
  out->push_back(static_cast<char>(v));
}

std::size_t VarintBytes(std::uint64_t v) {
  std::size_t n = 1;
  for (; v >= 0x80; v >>= 7) ++n;
  return n;
}

constexpr char Tag(int field, int wire_type) {
  return static_cast<char>(field << 3 | wire_type);
}
constexpr std::size_t kValueBytes = 9;

// Field 5 of a Metric: a Timestamp of whole seconds.
void AppendSecond(std::string* out, std::int64_t second) {
  const auto v = static_cast<std::uint64_t>(second);
  out->push_back(Tag(5, 2));
  AppendVarint(out, second == 0 ? 0 : 1 + VarintBytes(v));
  if (second == 0) return;
  out->push_back(Tag(1, 0));
  AppendVarint(out, v);
}

std::size_t SecondBytes(std::int64_t second) {
  return second == 0 ? 2 : 3 + VarintBytes(static_cast<std::uint64_t>(second));
}

// One element of StreamMetricsRequest.metrics.
void AppendMetric(std::string* out, const std::string& encoded, double value,
                  const std::int64_t* second) {
  out->push_back(Tag(1, 2));
  AppendVarint(out, encoded.size() + kValueBytes +
                        (second != nullptr ? SecondBytes(*second) : 0));
  out->append(encoded);
  out->push_back(Tag(3, 1));
  char bits[sizeof value];
  std::memcpy(bits, &value, sizeof value);  // little-endian, as the wire
  out->append(bits, sizeof bits);
  if (second != nullptr) AppendSecond(out, *second);
}

std::size_t MetricBytes(std::size_t encoded, std::int64_t second) {
  const std::size_t n = encoded + kValueBytes + SecondBytes(second);
  return 1 + VarintBytes(n) + n;
}

std::int64_t SecondOf(std::int64_t unix_ms) {
  return unix_ms >= 0 ? unix_ms / 1000 : (unix_ms - 999) / 1000;
}

void AppendLatest(const recorder::Snapshot& snapshot, MetricWriter* writer,
                  const V1AnswerOptions& options, std::string* out,
                  V1AnswerStats* stats) {
  for (const recorder::SourceFrame& frame : snapshot.Latest()) {
    if (options.incarnation != 0 &&
        (frame.name.incarnation != options.incarnation ||
         frame.time.monotonic_ms < options.fresh_from_ms)) {
      continue;
    }
    writer->EnterContainer(frame.container_name);
    for (std::size_t i = 0; i < frame.values.size(); ++i) {
      const recorder::SeriesRef& series = (*frame.series)[i];
      if (!series) continue;
      const std::string& encoded = writer->Encode(*series);
      if (out->size() + encoded.size() + 32 > options.max_bytes) {
        ++stats->dropped_samples;
        continue;
      }
      AppendMetric(out, encoded, frame.values[i], nullptr);
      ++stats->samples;
    }
  }
}

void AppendWindow(const recorder::Snapshot& snapshot, MetricWriter* writer,
                  recorder::TimeRange range, const V1AnswerOptions& options,
                  std::string* out, V1AnswerStats* stats) {
  // What each second costs, to find where to cut.
  std::map<std::int64_t, std::pair<std::size_t, std::uint64_t>> cost;
  snapshot.ReadSeries(
      range, nullptr,
      [&](const recorder::SeriesView& view,
          std::span<const std::int64_t> unix_ms, std::span<const double>) {
        writer->EnterContainer(view.container_name);
        const std::size_t encoded = writer->Encode(*view.series).size();
        for (std::int64_t ms : unix_ms) {
          auto& [bytes, samples] = cost[SecondOf(ms)];
          bytes += MetricBytes(encoded, SecondOf(ms));
          ++samples;
        }
        return true;
      });
  constexpr std::size_t kEnvelopeBytes = 32;
  std::size_t total = kEnvelopeBytes;
  std::int64_t first = std::numeric_limits<std::int64_t>::max();
  bool full = false;
  for (auto it = cost.rbegin(); it != cost.rend(); ++it) {
    full = full || total + it->second.first > options.max_bytes;
    if (full) {
      stats->dropped_samples += it->second.second;
    } else {
      total += it->second.first;
      first = it->first;
    }
  }
  out->reserve(total);
  snapshot.ReadSeries(range, nullptr,
                      [&](const recorder::SeriesView& view,
                          std::span<const std::int64_t> unix_ms,
                          std::span<const double> values) {
                        writer->EnterContainer(view.container_name);
                        const std::string& encoded =
                            writer->Encode(*view.series);
                        for (std::size_t i = 0; i < unix_ms.size(); ++i) {
                          const std::int64_t second = SecondOf(unix_ms[i]);
                          if (second < first) continue;
                          AppendMetric(out, encoded, values[i], &second);
                          ++stats->samples;
                        }
                        return true;
                      });
}

bool HasLegalNames(const v1::Metric& m) {
  return exposition::IsMetricName(m.name()) &&
         std::all_of(m.labels().begin(), m.labels().end(), [](const auto& l) {
           return exposition::IsLabelName(l.first);
         });
}

std::size_t HeldBytes(const fleet::MetricSample& s) {
  std::size_t n = sizeof s + s.name.size() + s.help.size() +
                  s.labels.capacity() * sizeof s.labels[0];
  for (const auto& [key, value] : s.labels) n += key.size() + value.size();
  return n;
}

}  // namespace

std::string EncodeV1Answer(const recorder::Snapshot& snapshot,
                           const fleet::AgentIdentity& identity,
                           const fleet::MetricsQuestion& question, UnixTime now,
                           const V1AnswerOptions& options,
                           V1AnswerStats* stats) {
  std::string out;
  MetricWriter writer(identity);
  if (!question.start && !question.end) {
    AppendLatest(snapshot, &writer, options, &out, stats);
  } else {
    recorder::TimeRange range;
    // Bounds are inclusive; a sample counts by its own millisecond.
    if (question.start) {
      range.from_unix_ms =
          ToUnixMillis(*question.start + std::chrono::nanoseconds(999'999));
    }
    if (question.end) range.to_unix_ms = ToUnixMillis(*question.end);
    if (range.from_unix_ms <= range.to_unix_ms) {
      AppendWindow(snapshot, &writer, range, options, &out, stats);
    }
  }
  v1::StreamMetricsRequest rest;
  PutTime(UnixNs(now), rest.mutable_timestamp());
  rest.AppendToString(&out);
  return out;
}

std::shared_ptr<const fleet::MetricsAnswer> TakeV1Answer(
    V1Answer* from, const fleet::Labels& registered, UnixTime received) {
  auto out = std::make_shared<fleet::MetricsAnswer>();
  out->unix_ms = ToUnixMillis(
      from->has_timestamp() ? TakeTime(from->timestamp()) : received);
  const auto added = exposition::IdentityLabels("", "", "", registered);
  out->samples.reserve(static_cast<std::size_t>(from->metrics_size()));
  for (v1::Metric& m : *from->mutable_metrics()) {
    if (!HasLegalNames(m)) {
      ++out->refused_samples;
      continue;
    }
    fleet::MetricSample& s = out->samples.emplace_back();
    s.name = std::move(*m.mutable_name());
    s.labels.reserve(m.labels().size() + added.size());
    for (auto& [key, value] : *m.mutable_labels()) {
      s.labels.emplace_back(key, std::move(value));
    }
    for (const auto& [key, value] : added) {
      if (!m.labels().contains(key)) s.labels.emplace_back(key, value);
    }
    std::sort(s.labels.begin(), s.labels.end());
    s.value = m.value();
    s.help = std::move(*m.mutable_description());
    s.type = FromV1(m.type());
    s.unix_ms = m.has_timestamp() ? ToUnixMillis(TakeTime(m.timestamp()))
                                  : out->unix_ms;
    out->bytes += HeldBytes(s);
  }
  return out;
}

void PutQuestion(const fleet::MetricsQuestion& question,
                 v1::StreamMetricsResponse* out) {
  if (question.start)
    PutTime(UnixNs(*question.start), out->mutable_start_time());
  if (question.end) PutTime(UnixNs(*question.end), out->mutable_end_time());
}

fleet::MetricsQuestion TakeQuestion(const v1::StreamMetricsResponse& from) {
  fleet::MetricsQuestion out;
  if (from.has_start_time()) out.start = TakeTime(from.start_time());
  if (from.has_end_time()) out.end = TakeTime(from.end_time());
  return out;
}

}  // namespace fodc::link
