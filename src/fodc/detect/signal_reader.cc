// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/signal_reader.h"

#include <cmath>
#include <utility>

#include "fodc/exposition/identity.h"
#include "fodc/exposition/metric.h"

namespace fodc::detect {

SignalReader::SignalReader(const SignalMap& map) : map_(map) {}
SignalReader::~SignalReader() = default;

void SignalReader::SetLayout(const recorder::SourceFrame& frame,
                             Page* page) const {
  // By series and selector, for one series may be taken by several.
  std::map<std::pair<const recorder::Series*, std::size_t>, CounterTrack>
      before;
  for (const Matched& m : page->matched)
    before.emplace(std::pair{m.series, m.source}, m.track);
  page->matched.clear();
  std::vector<std::size_t> may;  // sources that may take the name
  const char* name = nullptr;
  std::vector<exposition::Label> labels;
  std::vector<std::string> unescaped;
  for (std::size_t line = 0; line < frame.series->size(); ++line) {
    const recorder::Series& s = *(*frame.series)[line];
    if (s.name().data() != name) {
      name = s.name().data();
      may.clear();
      for (std::size_t i = 0; i < map_.sources().size(); ++i) {
        if (map_.sources()[i].selector.MayMatchName(s.name())) may.push_back(i);
      }
    }
    if (may.empty()) continue;
    exposition::ParseCanonicalLabels(s.labels(), &labels, &unescaped);
    for (const std::size_t i : may) {
      if (page->matched.size() == kMaxSeries) break;
      if (!map_.sources()[i].selector.Matches(s.name(), labels)) continue;
      Matched& m = page->matched.emplace_back();
      m.series = &s;
      m.line = line;
      m.source = i;
      if (const auto it = before.find({&s, i}); it != before.end())
        m.track = it->second;
    }
  }
  page->layout = frame.series;
}

void SignalReader::OnFrame(const recorder::SourceFrame& frame) {
  auto it = pages_.find(frame.source_name);
  if (it == pages_.end()) {
    if (pages_.size() == kMaxPages) return;
    it = pages_.emplace(std::string(frame.source_name), Page()).first;
  }
  Page& page = it->second;
  if (page.layout && frame.time.monotonic_ms < page.newest_ms) return;
  page.newest_ms = frame.time.monotonic_ms;
  if (page.layout != frame.series) {
    SetLayout(frame, &page);
    Count();
  }
  for (Matched& m : page.matched) {
    const double value = frame.values[m.line];
    if (map_.sources()[m.source].reading == Reading::kRate) {
      m.track.Read(value, frame.time.monotonic_ms);
    } else {
      m.level = value;
    }
  }
}

void SignalReader::Count() {
  state_ = {};
  for (const auto& [name, page] : pages_) {
    for (const Matched& m : page.matched) {
      const SignalSource& source = map_.sources()[m.source];
      ++state_.series[source.signal];
      if (!source.product.empty())
        state_.products[source.signal] = source.product;
    }
  }
}

void SignalReader::Take(std::int64_t now_ms, std::int64_t stale_ms,
                        Facts* facts) {
  for (auto& [name, page] : pages_) {
    struct Sum {
      double rate = 0, level = 0;
      bool has_rate = false, has_level = false, has_series = false;
    };
    std::array<Sum, kSignals> sums;
    for (Matched& m : page.matched) {
      const SignalSource& source = map_.sources()[m.source];
      Sum& sum = sums[source.signal];
      if (source.reading == Reading::kLevel) {
        if (!std::isfinite(m.level)) continue;
        sum.level += m.level * source.scale;
        sum.has_level = true;
        continue;
      }
      sum.has_series |= m.track.is_there();
      const auto growth = m.track.Take();
      if (!growth) continue;
      sum.rate += growth->amount / growth->seconds * source.scale;
      sum.has_rate = true;
    }
    const bool is_fresh = now_ms - page.newest_ms <= stale_ms;
    for (std::size_t i = 0; i < kSignals; ++i) {
      Held& held = page.held[i];
      if (sums[i].has_rate) {
        held = {sums[i].rate, page.newest_ms, true};
      } else if (!sums[i].has_series || now_ms - held.at_ms > stale_ms) {
        held.is_known = false;
      }
      double value = 0;
      if (held.is_known) value += held.rate;
      const bool has_level = is_fresh && sums[i].has_level;
      if (has_level) value += sums[i].level;
      if ((!held.is_known && !has_level) || !std::isfinite(value)) continue;
      double& fact = (*facts)[AllSignals()[i].fact];
      fact = std::isnan(fact) ? value : fact + value;
    }
  }
}

void SignalReader::Forget() {
  for (auto& [name, page] : pages_) {
    for (Matched& m : page.matched) m.track.Take();
    page.held = {};
  }
}

}  // namespace fodc::detect
