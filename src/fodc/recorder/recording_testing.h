// SPDX-License-Identifier: Apache-2.0
// A random page and the plain model that a recording is held against. For
// tests.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/recorder/bytes.h"
#include "fodc/recorder/log_reader.h"
#include "fodc/recorder/recording.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::recorder {

// One frame in words: series text and the bits of its value.
struct ModelFrame {
  std::string source;
  FrameName name;
  FrameTime time;
  std::map<std::string, std::uint64_t> samples;
  friend bool operator==(const ModelFrame&, const ModelFrame&) = default;
};

// A gauge without labels.
inline exposition::SeriesDesc Desc(std::string_view name) {
  return {.name = name,
          .labels = {},
          .family = name,
          .type = exposition::MetricType::kGauge,
          .help = "",
          .unit = ""};
}

inline std::string KeyOf(const Series& s) {
  std::string key;
  key += s.name();
  key += '{';
  key += s.labels();
  key += '}';
  return key;
}

inline ModelFrame ToModel(const SourceFrame& f) {
  ModelFrame m{.source = std::string(f.source_name),
               .name = f.name,
               .time = f.time,
               .samples = {}};
  for (std::size_t i = 0; i < f.values.size(); ++i) {
    m.samples[KeyOf(*(*f.series)[i])] = BitsOf(f.values[i]);
  }
  return m;
}

inline std::vector<ModelFrame> FramesOf(const Recording& r,
                                        TimeRange range = {}) {
  std::vector<ModelFrame> frames;
  int damaged = 0;
  r.Take().ReadFrames(
      range,
      [&](const SourceFrame& f) {
        frames.push_back(ToModel(f));
        return true;
      },
      &damaged);
  if (damaged != 0) frames.clear();
  return frames;
}

// All entries of a log after `from`.
inline std::vector<LogEntry> EntriesOf(const Recording& r,
                                       LogPosition from = {}) {
  std::vector<LogEntry> entries;
  Recording::Defined defined;
  r.ReadLog(from, &defined, [&](const LogEntry& e) {
    entries.push_back(e);
    return true;
  });
  return entries;
}

// A page whose lines come, go and come back, with values of every kind.
class RandomSource {
 public:
  // Of `series` different ones; up to a fifth are there from the beginning.
  RandomSource(Recording* recording, std::string name, std::uint64_t seed,
               std::uint32_t series = 200)
      : recording_(recording),
        name_(std::move(name)),
        random_(seed),
        series_(series),
        id_(recording->OpenSource(name_, "box")) {}

  // The recording goes on as another one, after a restart.
  void MoveTo(Recording* recording) {
    recording_ = recording;
    id_ = recording->OpenSource(name_, "box");
    lines_.clear();
    values_.clear();
  }

