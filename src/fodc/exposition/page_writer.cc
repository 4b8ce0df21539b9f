// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/page_writer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "fodc/base/status.h"

namespace fodc::exposition {
namespace {

using Family = RenderedLayout::Family;

// Lines of one layout that go under one family of the page.
struct Entry {
  std::uint32_t layout = 0;  // index of its group of parts
  const Family* family = nullptr;
  std::string_view only_name;  // of series; empty: all of the family
};

struct PageFamily {
  std::string_view name;
  MetricType type = MetricType::kUnknown;
  std::string_view help;
  std::string_view unit;
  bool is_split = false;  // written series by series, as other families
  std::vector<Entry> entries;
};

// A part as the inner loop wants it: texts with kCopyBytes readable behind.
struct PartText {
  const double* values = nullptr;
  const char* identity = nullptr;
  const char* time = nullptr;  // with the blank before it; may be empty
  std::size_t identity_size = 0;
  std::size_t time_size = 0;
};

// Parts that share a layout.
struct Group {
  const RenderedLayout* layout = nullptr;
  std::vector<PartText> parts;
};

constexpr std::size_t kCopyBytes = RenderedLayout::kSlackBytes;

// Copies n bytes in steps of kCopyBytes, which may go beyond on both sides:
// lines are short, and a call of memcpy costs more than they do.
inline char* CopyWide(char* out, const char* in, std::size_t n) {
  for (std::size_t i = 0; i < n; i += kCopyBytes) {
    std::memcpy(out + i, in + i, kCopyBytes);
  }
  return out + n;
}

// Whether the series of such a family have names other than its own.
bool HasComponents(MetricType type) {
  switch (type) {
    case MetricType::kHistogram:
    case MetricType::kSummary:
    case MetricType::kGaugeHistogram:
      return true;
    default:
      return false;
  }
}

bool IsStructured(Format format, MetricType type) {
  return HasComponents(type) ||
         (format == Format::kOpenMetrics &&
          (type == MetricType::kCounter || type == MetricType::kInfo));
}

std::string_view SeriesName(const RenderedLayout& layout,
                            const RenderedLayout::Line& line) {
  return layout.text().substr(line.at, line.name_size);
}

// What a line may need beyond its text in the layout.
std::size_t LineRoom(const PartText& p) {
  return p.identity_size + p.time_size + kMaxNumberBytes + 1 + kCopyBytes;
}

char* AppendTime(char* out, Format format, std::int64_t unix_ms) {
  if (unix_ms < 0) *out++ = '-';
  const std::uint64_t ms =
      unix_ms < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(unix_ms)
                  : static_cast<std::uint64_t>(unix_ms);
  if (format == Format::kText) return AppendUint(out, ms);
  out = AppendUint(out, ms / 1000);
  *out++ = '.';
  *out++ = static_cast<char>('0' + ms / 100 % 10);
  *out++ = static_cast<char>('0' + ms / 10 % 10);
  *out++ = static_cast<char>('0' + ms % 10);
  return out;
}

}  // namespace

std::string_view TypeWord(Format format, MetricType type) {
  if (format == Format::kOpenMetrics &&
      (type == MetricType::kUnknown || type == MetricType::kUntyped)) {
    return "unknown";
  }
  return MetricTypeName(type);
}

struct PageWriter::State {
  void Group(std::span<const PagePart> parts);
  void Merge();
  PageFamily* FamilyNamed(std::string_view name, const Family& like);
  bool HasSeries(std::size_t index, std::string_view name) const;
  void SplitClashing();
  void Split(std::size_t index);
  void AppendHead(const PageFamily& family, std::string* out) const;
  std::size_t Write(char* buffer, std::size_t size);
  char* WriteLines(char* out, char* end);

  Format format = Format::kText;
  std::vector<exposition::Group> groups;
  std::vector<PageFamily> families;
  std::unordered_map<std::string_view, std::size_t> by_name;

