// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/deaths.h"

#include <algorithm>
#include <cmath>

#include "fodc/base/strings.h"
#include "fodc/detect/quantity_text.h"

namespace fodc::detect {
namespace {

enum : std::size_t { kOomKills, kVictimBytes, kExits, kSignal, kAge };

// More has no machine.
constexpr double kMost = 9007199254740992.0;

constexpr DeathSeries kSeries[kDeathSeries] = {
    {"ktm_oom_kills_total", true, true},
    {"ktm_last_oom_victim_bytes", true, false},
    {"ktm_exits_by_signal_total", false, true},
    {"ktm_last_exit_signal", false, false},
    {"ktm_last_exit_age_seconds", false, false},
};

}  // namespace

std::span<const DeathSeries, kDeathSeries> AllDeathSeries() { return kSeries; }

void Deaths::SetLayout(const recorder::SourceFrame& frame) {
  layout_ = frame.series;
  is_told_ = false;
  for (auto& lines : lines_) lines.clear();
  for (std::size_t line = 0; line < frame.series->size(); ++line) {
    const std::string_view name = (*frame.series)[line]->name();
    for (std::size_t i = 0; i < kDeathSeries; ++i) {
      if (kSeries[i].family != name) continue;
      lines_[i].push_back(line);
      is_told_ = true;
    }
  }
}

void Deaths::OnFrame(const recorder::SourceFrame& frame) {
  const bool is_first = layout_ == nullptr;
  if (layout_ != frame.series) SetLayout(frame);
  double oom_kills = 0;
  for (std::size_t i = 0; i < kDeathSeries; ++i) {
    // Of several kinds of memory the sum.
    std::optional<double> now;
    for (const std::size_t line : lines_[i]) {
      const double v = frame.values[line];
      if (v >= 0 && v <= kMost) now = now.value_or(0) + v;
    }
    if (!now) continue;
    const double before = values_[i].value_or(0);
    const bool is_news =
        kSeries[i].is_counter ? *now > before : values_[i] != now;
    values_[i] = now;
    if (!is_news || is_first) continue;
    if (i == kOomKills) oom_kills = *now - before;
    (kSeries[i].is_oom ? oom_ms_ : exit_ms_) = frame.time.monotonic_ms;
    if (kSeries[i].is_oom) oom_kills_ = std::max(oom_kills, 1.0);
  }
}

Deaths::Account Deaths::Since(std::int64_t from_ms) const {
  Account out;
  const auto add = [&out](std::string_view name, double value) {
    out.numbers.push_back({std::string(name), value});
  };
  if (oom_ms_ >= from_ms) {
    out.clauses += "; the kernel chose a process of it to free memory (OOM)";
    add("oom_kills", oom_kills_);
    if (values_[kVictimBytes]) {
      out.clauses += StrCat(", which held ", BytesText(*values_[kVictimBytes]));
      add("oom_victim_bytes", *values_[kVictimBytes]);
    }
  }
  if (exit_ms_ >= from_ms) {
    if (values_[kSignal]) {
      out.clauses += StrCat("; signal ", CountText(*values_[kSignal]));
      add("exit_signal", *values_[kSignal]);
    } else {
      out.clauses += "; a signal";
    }
    out.clauses += " ended a process of it";
    if (values_[kAge]) {
      out.clauses +=
          StrCat(", which had run for ", SecondsText(*values_[kAge]));
      add("exit_age_seconds", *values_[kAge]);
    }
  }
  return out;
}

}  // namespace fodc::detect
