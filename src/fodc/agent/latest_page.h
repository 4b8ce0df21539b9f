// SPDX-License-Identifier: Apache-2.0
// The agent's own /metrics: the newest frame of each source, with the identity
// labels, and what the agent counts about itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "fodc/exposition/format.h"
#include "fodc/exposition/identity.h"
#include "fodc/exposition/metric.h"
#include "fodc/net/http_message.h"
#include "fodc/program/own_metrics.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::agent {

// Families sorted by name, one TYPE and HELP each; inside a family the sources
// follow each other in the order given, lines in that of their page. Of equal
// series of two sources (two endpoints without container names) the first one
// is shown. OpenMetrics: a counter whose name does not end in _total, and a
// family whose name another one has, become unknown.
class LatestPage final : public net::BodySource {
 public:
  struct Part {
    recorder::SourceFrame frame;
    std::shared_ptr<const exposition::Identity> identity;
  };
  LatestPage(std::vector<Part> parts, std::vector<program::OwnFamily> own,
             exposition::Format format);

  Result<net::BodyStep> Next(std::string* piece,
                             std::size_t max_bytes) override;

 private:
  struct Line {
    std::string_view family;
    exposition::MetricType type;
    std::uint32_t part;   // parts_.size(): one of own_
    std::uint32_t index;  // in the frame, or in own_
  };
  Line Classify(std::string_view name, std::string_view family,
                exposition::MetricType type) const;
  void SplitConflicts();
  void AppendHead(std::size_t begin, std::size_t end, std::string* out) const;
  void BeginFamily(std::string* out);
  void AppendLine(const Line& line, std::string* out);
  std::string_view Name(const Line& line) const;
  std::string_view Help(const Line& line) const;

  std::vector<Part> parts_;
  struct OwnLine {
    const program::OwnFamily* family;
    const program::OwnSample* sample;
  };
  const std::vector<program::OwnFamily> own_families_;  // own_ points in
  std::vector<OwnLine> own_;
  const bool openmetrics_;
  std::vector<Line> lines_;
  std::size_t at_ = 0;          // the next line
  std::size_t family_end_ = 0;  // of the family that `at_` is in
  bool may_collide_ = false;    // several sources have this family
  bool ended_ = false;
  exposition::LabelMerger merger_;
  std::unordered_set<std::string> shown_;
  std::string text_;
};

}  // namespace fodc::agent
