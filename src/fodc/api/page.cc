// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/page.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "fodc/exposition/number.h"
#include "fodc/exposition/shown_family.h"

namespace fodc::api {
namespace {

using exposition::MetricType;

// Of a line's value and line feed, and what wide copies may touch.
constexpr std::size_t kLineSlack =
    exposition::kMaxNumberBytes + exposition::kCopySlack + 1;
constexpr std::size_t kBufferBytes = 32 * 1024;
constexpr std::uint32_t kPrefetchAhead = 6;

}  // namespace

PageText::PageText(LineCache* cache, std::vector<PagePart> parts)
    : parts_(std::move(parts)),
      buffer_(std::make_unique_for_overwrite<char[]>(kBufferBytes)) {
  cache->SortFamilies();
  // Counting sort by rank: stable, so parts keep their order.
  std::vector<std::uint32_t> counts;
  std::size_t total = 0;
  for (const PagePart& part : parts_) {
    for (const Layout::Run& run : part.layout->runs) {
      if (run.family->rank >= counts.size())
        counts.resize(run.family->rank + 1);
      ++counts[run.family->rank];
      ++total;
    }
    samples_ += part.values.size();
    hot_.push_back({part.values.data(), part.layout->lines.data(),
                    part.identity->block(), part.identity->text(),
                    part.identity->text_bytes()});
  }
  std::uint32_t at = 0;
  std::vector<std::uint32_t> group_of(counts.size());
  for (std::size_t rank = 0; rank < counts.size(); ++rank) {
    if (counts[rank] == 0) continue;
    group_of[rank] = static_cast<std::uint32_t>(groups_.size());
    groups_.push_back({nullptr, at, at});
    at += counts[rank];
  }
  stretches_.resize(total);
  for (std::uint32_t p = 0; p < parts_.size(); ++p) {
    for (const Layout::Run& run : parts_[p].layout->runs) {
      Group& group = groups_[group_of[run.family->rank]];
      group.family = run.family;
      stretches_[group.end++] = {p, run.begin, run.end};
    }
  }
  JoinComponents();
}

exposition::MetricType PageText::TypeOf(const Group& group) const {
  for (std::uint32_t i = group.begin; i < group.end; ++i) {
    const recorder::Series& series = FirstSeries(stretches_[i]);
    const MetricType type =
        exposition::FamilyInText(series.name(), series.family(), series.type())
            .type;
    if (type != MetricType::kUnknown) return type;
  }
  return MetricType::kUnknown;
}

void PageText::JoinComponents() {
  std::unordered_map<std::string_view, std::size_t> by_name;
  // For each group, what joins it.
  std::vector<std::pair<std::size_t, std::size_t>> joins;
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const std::string_view base =
        exposition::WithoutComponentSuffix(groups_[i].family->name);
    if (base.empty() || TypeOf(groups_[i]) != MetricType::kUnknown) continue;
    if (by_name.empty()) {
      for (std::size_t j = 0; j < groups_.size(); ++j) {
        by_name.emplace(groups_[j].family->name, j);
      }
    }
    const auto it = by_name.find(base);
    if (it != by_name.end() &&
        exposition::HasComponents(TypeOf(groups_[it->second]))) {
      joins.emplace_back(it->second, i);
    }
  }
  if (joins.empty()) return;
  std::sort(joins.begin(), joins.end());
  std::vector<bool> joined(groups_.size());
  for (const auto& [to, from] : joins) joined[from] = true;
  std::vector<Stretch> stretches;
  stretches.reserve(stretches_.size());
  std::vector<Group> groups;
  std::size_t next = 0;
  const auto take = [&](const Group& g) {
    stretches.insert(stretches.end(), stretches_.begin() + g.begin,
                     stretches_.begin() + g.end);
  };
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    if (joined[i]) continue;
    Group group{groups_[i].family, static_cast<std::uint32_t>(stretches.size()),
                0};
    take(groups_[i]);
    for (; next < joins.size() && joins[next].first == i; ++next) {
      take(groups_[joins[next].second]);
    }
    group.end = static_cast<std::uint32_t>(stretches.size());
    groups.push_back(group);
  }
  stretches_ = std::move(stretches);
  groups_ = std::move(groups);
}

