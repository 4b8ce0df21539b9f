// SPDX-License-Identifier: Apache-2.0
// What a page says of its families. Internal to the room.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "fodc/exposition/format.h"
#include "fodc/exposition/metric.h"
#include "fodc/exposition/page_scan.h"

namespace fodc::exposition {

struct Family {
  std::string_view name;
  MetricType type = MetricType::kUnknown;
  std::string_view help;  // as written
  std::string_view unit;
  bool has_type = false;
  bool has_help = false;
  bool has_unit = false;

  bool SaysTheSame(const Family& other) const {
    return name == other.name && type == other.type && help == other.help &&
           unit == other.unit;
  }
};

// The HELP, TYPE and UNIT lines of one page, by family. They hold for the
// whole page, wherever they stand; of several the first one counts. Views point
// into the page. Keeps its memory from page to page.
class FamilyIndex {
 public:
  void Build(const PageText& page, Format format, const PageTable& table);

  // The family that a series of this name belongs to. A page without a word on
  // it gives a family of that very name.
  Family Resolve(std::string_view series_name) const;

  bool empty() const { return families_.empty(); }
  std::size_t memory_bytes() const;

 private:
  const Family* Find(std::string_view name) const;
  Family* FindOrAdd(std::string_view name);

  Format format_ = Format::kText;
  std::vector<Family> families_;
  std::vector<std::uint32_t> slots_;  // index in families_ + 1; 0: free
};

// Whether a family of this type has series with this suffix ("_bucket") in
// that format, so that the family's name is the series' name without it.
bool IsComponentSuffix(Format format, MetricType type, std::string_view suffix);

// The suffix of `name` that some type gives to its series, with its
// underscore; empty if there is none.
std::string_view ComponentSuffix(std::string_view name);

}  // namespace fodc::exposition
