// SPDX-License-Identifier: Apache-2.0
// A made-up target whose readings go into a real recording, and from there to a
// detector, frame by frame as an agent does it. For tests.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/detect/detector.h"
#include "fodc/exposition/identity.h"
#include "fodc/exposition/number.h"
#include "fodc/recorder/recording.h"

namespace fodc::detect {

inline constexpr double kMiB = 1 << 20;

// One source: series by their text, `name{a="b"}`.
class SceneSource {
 public:
  using Samples = std::map<std::string, double>;

  SceneSource(std::string name, std::string container_name)
      : name_(std::move(name)), container_name_(std::move(container_name)) {}

  Samples rates;           // counters, by what they grow in a second
  Samples levels;          // gauges
  Samples counters;        // what the counters have come to
  bool is_silent = false;  // no frames

  // Events of these latencies (seconds) a second, in a histogram with one bound
  // per octave from 1 µs on. `labels`: `kind="file"`.
  void SetLatencies(const std::string& family, const std::string& labels,
                    const std::vector<std::pair<double, double>>& events) {
    double bound = 1e-6;
    for (int i = 0; i <= 25; ++i, bound *= 2) {
      const bool is_last = i == 25;
      double count = 0;
      for (const auto& [latency, rate] : events)
        if (is_last || latency <= bound) count += rate;
      std::string le = "+Inf";
      if (!is_last) {
        le.clear();
        exposition::AppendNumber(&le, bound);
      }
      rates[StrCat(family, "_bucket{", labels, labels.empty() ? "" : ",",
                   "le=\"", le, "\"}")] = count;
    }
  }
  void Drop(const std::string& prefix) {
    for (Samples* s : {&rates, &levels, &counters})
      std::erase_if(*s,
                    [&](const auto& e) { return e.first.starts_with(prefix); });
  }

  void Append(double seconds, recorder::FrameTime time,
              recorder::Recording* recording) {
    for (const auto& [key, rate] : rates) counters[key] += rate * seconds;
    if (is_silent) return;
    Samples frame = counters;
    for (const auto& [key, value] : levels) frame[key] = value;
    std::vector<double> values;
    std::vector<std::string> keys;
    for (const auto& [key, value] : frame) {
      keys.push_back(key);
      values.push_back(value);
    }
    const auto id = recording->OpenSource(name_, container_name_);
    if (keys != keys_) SetLines(id, keys, recording);
    keys_ = std::move(keys);
    recording->Append(id, time, values, std::nullopt);
  }

 private:
  void SetLines(recorder::SourceId id, const std::vector<std::string>& keys,
                recorder::Recording* recording) const {
    recording->SpliceLines(id, 0, keys_.size(), {});
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const std::size_t brace = keys[i].find('{');
      std::vector<exposition::Label> labels;
      std::vector<std::string> unescaped;
      const std::string name = keys[i].substr(0, brace);
      std::string text;
      if (brace != std::string::npos)
        text = keys[i].substr(brace + 1, keys[i].size() - brace - 2);
      exposition::ParseCanonicalLabels(text, &labels, &unescaped);
      const exposition::SeriesDesc desc{
          .name = name,
          .labels = labels,
          .family = name,
          .type = exposition::MetricType::kUntyped,
          .help = {},
          .unit = {}};
      recording->SpliceLines(id, i, 0, {&desc, 1});
    }
  }

  std::string name_;
  std::string container_name_;
  std::vector<std::string> keys_;
};

// What an agent records of the target "db", whose page has nothing, while all
// is well: 1000 reads a second of 2 µs.
class SceneTarget {
 public:
  explicit SceneTarget(const std::string& name = "db")
      : kernel(StrCat("kernel ", name), name),
        target(StrCat("target ", name), name),
        page(StrCat("http://localhost/", name), name) {
    Calm();
  }

