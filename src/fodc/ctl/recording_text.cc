// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/recording_text.h"

#include <algorithm>
#include <map>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

#include "fodc/api/answered_series.h"
#include "fodc/ctl/sample_writer.h"
#include "fodc/exposition/identity.h"
#include "fodc/recorder/series.h"

namespace fodc::ctl {
namespace {

using recorder::SeriesView;

constexpr std::uint64_t kSamplesAtATime = 2'000'000;

// Labels as they are shown, and whether somebody wants to see them.
class Shower {
 public:
  Shower(const RecordingIdentity& identity,
         const exposition::SelectorSet* selectors)
      : identity_(identity), selectors_(selectors) {}

  // Valid until the next call.
  ShownSeries Show(const SeriesView& view) {
    return {.name = view.series->name(),
            .labels = merger_.Merge(view.series->labels(),
                                    IdentityOf(view.container_name)),
            .family = view.series->family(),
            .type = view.series->type(),
            .help = view.series->help(),
            .unit = view.series->unit()};
  }
  bool Takes(const SeriesView& view) {
    if (selectors_ == nullptr || selectors_->empty()) return true;
    if (!selectors_->MayMatchName(view.series->name())) return false;
    return selectors_->Matches(
        view.series->name(),
        merger_.Merge(view.series->labels(), IdentityOf(view.container_name)));
  }

 private:
  const exposition::Identity& IdentityOf(std::string_view container) {
    auto& slot = identities_[std::string(container)];
    if (slot == nullptr) {
      slot = std::make_unique<exposition::Identity>(
          identity_.role, identity_.pod_name, container, identity_.labels);
    }
    return *slot;
  }
  const RecordingIdentity& identity_;
  const exposition::SelectorSet* selectors_;
  std::map<std::string, std::unique_ptr<exposition::Identity>> identities_;
  exposition::LabelMerger merger_;
};

bool IsText(SampleFormat format) {
  return format == SampleFormat::kText || format == SampleFormat::kOpenMetrics;
}

// One series of one source, whatever was said of its family in the range.
using Key = std::tuple<std::string_view, std::string_view, std::string_view>;
Key KeyOf(const SeriesView& view) {
  return {view.source_name, view.series->name(), view.series->labels()};
}

struct Held {
  SeriesView view;
  std::vector<std::int64_t> unix_ms;
  std::vector<double> values;
};

// What the text formats sort by: families together, and in a family what is of
// one label set, buckets by their bounds.
struct Order {
  std::string_view family;
  api::ComponentOrder component;
  std::string_view name;
  std::string_view source_name;
  friend auto operator<=>(const Order&, const Order&) = default;
};
Order OrderOf(const SeriesView& v) {
  const recorder::Series& s = *v.series;
  return {.family = s.family(),
          .component =
              api::OrderInFamily(s.name(), s.labels(), s.family(), s.type()),
          .name = s.name(),
          .source_name = v.source_name};
}

// Reads the series in `keys` and writes them by their numbers.
Status WriteBatch(const recorder::Snapshot& snapshot,
                  const ShowOptions& options,
                  const std::map<Key, std::size_t>& keys, Shower* shower,
                  SampleWriter* writer, int* damaged) {
  std::vector<Held> held;
  snapshot.ReadSeries(
      options.range,
      [&](const SeriesView& view) { return keys.contains(KeyOf(view)); },
      [&](const SeriesView& view, std::span<const std::int64_t> unix_ms,
          std::span<const double> values) {
        held.push_back({view,
                        {unix_ms.begin(), unix_ms.end()},
                        {values.begin(), values.end()}});
        return true;
      },
      damaged);
  std::sort(held.begin(), held.end(), [&](const Held& a, const Held& b) {
    return keys.at(KeyOf(a.view)) < keys.at(KeyOf(b.view));
  });
  for (const Held& h : held) {
    FODC_RETURN_IF_ERROR(
        writer->Write(shower->Show(h.view), h.unix_ms, h.values));
  }
  return OkStatus();
}

// The text formats want families together: first the catalogue, then as many
// families at a time as memory is meant for.
Status WriteByFamily(const recorder::Snapshot& snapshot,
                     const ShowOptions& options, Shower* shower,
                     SampleWriter* writer, int* damaged) {
  struct Entry {
    SeriesView view;
    Order order;
    std::uint64_t samples = 0;
  };
  std::vector<Entry> entries;
  snapshot.ReadSeries(
      options.range,
      [&](const SeriesView& view) { return shower->Takes(view); },
      [&](const SeriesView& view, std::span<const std::int64_t> unix_ms,
          std::span<const double>) {
        entries.push_back({view, OrderOf(view), unix_ms.size()});
        return true;
      },
      damaged);
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.order < b.order; });
  std::map<Key, std::size_t> keys;
  std::uint64_t samples = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    keys.emplace(KeyOf(entries[i].view), i);
    samples += entries[i].samples;
    const bool family_ends =
        i + 1 == entries.size() || entries[i + 1].view.series->family() !=
                                       entries[i].view.series->family();
    if (i + 1 < entries.size() && (!family_ends || samples < kSamplesAtATime)) {
      continue;
    }
    // The catalogue has counted the damage already.
    FODC_RETURN_IF_ERROR(
        WriteBatch(snapshot, options, keys, shower, writer, nullptr));
    keys.clear();
    samples = 0;
  }
  return OkStatus();
}

}  // namespace