void PageText::AppendHead(const Group& group, std::string* out) const {
  exposition::FamilyHead head;
  head.name = group.family->name;
  head.type = TypeOf(group);
  for (std::uint32_t i = group.begin; i < group.end && head.help.empty(); ++i) {
    head.help = FirstSeries(stretches_[i]).help();
  }
  AppendFamilyHead(out, exposition::Format::kText, head);
}

void PageText::AppendSlowly(const PagePart& part, std::uint32_t line,
                            std::string* out) {
  Line built;
  const Line* l = part.layout->lines[line];
  if (l == nullptr) {
    LineCache::Build(*(*part.layout->series)[line], *part.identity, &merger_,
                     &built);
    l = &built;
  }
  const std::size_t had = out->size();
  out->resize(had + l->text_bytes + part.identity->text_bytes() + kLineSlack);
  char* end = AppendLine(out->data() + had, *l, *part.identity);
  end = exposition::AppendNumber(end, part.values[line]);
  *end++ = '\n';
  out->resize(static_cast<std::size_t>(end - out->data()));
}

char* PageText::AppendLines(const Group& group, char* end, const char* limit) {
  while (stretch_ < group.end) {
    // Each part is elsewhere in memory: ask for it in good time.
    if (stretch_ + kPrefetchAhead < group.end) {
      const Stretch& ahead = stretches_[stretch_ + kPrefetchAhead];
      const Hot& hot = hot_[ahead.part];
      __builtin_prefetch(hot.values + ahead.begin);
      __builtin_prefetch(hot.lines + ahead.begin);
      __builtin_prefetch(hot.offsets);
      __builtin_prefetch(hot.identity + 64);
    }
    const Stretch& stretch = stretches_[stretch_];
    const Hot& hot = hot_[stretch.part];
    const std::size_t need = hot.identity_bytes + kLineSlack;
    for (; line_ < stretch.end; ++line_) {
      const Line* line = hot.lines[line_];
      if (line == nullptr ||
          line->text_bytes + need > static_cast<std::size_t>(limit - end)) {
        return end;
      }
      end = AppendLine(end, *line, hot.offsets, hot.identity);
      end = exposition::AppendNumber(end, hot.values[line_]);
      *end++ = '\n';
    }
    NextStretch(group);
  }
  return end;
}

void PageText::NextStretch(const Group& group) {
  if (++stretch_ < group.end) line_ = stretches_[stretch_].begin;
}

bool PageText::Append(std::string* out, std::size_t max_bytes) {
  const std::size_t stop = out->size() + max_bytes;
  while (group_ < groups_.size()) {
    const Group& group = groups_[group_];
    if (!in_group_) {
      if (out->size() >= stop) return true;
      AppendHead(group, out);
      in_group_ = true;
      stretch_ = group.begin;
      line_ = stretches_[stretch_].begin;
    }
    while (stretch_ < group.end) {
      if (out->size() >= stop) return true;
      // Lines are written to a buffer of our own: growing a string would
      // clear what is about to be written.
      char* const end =
          AppendLines(group, buffer_.get(), buffer_.get() + kBufferBytes);
      out->append(buffer_.get(), static_cast<std::size_t>(end - buffer_.get()));
      if (stretch_ < group.end &&
          (end == buffer_.get() ||
           parts_[stretches_[stretch_].part].layout->lines[line_] == nullptr)) {
        AppendSlowly(parts_[stretches_[stretch_].part], line_, out);
        if (++line_ == stretches_[stretch_].end) NextStretch(group);
      }
    }
    in_group_ = false;
    ++group_;
  }
  return false;
}

}  // namespace fodc::api
