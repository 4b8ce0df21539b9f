// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/page_reader.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "fodc/exposition/family_index.h"

namespace fodc::exposition {

struct PageReader::State {
  explicit State(const Options& o) : options(o), kept(PageBuffer()) {
    const ScanFunctions* wide = o.portable ? nullptr : WideScan();
    scan = wide != nullptr ? wide : &PortableScan();
    // A SeriesSet has room for the number of each.
    static_assert(kMaxLines < std::size_t{1} << SeriesSet::kSampleBits);
    options.max_lines = std::min(options.max_lines, kMaxLines);
  }

  // Returns as ScanFunctions::read_page.
  bool ReadWhole(const PageText& text, Format f, PageTable* to, SeriesSet* s);
  bool Follow(const PageText& text);
  void Replace(const PageText& text, Format f);
  void Compare(const PageText& text, Format f);
  // Makes `stats` from the table; looks at each row only if some are odd.
  void Count(bool has_odd_rows);
  void NameProblems();
  std::size_t TableBytes() const;
  void GiveBack();

  Options options;
  const ScanFunctions* scan;

  // The page before, until Read is done with the next one.
  bool has_page = false;
  Format format = Format::kText;
  // Describe: whether `families` is of this page, and Read has followed it.
  bool families_known = false;
  bool followed = false;
  int small_pages = 0;  // in a row, for which all this is far too large
  PageBuffer kept;
  PageText page;
  PageTable table;
  SeriesSet set;

  PageTable spare_table;
  SeriesSet spare_set;  // only used when a page cannot be followed

  std::vector<std::uint32_t> changed;
  std::size_t changed_count = 0;
  std::vector<LineEdit> edits;
  std::vector<std::uint64_t> inserted;
  std::vector<std::uint64_t> removed;
  PageStats stats;
  std::size_t rows_to_eof = 0;
  std::size_t expected_samples = 0;  // as many as the page before had
  std::array<ProblemLine, kMaxProblems> problems;
  std::size_t problem_count = 0;

