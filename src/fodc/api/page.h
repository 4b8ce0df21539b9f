// SPDX-License-Identifier: Apache-2.0
// One page for many agents: families merged and sorted by name, one HELP and
// TYPE each, written piece by piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fodc/api/line_cache.h"
#include "fodc/exposition/identity.h"

namespace fodc::api {

// A frame to be shown: of one source of one node.
struct PagePart {
  LayoutRef layout;
  std::shared_ptr<const exposition::Identity>
      identity;                // of the layout's shape
  std::vector<double> values;  // one for each line
};

// Text 0.0.4, families as FamilyInText has them. Their order is that of their
// names; inside a family
// parts follow each other in the order given, and lines in that of their pages.
// The type and the help of a family are the first ones that a part knows.
// Components (x_bucket, x_sum, x_count) without a type join the histogram or
// summary x of another part, so that no name has two TYPE lines.
class PageText {
 public:
  // `cache` must outlive it. Costs about 20 ns for each family of each part.
  PageText(LineCache* cache, std::vector<PagePart> parts);

  // Appends what comes next, at least `max_bytes` unless the page ends, and
  // some 32 KiB beyond at most (or one line, if that is longer). Returns
  // whether something is left.
  bool Append(std::string* out, std::size_t max_bytes);

  std::size_t families() const { return groups_.size(); }
  std::uint64_t samples() const { return samples_; }  // of the whole page

 private:
  struct Stretch {  // lines of one family in one part
    std::uint32_t part;
    std::uint32_t begin;
    std::uint32_t end;
  };
  // What the inner loop needs of a part, close together.
  struct Hot {
    const double* values;
    const Line* const* lines;
    const std::uint32_t* offsets;  // of the identity
    const char* identity;
    std::size_t identity_bytes;
  };
  struct Group {
    const Family* family = nullptr;
    std::uint32_t begin = 0;  // stretches [begin, end)
    std::uint32_t end = 0;
  };

  const recorder::Series& FirstSeries(const Stretch& s) const {
    return *(*parts_[s.part].layout->series)[s.begin];
  }
  exposition::MetricType TypeOf(const Group& group) const;
  void JoinComponents();
  void AppendHead(const Group& group, std::string* out) const;
  // Writes lines up to `limit`; stops before one that is too long or that the
  // cache has not. Returns the end.
  char* AppendLines(const Group& group, char* end, const char* limit);
  void NextStretch(const Group& group);
  void AppendSlowly(const PagePart& part, std::uint32_t line, std::string* out);

  std::vector<PagePart> parts_;
  std::vector<Hot> hot_;
  std::vector<Stretch> stretches_;  // by family, then part
  std::vector<Group> groups_;
  std::uint64_t samples_ = 0;
  // Where Append stands.
  std::size_t group_ = 0;
  std::uint32_t stretch_ = 0;
  std::uint32_t line_ = 0;
  bool in_group_ = false;
  std::unique_ptr<char[]> buffer_;
  exposition::LabelMerger merger_;
};

}  // namespace fodc::api