  ModelFrame Step(FrameTime time) {
    const std::uint32_t edits = Pick(4) == 0 ? Pick(4) : 0;
    if (lines_.empty()) Insert(0, 1 + Pick(series_ / 5));
    for (std::uint32_t e = 0; e < edits; ++e) {
      const std::size_t at =
          Pick(static_cast<std::uint32_t>(lines_.size()) + 1);
      if (Pick(2) == 0) {
        Insert(at, 1 + Pick(5));
      } else {
        Remove(at, Pick(6));
      }
    }
    ++frame_;
    std::vector<std::uint32_t> changed;
    for (std::uint32_t i = 0; i < values_.size(); ++i) {
      if (Pick(3) == 0) {
        values_[i] = Next(lines_[i], values_[i]);
        changed.push_back(i);
      } else if (Pick(10) == 0) {
        changed.push_back(i);  // may have changed, and has not
      }
    }
    std::optional<std::span<const std::uint32_t>> told;
    if (Pick(4) != 0) told = changed;
    ModelFrame m{.source = name_,
                 .name = recording_->Append(id_, time, values_, told),
                 .time = time,
                 .samples = {}};
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      m.samples[Key(lines_[i])] = BitsOf(values_[i]);
    }
    return m;
  }

  std::uint32_t Pick(std::uint32_t n) {
    return static_cast<std::uint32_t>(random_() % n);
  }

 private:
  static std::string Name(std::uint32_t n) {
    return "metric_" + std::to_string(n / 4) + "_total";
  }
  static std::string Key(std::uint32_t n) {
    return Name(n) + "{le=\"" + std::to_string(n % 4) + "\"}";
  }

  void Insert(std::size_t at, std::uint32_t count) {
    std::vector<std::uint32_t> fresh;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t n = Pick(series_);
      if (std::find(lines_.begin(), lines_.end(), n) == lines_.end() &&
          std::find(fresh.begin(), fresh.end(), n) == fresh.end()) {
        fresh.push_back(n);
      }
    }
    std::vector<std::string> text;
    text.reserve(fresh.size() * 2);
    std::vector<exposition::Label> labels(fresh.size());
    std::vector<exposition::SeriesDesc> descs;
    for (std::size_t i = 0; i < fresh.size(); ++i) {
      text.push_back(Name(fresh[i]));
      text.push_back(std::to_string(fresh[i] % 4));
      labels[i] = {"le", text[2 * i + 1]};
      descs.push_back({.name = text[2 * i],
                       .labels = {&labels[i], 1},
                       .family = text[2 * i],
                       .type = exposition::MetricType::kCounter,
                       .help = "h",
                       .unit = ""});
    }
    const std::size_t removed = 0;
    recording_->SpliceLines(id_, at, removed, descs);
    const auto offset = static_cast<long>(at);
    lines_.insert(lines_.begin() + offset, fresh.begin(), fresh.end());
    std::vector<double> values;
    values.reserve(fresh.size());
    for (const std::uint32_t n : fresh) values.push_back(Next(n, n));
    values_.insert(values_.begin() + offset, values.begin(), values.end());
  }

  void Remove(std::size_t at, std::size_t count) {
    count = std::min(count, lines_.size() - at);
    recording_->SpliceLines(id_, at, count, {});
    const auto from = static_cast<long>(at);
    const auto to = static_cast<long>(at + count);
    lines_.erase(lines_.begin() + from, lines_.begin() + to);
    values_.erase(values_.begin() + from, values_.begin() + to);
  }

  double Next(std::uint32_t line, double value) {
    switch (line % 12) {
      case 0:
        return value + 1;
      case 1:
        return value + Pick(1000);
      case 2:
        return value + Pick(100) * 0.1;  // an accumulated sum
      case 3:
        return static_cast<double>(Pick(2000)) / 100 - 10;
      case 4:
        return FromBits(random_());  // anything at all
      case 5: {
        const double odd[] = {0.0,
                              -0.0,
                              5e-324,
                              2.2e-308,
                              FromBits(0x7ff0000000000000),
                              FromBits(0xfff0000000000000),
                              FromBits(0x7ff8000000000001),
                              FromBits(0x7ff0000000000002),
                              FromBits(0xfff8000000000badULL),
                              9007199254740993.0,
                              -9007199254740991.0,
                              1e20,
                              1.7976931348623157e308};
        return odd[Pick(std::size(odd))];
      }
      case 6:
        return static_cast<double>(Pick(64)) * 4096 * 1024;
      case 7:
        return std::exp(static_cast<double>(Pick(1000)));
      case 8:
        return static_cast<double>(frame_) * 1e16 + line;
      case 9:
        return Pick(3) == 0 ? 0 : value - 1;
      default:
        return static_cast<double>(frame_) + line;
    }
  }

  Recording* recording_;
  std::string name_;
  std::mt19937_64 random_;
  std::uint32_t series_;
  SourceId id_;
  std::uint64_t frame_ = 0;
  std::vector<std::uint32_t> lines_;
  std::vector<double> values_;
};

}  // namespace fodc::recorder