  // Where the next line is.
  std::size_t family = 0;
  std::size_t entry = 0;
  std::size_t part = 0;
  std::size_t line = 0;
  bool head_done = false;
  bool end_done = false;
  // A head, or a line that did not fit.
  std::string carry;
  std::size_t carried = 0;
  std::unique_ptr<char[]> texts;  // identities and times of all parts
};

void PageWriter::State::Group(std::span<const PagePart> parts) {
  std::unordered_map<const RenderedLayout*, std::size_t> index;
  std::size_t text_size = kCopyBytes;
  for (const PagePart& p : parts) {
    text_size += p.identity.size() + kMaxNumberBytes;
  }
  texts.reset(new char[text_size]());
  char* text = texts.get();
  for (const PagePart& p : parts) {
    FODC_CHECK(p.layout->format() == format);
    FODC_CHECK(p.values.size() == p.layout->series_count());
    FODC_CHECK(p.identity.empty() != p.layout->has_identity());
    const auto [at, is_new] = index.emplace(p.layout, groups.size());
    if (is_new) groups.push_back({p.layout, {}});
    PartText out;
    out.values = p.values.data();
    out.identity = text;
    out.identity_size = p.identity.size();
    text = std::copy(p.identity.begin(), p.identity.end(), text);
    out.time = text;
    if (p.unix_ms) {
      *text++ = ' ';
      text = AppendTime(text, format, *p.unix_ms);
    }
    out.time_size = static_cast<std::size_t>(text - out.time);
    groups[at->second].parts.push_back(out);
  }
}

PageFamily* PageWriter::State::FamilyNamed(std::string_view name,
                                           const Family& like) {
  const auto [at, is_new] = by_name.emplace(name, families.size());
  if (is_new) {
    PageFamily family_new;
    family_new.name = name;
    family_new.type = like.type;
    family_new.help = like.help;
    family_new.unit = like.unit;
    families.push_back(std::move(family_new));
  }
  return &families[at->second];
}

void PageWriter::State::Merge() {
  for (std::uint32_t g = 0; g < groups.size(); ++g) {
    for (const Family& f : groups[g].layout->families()) {
      PageFamily* to = FamilyNamed(f.name, f);
      if (to->help.empty()) to->help = f.help;
      if (to->type != f.type) {
        if (IsStructured(format, to->type) || IsStructured(format, f.type)) {
          to->is_split = true;
        } else if (to->type == MetricType::kUnknown) {
          to->type = f.type;  // the first that says anything
        }
      }
      to->entries.push_back({g, &f, {}});
    }
  }
  SplitClashing();
  std::erase_if(families,
                [](const PageFamily& f) { return f.entries.empty(); });
  std::sort(
      families.begin(), families.end(),
      [](const PageFamily& a, const PageFamily& b) { return a.name < b.name; });
  by_name.clear();
}

// Whether a series of family `index` has this name.
bool PageWriter::State::HasSeries(std::size_t index,
                                  std::string_view name) const {
  for (const Entry& e : families[index].entries) {
    const RenderedLayout& layout = *groups[e.layout].layout;
    for (const RenderedLayout::Line& l :
         layout.lines().subspan(e.family->first_line, e.family->line_count)) {
      if (SeriesName(layout, l) == name) return true;
    }
  }
  return false;
}

// Splits families until no series of one has the name of another.
void PageWriter::State::SplitClashing() {
  const std::size_t merged = families.size();
  bool is_settled = false;
  std::string name;
  while (!is_settled) {
    is_settled = true;
    const auto split = [&](std::size_t i) {
      if (families[i].is_split) return;
      families[i].is_split = true;
      is_settled = false;
    };
    for (std::size_t i = 0; i < merged; ++i) {
      if (!families[i].is_split && !IsStructured(format, families[i].type)) {
        continue;
      }
      for (const std::string_view suffix :
           {"_bucket", "_sum", "_count", "_created", "_total", "_info", "_gsum",
            "_gcount"}) {
        name.assign(families[i].name).append(suffix);
        const auto at = by_name.find(name);
        if (at == by_name.end() || !HasSeries(i, name)) continue;
        split(i);
        if (IsStructured(format, families[at->second].type)) split(at->second);
      }
    }
  }
  for (std::size_t i = 0; i < merged; ++i) {
    if (families[i].is_split) Split(i);
  }
}

void PageWriter::State::Split(std::size_t index) {
  const std::vector<Entry> entries = std::move(families[index].entries);
  families[index].entries.clear();
  families[index].type = MetricType::kUnknown;
  families[index].unit = {};
  for (const Entry& e : entries) {
    if (!e.only_name.empty()) {  // came here when another one was split
      families[index].entries.push_back(e);
      continue;
    }
    const RenderedLayout& layout = *groups[e.layout].layout;
    std::unordered_set<std::string_view> seen;
    for (const RenderedLayout::Line& l :
         layout.lines().subspan(e.family->first_line, e.family->line_count)) {
      const std::string_view name = SeriesName(layout, l);
      if (!seen.insert(name).second) continue;
      Family plain;
      plain.help = e.family->help;
      PageFamily* to = FamilyNamed(name, plain);
      if (IsStructured(format, to->type)) to->type = MetricType::kUnknown;
      to->entries.push_back({e.layout, e.family, name});
    }
  }
}

void PageWriter::State::AppendHead(const PageFamily& f,
                                   std::string* out) const {
  const auto line_of = [&](std::string_view word, std::string_view text) {
    out->append("# ").append(word).append(" ").append(f.name);
    out->append(" ").append(text).append("\n");
  };
  if (format == Format::kOpenMetrics) {
    line_of("TYPE", TypeWord(format, f.type));
    if (!f.unit.empty()) line_of("UNIT", f.unit);
    if (!f.help.empty()) line_of("HELP", f.help);
    return;
  }
  if (!f.help.empty()) line_of("HELP", f.help);
  if (f.type != MetricType::kUnknown) line_of("TYPE", TypeWord(format, f.type));
}

// Writes lines of the current family until it or the room ends.
char* PageWriter::State::WriteLines(char* out, char* end) {
  const PageFamily& f = families[family];
  for (; entry < f.entries.size(); ++entry, part = 0) {
    const Entry& e = f.entries[entry];
    const exposition::Group& group = groups[e.layout];
    const char* text = group.layout->text().data();
    const RenderedLayout::Line* lines =
        group.layout->lines().data() + e.family->first_line;
    const std::size_t line_count = e.family->line_count;
    for (; part < group.parts.size(); ++part, line = 0) {
      const PartText& p = group.parts[part];
      const std::size_t fixed = LineRoom(p);
      for (; line < line_count; ++line) {
        const RenderedLayout::Line& l = lines[line];
        if (!e.only_name.empty() &&
            std::string_view(text + l.at, l.name_size) != e.only_name) {
          continue;
        }
        if (static_cast<std::size_t>(end - out) < l.size + fixed) return out;
        out = CopyWide(out, text + l.at, l.size);
        out = CopyWide(out, p.identity, p.identity_size);
        out = AppendNumber(out, p.values[l.series]);
        out = CopyWide(out, p.time, p.time_size);
        *out++ = '\n';
      }
    }
  }
  return out;
}

std::size_t PageWriter::State::Write(char* buffer, std::size_t size) {
  char* out = buffer;
  char* const end = buffer + size;
  for (;;) {
    if (carried < carry.size()) {
      const std::size_t n =
          std::min(carry.size() - carried, static_cast<std::size_t>(end - out));
      std::memcpy(out, carry.data() + carried, n);
      out += n;
      carried += n;
      if (carried < carry.size()) return static_cast<std::size_t>(out - buffer);
    }
    carry.clear();
    carried = 0;
    if (family == families.size()) {
      if (end_done || format == Format::kText) break;
      carry = "# EOF\n";
      end_done = true;
      continue;
    }
    if (!head_done) {
      AppendHead(families[family], &carry);
      head_done = true;
      continue;
    }
    out = WriteLines(out, end);
    if (entry == families[family].entries.size()) {
      ++family;
      entry = part = line = 0;
      head_done = false;
      continue;
    }
    if (out != buffer) break;
    // The room is less than a line may need: one line goes by the way of
    // `carry`.
    const Entry& e = families[family].entries[entry];
    const exposition::Group& group = groups[e.layout];
    const auto& l = group.layout->lines()[e.family->first_line + line];
    std::string one;
    one.resize(l.size + LineRoom(group.parts[part]));
    const char* stop = WriteLines(one.data(), one.data() + one.size());
    one.resize(static_cast<std::size_t>(stop - one.data()));
    carry = std::move(one);
  }
  return static_cast<std::size_t>(out - buffer);
}

PageWriter::PageWriter(Format format, std::span<const PagePart> parts)
    : state_(std::make_unique<State>()) {
  state_->format = format;
  state_->Group(parts);
  state_->Merge();
}
PageWriter::~PageWriter() = default;
PageWriter::PageWriter(PageWriter&&) noexcept = default;
PageWriter& PageWriter::operator=(PageWriter&&) noexcept = default;

std::size_t PageWriter::Write(char* buffer, std::size_t size) {
  return state_->Write(buffer, size);
}

void PageWriter::WriteAll(std::string* out) {
  constexpr std::size_t kPieceBytes = 64u << 10;
  for (;;) {
    const std::size_t before = out->size();
    out->resize(before + kPieceBytes);
    const std::size_t n = state_->Write(out->data() + before, kPieceBytes);
    out->resize(before + n);
    if (n == 0) return;
  }
}

}  // namespace fodc::exposition
