// SPDX-License-Identifier: Apache-2.0
// What is known of one incarnation: its sources and series.
#include <algorithm>
#include <numeric>
#include <type_traits>
#include <utility>

#include "fodc/recorder/recording_impl.h"

namespace fodc::recorder {

SeriesTable* Life::MutableTable() {
  if (table_shared) table = std::make_shared<SeriesTable>(*table);
  table_shared = false;
  return table.get();
}

SourceMap* Life::MutableSources() {
  if (sources_shared) sources = std::make_shared<SourceMap>(*sources);
  sources_shared = false;
  return sources.get();
}

// Ids come in order of first appearance, but one that was forgotten may come
// again: it goes into the second run, and both become one when it is long.
void Life::AddSeries(SeriesId id, SeriesRef series_of, std::uint32_t ordinal,
                     std::size_t made) {
  constexpr std::ptrdiff_t kMaxMoved = 1024;
  MutableTable();
  const std::size_t n = table->ids.size();
  if (made > 0 && made_bytes.empty()) made_bytes.resize(n);
  table->Reserve(n + 1);
  ReserveFrugally(&last_used, n + 1);
  if (!made_bytes.empty() || made > 0) ReserveFrugally(&made_bytes, n + 1);
  const auto place = [&] {
    const auto run =
        table->ids.begin() + static_cast<std::ptrdiff_t>(table->first_run);
    return std::lower_bound(run, table->ids.end(), id);
  };
  auto at = place();
  if (table->ids.end() - at > kMaxMoved) {
    MergeRuns();
    at = place();
  }
  const std::ptrdiff_t offset = at - table->ids.begin();
  table->ids.insert(at, id);
  table->series.insert(table->series.begin() + offset, std::move(series_of));
  last_used.insert(last_used.begin() + offset, ordinal);
  if (!made_bytes.empty() || made > 0) {
    made_bytes.insert(made_bytes.begin() + offset,
                      static_cast<std::uint32_t>(made));
    all_made_bytes += made;
  }
}

void Life::MergeRuns() {
  const std::size_t n = table->ids.size();
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  const auto second =
      order.begin() + static_cast<std::ptrdiff_t>(table->first_run);
  std::inplace_merge(order.begin(), second, order.end(),
                     [this](std::uint32_t a, std::uint32_t b) {
                       return table->ids[a] < table->ids[b];
                     });
  const auto arrange = [&order](auto* v) {
    if (v->empty()) return;
    auto arranged = std::remove_reference_t<decltype(*v)>();
    arranged.reserve(v->capacity());
    for (const std::uint32_t i : order) arranged.push_back(std::move((*v)[i]));
    *v = std::move(arranged);
  };
  MutableTable();
  arrange(&table->ids);
  arrange(&table->series);
  arrange(&last_used);
  arrange(&made_bytes);
  table->first_run = n;
}

void Life::DropSeries(SeriesId id) {
  MutableTable();
  const std::size_t at = table->Find(id);
  if (at == SeriesTable::kNone) return;
  const auto offset = static_cast<std::ptrdiff_t>(at);
  table->ids.erase(table->ids.begin() + offset);
  table->series.erase(table->series.begin() + offset);
  last_used.erase(last_used.begin() + offset);
  if (!made_bytes.empty()) {
    all_made_bytes -= made_bytes[at];
    made_bytes.erase(made_bytes.begin() + offset);
  }
  if (at < table->first_run) --table->first_run;
  // There was no room for it, so there is none for more.
  table->ids.shrink_to_fit();
  table->series.shrink_to_fit();
  last_used.shrink_to_fit();
  made_bytes.shrink_to_fit();
}

}  // namespace fodc::recorder