  void Calm() {
    Reads({{2e-6, 1000}});
    kernel.rates["ktm_cache_added_pages_total"] = 10;
    kernel.rates["ktm_cache_deleted_pages_total"] = 10;
    kernel.rates["ktm_fadvise_dontneed_total"] = 0;
    kernel.rates["ktm_fadvise_dontneed_bytes_total"] = 0;
    kernel.rates["ktm_memory_direct_reclaim_begin_total"] = 0;
    kernel.rates["ktm_memcg_reclaim_entries_total"] = 0;
    kernel.rates["ktm_memory_lru_pages_scanned_total"] = 0;
    target.levels["fodc_target_up"] = 1;
    target.levels["fodc_target_pid"] = 42;
    target.levels["fodc_container_memory_usage_bytes"] = 1000 * kMiB;
    target.levels["fodc_container_memory_bytes{kind=\"anon\"}"] = 400 * kMiB;
    target.levels["fodc_container_memory_bytes{kind=\"file\"}"] = 550 * kMiB;
    target.levels["fodc_container_memory_bytes{kind=\"kernel\"}"] = 50 * kMiB;
    target.rates["fodc_container_memory_refault_pages_total{kind=\"file\"}"] =
        0;
    target.rates["fodc_target_io_bytes_total{direction=\"read\"}"] = 0;
    target.rates["fodc_target_io_bytes_total{direction=\"write\"}"] = 0;
    target.rates
        ["fodc_pressure_stalled_seconds_total{kind=\"some\",resource="
         "\"memory\"}"] = 0;
  }
  // (latency in seconds, reads a second).
  void Reads(const std::vector<std::pair<double, double>>& reads) {
    kernel.SetLatencies("ktm_read_latency_seconds", "kind=\"file\"", reads);
  }
  // One in ten takes 4 ms.
  void Slow() { Reads({{2e-6, 900}, {4e-3, 100}}); }
  // Slow, for cold data.
  void Cold() {
    Slow();
    kernel.rates["ktm_cache_added_pages_total"] = 2000;
    target.rates["fodc_target_io_bytes_total{direction=\"read\"}"] = 8 * kMiB;
  }

  SceneSource kernel;
  SceneSource target;
  SceneSource page;
};

// One of an incident's numbers.
inline double NumberOf(const evidence::Incident& i, std::string_view name) {
  for (const auto& n : i.numbers)
    if (n.name == name) return n.value;
  ADD_FAILURE() << name << " is not there";
  return 0;
}

class Scene {
 public:
  using Incidents = std::vector<evidence::Incident>;
  static constexpr std::int64_t kStartUnixMs = 1'700'000'000'000;

  explicit Scene(const Options& options = {}, SignalMap signals = SignalMap(),
                 recorder::Incarnation incarnation = 77)
      : detector(options, std::move(signals)), recording(incarnation, {}) {}

  // So many windows of 10 s: one frame of each source at the end of each.
  Incidents Run(int windows, double seconds = 10) {
    Incidents all;
    for (int i = 0; i < windows; ++i) {
      time.monotonic_ms += static_cast<std::int64_t>(seconds * 1e3);
      time.unix_ms += static_cast<std::int64_t>(seconds * 1e3);
      for (SceneTarget* t : targets) {
        for (SceneSource* s : {&t->target, &t->page, &t->kernel}) {
          s->Append(seconds, time, &recording);
          for (evidence::Incident& incident :
               detector.OnFrames(recording.Latest())) {
            EXPECT_EQ(evidence::CheckIncident(incident).ToString(), "OK");
            told.push_back(incident);
            all.push_back(std::move(incident));
          }
        }
      }
    }
    return all;
  }
  // Long enough for the baseline, and calm.
  void Learn() { EXPECT_EQ(Run(30).size(), 0u); }

  TargetState State(std::size_t i = 0) const { return detector.States().at(i); }

  SceneTarget db;
  std::vector<SceneTarget*> targets = {&db};
  Detector detector;
  recorder::Recording recording;
  recorder::FrameTime time{.monotonic_ms = 5000, .unix_ms = kStartUnixMs};
  Incidents told;  // ever
};

}  // namespace fodc::detect