Status WriteSamples(const recorder::Snapshot& snapshot,
                    const RecordingIdentity& identity,
                    const ShowOptions& options, Output* out, int* damaged) {
  Shower shower(identity, options.selectors);
  const auto writer = MakeSampleWriter(options.format, true, out);
  if (IsText(options.format)) {
    FODC_RETURN_IF_ERROR(
        WriteByFamily(snapshot, options, &shower, writer.get(), damaged));
    return writer->End();
  }
  Status status;
  snapshot.ReadSeries(
      options.range, [&](const SeriesView& view) { return shower.Takes(view); },
      [&](const SeriesView& view, std::span<const std::int64_t> unix_ms,
          std::span<const double> values) {
        status = writer->Write(shower.Show(view), unix_ms, values);
        return status.ok();
      },
      damaged);
  FODC_RETURN_IF_ERROR(status);
  return writer->End();
}

Status WritePageAt(const recorder::Snapshot& snapshot,
                   const RecordingIdentity& identity,
                   const ShowOptions& options, std::int64_t unix_ms,
                   std::int64_t max_age_ms, Output* out) {
  FODC_ASSIGN_OR_RETURN(const std::vector<recorder::SourceFrame> frames,
                        snapshot.At(unix_ms, max_age_ms));
  Shower shower(identity, options.selectors);
  struct Line {
    SeriesView view;
    std::int64_t unix_ms;
    double value;
  };
  std::vector<Line> lines;
  for (const recorder::SourceFrame& frame : frames) {
    for (std::size_t i = 0; i < frame.values.size(); ++i) {
      const SeriesView view{.series = (*frame.series)[i].get(),
                            .source_name = frame.source_name,
                            .container_name = frame.container_name};
      if (!shower.Takes(view)) continue;
      lines.push_back({view, frame.time.unix_ms, frame.values[i]});
    }
  }
  // Inside a family the order of the page stays.
  std::stable_sort(lines.begin(), lines.end(),
                   [](const auto& a, const auto& b) {
                     return a.view.series->family() < b.view.series->family();
                   });
  const auto writer = MakeSampleWriter(options.format, false, out);
  for (const Line& line : lines) {
    FODC_RETURN_IF_ERROR(writer->Write(shower.Show(line.view),
                                       std::span(&line.unix_ms, 1),
                                       std::span(&line.value, 1)));
  }
  return writer->End();
}

}  // namespace fodc::ctl
