// SPDX-License-Identifier: Apache-2.0
// A window as OpenMetrics 1.0 text with timestamps: families sorted and merged
// over all nodes, the points of one metric together and in the order of time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/api/answered_series.h"
#include "fodc/api/line_cache.h"
#include "fodc/api/request_filter.h"
#include "fodc/api/window_rows.h"
#include "fodc/exposition/identity.h"
#include "fodc/exposition/selector.h"
#include "fodc/recorder/series_reader.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::api {

// What one node has to show: one of the three.
struct OpenMetricsNode {
  fleet::Agent agent;
  std::optional<recorder::Snapshot> snapshot;      // read in the window
  std::shared_ptr<const recorder::Snapshot> keep;  // what frames refer to
  std::vector<recorder::SourceFrame> frames;
  std::vector<AnsweredSeries> answered;
};

// Memory: 24 bytes for each series, the points of one histogram, summary or
// counter with its creation time, and the recordings of up to kOpenNodes nodes
// as they are read. Of more nodes than that each is opened again and again, but
// for many series at a time: kAheadBytes of points in all are read ahead.
class WindowOpenMetrics {
 public:
  static constexpr std::size_t kOpenNodes = 16;
  static constexpr std::size_t kAheadBytes = 32u << 20;

  // `selectors` must outlive it.
  WindowOpenMetrics(std::vector<OpenMetricsNode> nodes, Window window,
                    const exposition::SelectorSet* selectors);
  ~WindowOpenMetrics();

  // Appends what comes next, about `max_bytes` unless it ends, or nothing yet
  // while it finds out what there is. Returns whether something is left.
  bool Append(std::string* out, std::size_t max_bytes);

  std::uint64_t opened() const { return opened_; }  // recordings, so far

 private:
  struct Node;
  struct Entry {  // a series of one source of one node
    const recorder::Series* series;
    std::uint32_t node;
    std::uint32_t source;  // of a recording or frame
    std::uint32_t line;    // of a frame; or which series of reader or answer
  };
  // Entries of one source that are written together: the components of one
  // metric in the order of time, or metrics of a single series one by one.
  struct Group {
    std::uint32_t begin;
    std::uint32_t end;
    bool singles;
  };
  struct Point {
    std::int64_t unix_ms;
    std::uint32_t line;
    double value;
  };
  using Family =
      std::map<std::string, std::vector<Entry>, std::less<>>::const_iterator;

  void Catalog(std::uint32_t node);
  void BeginFamily(std::string* out);
  void BeginGroup();
  // Takes the points of one entry into memory as those of line `line`.
  void Load(const Entry& entry, std::uint32_t line);
  recorder::Snapshot::SeriesReader& ReaderOf(std::uint32_t node);
  bool ReadsAhead() const { return nodes_.size() > kOpenNodes; }
  void PlanAhead();
  // The points of a series of a recording, which are then forgotten here.
  void TakeAhead(const Entry& entry, std::uint32_t line);
  bool AppendGroup(std::string* out, std::size_t stop);
  void AppendPoint(const std::string& line, double value, std::int64_t unix_ms,
                   std::string* out);
  std::string LineOf(const Entry& entry);
  const exposition::Identity& IdentityOf(const Entry& entry);

  std::vector<std::unique_ptr<Node>> nodes_;
  const Window window_;
  const exposition::SelectorSet* const selectors_;
  std::map<std::string, std::vector<Entry>, std::less<>> families_;
  std::uint32_t cataloged_ = 0;
  bool in_families_ = false;
  Family family_;
  std::vector<Entry> entries_;  // of the family, in the order of writing
  std::vector<Group> groups_;
  std::size_t group_ = 0;
  bool in_group_ = false;
  // The lines at hand and their points: all of a metric, or one series.
  std::vector<std::string> lines_;
  std::vector<Point> points_;
  std::size_t point_ = 0;
  std::uint32_t next_single_ = 0;
  exposition::LabelMerger merger_;
  // Nodes whose recordings are open, the one used last at the end.
  std::vector<std::uint32_t> open_;
  std::uint64_t opened_ = 0;
};

}  // namespace fodc::api