  // Describe.
  FamilyIndex families;
  FamilyIndex new_families;
  std::size_t last_row = 0;
  std::vector<Label> labels;
  std::string label_arena;
  std::string help;
};

namespace {

std::string_view RowText(const PageText& page, const PageTable& table,
                         std::size_t row) {
  const std::size_t start = table.rows[row].start;
  return {page.bytes + start, table.rows[row + 1].start - 1 - start};
}

}  // namespace

bool PageReader::State::ReadWhole(const PageText& text, Format f, PageTable* to,
                                  SeriesSet* s) {
  to->Clear();
  // As many as before: mostly enough, and little to wipe.
  s->Reset(expected_samples);
  return scan->read_page({f, text, options.max_lines, to, s});
}

bool PageReader::State::Follow(const PageText& text) {
  if (page.unterminated != text.unterminated || table.rest_lines != 0) {
    return false;
  }
  if (changed.size() < table.sample_count) changed.resize(table.sample_count);
  inserted.clear();
  removed.clear();
  SteadyScan s;
  s.format = format;
  s.before = page;
  s.page = text;
  s.max_lines = options.max_lines;
  s.table = &table;
  s.spare = &spare_table;
  s.set = &set;
  s.has_duplicates = stats.problem(LineProblem::kDuplicateSeries) > 0;
  s.rows_to_eof = rows_to_eof;
  s.changed = changed.data();
  s.edits = &edits;
  s.inserted = &inserted;
  s.removed = &removed;
  if (!scan->follow_page(&s)) return false;
  changed_count = s.changed_count;
  if (s.rebuilt) table.Swap(&spare_table);
  if (s.recount) Count(true);
  return true;
}

// The page could not be followed: reads both pages whole and compares them.
void PageReader::State::Replace(const PageText& text, Format f) {
  edits.clear();
  (void)ReadWhole(page, format, &table, &set);
  const bool has_odd_rows = ReadWhole(text, f, &spare_table, &spare_set);
  Compare(text, f);
  table.Swap(&spare_table);
  set.Swap(&spare_set);
  format = f;
  page = text;
  Count(has_odd_rows);
}

void PageReader::State::Compare(const PageText& text, Format f) {
  const PageTable& was = table;
  const PageTable& is = spare_table;
  families.Build(page, format, was);
  new_families.Build(text, f, is);
  const bool has_families =
      !families.empty() || !new_families.empty() || format != f;
  if (changed.size() < was.sample_count) changed.resize(was.sample_count);
  changed_count = 0;

  std::size_t was_row = 0;
  std::size_t is_row = 0;
  const auto next_sample = [](const PageTable& t, std::size_t* row) {
    while (t.rows[*row].kind != LineKind::kSample) ++*row;
  };
  std::size_t i = 0;
  std::size_t j = 0;
  const auto is_same_line = [&] {
    const std::string_view a = RowText(page, was, was_row);
    const std::string_view b = RowText(text, is, is_row);
    const std::size_t key =
        was.rows[was_row].value_at - was.rows[was_row].start;
    const bool same_text =
        key == is.rows[is_row].value_at - is.rows[is_row].start &&
        a.substr(0, key) == b.substr(0, key);
    if (!same_text && !IsSameSeries(a, b)) return false;
    if (!has_families) return true;
    const std::string_view name = ParseName(b);
    return families.Resolve(name).SaysTheSame(new_families.Resolve(name));
  };
  using Kind = LineEdit::Kind;
  bool is_edited = false;
  const auto edit = [&](Kind kind, std::size_t n) {
    page_scan::AddEdit(&edits, kind, n);
    is_edited = is_edited || (kind != Kind::kKeep && n > 0);
  };
  constexpr std::size_t kLookAhead = 64;
  while (i < was.sample_count && j < is.sample_count) {
    next_sample(was, &was_row);
    next_sample(is, &is_row);
    const std::uint64_t a = was.hashes[i];
    const std::uint64_t b = is.hashes[j];
    std::size_t remove = 0;
    std::size_t insert = 0;
    if (a == b) {
      if (is_same_line()) {
        // Bits count. NOLINTNEXTLINE(bugprone-suspicious-memory-comparison)
        if (std::memcmp(was.values + i, is.values + j, sizeof(double)) != 0) {
          changed[changed_count++] = static_cast<std::uint32_t>(j);
        }
        edit(Kind::kKeep, 1);
        ++i, ++j, ++was_row, ++is_row;
        continue;
      }
      remove = insert = 1;
    } else if (!set.Contains(b)) {
      insert = 1;
    } else if (!spare_set.Contains(a)) {
      remove = 1;
    } else {
      const std::uint64_t* from = was.hashes + i;
      const std::uint64_t* to =
          from + std::min(kLookAhead, was.sample_count - i);
      const std::uint64_t* found = std::find(from, to, b);
      if (found != to) {
        remove = static_cast<std::size_t>(found - from);
      } else {
        insert = 1;
      }
    }
    if (remove > 0) edit(Kind::kRemove, remove);
    if (insert > 0) edit(Kind::kInsert, insert);
    for (std::size_t n = 0; n < remove; ++n, ++i, ++was_row) {
      next_sample(was, &was_row);
    }
    for (std::size_t n = 0; n < insert; ++n, ++j, ++is_row) {
      next_sample(is, &is_row);
    }
  }
  edit(Kind::kRemove, was.sample_count - i);
  edit(Kind::kInsert, is.sample_count - j);
  if (was.sample_count == i && is.sample_count == j && !is_edited) {
    edits.clear();
  }
}

void PageReader::State::Count(bool has_odd_rows) {
  stats = PageStats();
  rows_to_eof = table.row_count;
  bool has_eof = false;
  for (std::size_t i = 0; has_odd_rows && i < table.row_count; ++i) {
    const Row& row = table.rows[i];
    switch (row.kind) {
      case LineKind::kSample:
        stats.timestamps += (row.flags & kHasTimestamp) != 0 ? 1 : 0;
        stats.exemplars += (row.flags & kHasExemplar) != 0 ? 1 : 0;
        break;
      case LineKind::kBad:
      case LineKind::kDuplicate:
        stats.problems[static_cast<std::size_t>(row.problem)] +=
            row.problem == LineProblem::kTooManyLines ? table.rest_lines : 1;
        break;
      case LineKind::kEof:
        if (!has_eof) rows_to_eof = i;
        has_eof = true;
        break;
      default:
        break;
    }
  }
  stats.is_truncated = format == Format::kOpenMetrics && !has_eof;
}

void PageReader::State::NameProblems() {
  problem_count = 0;
  if (stats.lost_lines() == 0) return;
  std::uint64_t line = 1;
  const char* at = page.bytes;
  for (std::size_t i = 0;
       i < table.row_count && problem_count < problems.size(); ++i) {
    const Row& row = table.rows[i];
    if (row.kind != LineKind::kBad && row.kind != LineKind::kDuplicate) {
      continue;
    }
    const char* start = page.bytes + row.start;
    line += static_cast<std::uint64_t>(std::count(at, start, '\n'));
    at = start;
    ProblemLine& problem = problems[problem_count++];
    problem.line = line;
    problem.problem = row.problem;
    std::string_view text = RowText(page, table, i);
    text = text.substr(0, text.find('\n'));
    if (text.ends_with('\r')) text.remove_suffix(1);
    text = text.substr(0, ProblemLine::kExcerptBytes);
    problem.excerpt_size = static_cast<std::uint8_t>(text.size());
    std::transform(text.begin(), text.end(), problem.excerpt_bytes.begin(),
                   [](char c) { return c >= ' ' && c < 0x7f ? c : '?'; });
  }
}

std::size_t PageReader::State::TableBytes() const {
  return table.memory_bytes() + spare_table.memory_bytes() +
         set.memory_bytes() + spare_set.memory_bytes() +
         families.memory_bytes() + new_families.memory_bytes() +
         changed.capacity() * sizeof(std::uint32_t) +
         edits.capacity() * sizeof(LineEdit) +
         (inserted.capacity() + removed.capacity()) * sizeof(std::uint64_t);
}

// After a page out of the ordinary the tables are as large as that one's.
// Nothing happens while pages keep their size: a row takes half of this.
void PageReader::State::GiveBack() {
  constexpr std::size_t kFairBytes = 64 * 1024;
  constexpr std::size_t kFairBytesPerRow = 600;
  constexpr int kSmallPages = 10;
  if (TableBytes() <= kFairBytes + kFairBytesPerRow * table.row_count) {
    small_pages = 0;
    return;
  }
  if (++small_pages < kSmallPages) return;
  small_pages = 0;
  const auto drop = [](auto* whole) {
    std::remove_reference_t<decltype(*whole)> fresh;
    whole->Swap(&fresh);
  };
  drop(&table);
  drop(&set);
  drop(&spare_table);
  drop(&spare_set);
  families = FamilyIndex();
  new_families = FamilyIndex();
  // Not = {}, which keeps the memory.
  inserted = std::vector<std::uint64_t>();
  removed = std::vector<std::uint64_t>();
  changed.resize(changed_count);
  changed.shrink_to_fit();
  edits.shrink_to_fit();
  (void)ReadWhole(page, format, &table, &set);
}

PageReader::PageReader() : PageReader(Options()) {}
PageReader::PageReader(const Options& options)
    : state_(std::make_unique<State>(options)) {}
PageReader::~PageReader() = default;
PageReader::PageReader(PageReader&&) noexcept = default;
PageReader& PageReader::operator=(PageReader&&) noexcept = default;

void PageReader::Read(Format format, PageBuffer* buffer) {
  State& s = *state_;
  const std::size_t page_bytes = buffer->size_;
  // With a line feed, if there is none. Mostly there is room.
  const std::size_t needed = page_bytes + 1 + PageBuffer::kSlackBytes;
  if (needed > buffer->capacity_) buffer->Reserve(needed);
  PageText text;
  text.unterminated = page_bytes > 0 && buffer->data_[page_bytes - 1] != '\n';
  if (text.unterminated) buffer->data_[buffer->size_++] = '\n';
  text.bytes = buffer->data_.get();
  text.size = buffer->size_;
  std::memset(buffer->data_.get() + text.size, 0, PageBuffer::kSlackBytes);

  s.edits.clear();
  s.followed = false;
  s.changed_count = 0;
  if (!s.has_page) {
    s.format = format;
    const bool has_odd_rows = s.ReadWhole(text, format, &s.table, &s.set);
    page_scan::AddEdit(&s.edits, LineEdit::Kind::kInsert, s.table.sample_count);
    s.page = text;
    s.Count(has_odd_rows);
  } else if (format == s.format && s.Follow(text)) {
    s.followed = true;
    s.page = text;
  } else {
    s.Replace(text, format);
  }
  s.has_page = true;
  s.stats.bytes = page_bytes;
  s.expected_samples = s.table.sample_count;
  s.stats.samples = static_cast<std::uint32_t>(s.table.sample_count);
  s.GiveBack();
  s.NameProblems();
  s.families_known = false;
  s.last_row = 0;
  std::swap(s.kept.data_, buffer->data_);
  std::swap(s.kept.capacity_, buffer->capacity_);
  s.kept.size_ = buffer->size_;
  buffer->size_ = 0;
}

void PageReader::Forget() {
  State& s = *state_;
  s.has_page = false;
  s.table.Clear();
  s.changed_count = 0;
  s.edits.clear();
  s.stats = PageStats();
  s.problem_count = 0;
}

std::span<const double> PageReader::values() const {
  return {state_->table.values, state_->table.sample_count};
}

std::span<const std::uint32_t> PageReader::changed() const {
  return {state_->changed.data(), state_->changed_count};
}

std::span<const LineEdit> PageReader::edits() const { return state_->edits; }

SeriesDesc PageReader::Describe(std::uint32_t line) {
  State& s = *state_;
  if (!s.families_known) {
    s.families.Build(s.page, s.format, s.table);
    s.families_known = true;
  }
  // Mostly the line behind the one of the last call.
  std::size_t row = s.last_row + 1;
  if (row >= s.table.row_count || s.table.rows[row].index != line ||
      s.table.rows[row].kind != LineKind::kSample) {
    row = s.table.RowOfSample(line);
  }
  s.last_row = row;
  const std::string_view text = RowText(s.page, s.table, row);
  ParseLabels(text, &s.labels, &s.label_arena);
  SeriesDesc out;
  out.name = ParseName(text);
  out.labels = s.labels;
  const Family family = s.families.Resolve(out.name);
  out.family = family.name;
  out.type = family.type;
  out.help = family.help;
  if (out.help.find('\\') != std::string_view::npos) {
    UnescapeHelp(family.help, s.format == Format::kOpenMetrics, &s.help);
    out.help = s.help;
  }
  out.unit = family.unit;
  return out;
}

bool PageReader::followed() const { return state_->followed; }

const PageStats& PageReader::stats() const { return state_->stats; }

std::span<const ProblemLine> PageReader::problems() const {
  return {state_->problems.data(), state_->problem_count};
}

std::size_t PageReader::memory_bytes() const {
  const State& s = *state_;
  return sizeof s + s.kept.memory_bytes() + s.TableBytes() +
         s.labels.capacity() * sizeof(Label) + s.label_arena.capacity() +
         s.help.capacity();
}

}  // namespace fodc::exposition
