// SPDX-License-Identifier: Apache-2.0
#include "fodc/pprof/top.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/pprof/frame_filter.h"

namespace fodc::pprof {
namespace {

// Sums of a stranger's numbers wrap around instead of being undefined.
std::int64_t Plus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) +
                                   static_cast<std::uint64_t>(b));
}
std::int64_t Negative(std::int64_t a) {
  return static_cast<std::int64_t>(-static_cast<std::uint64_t>(a));
}
std::int64_t Magnitude(std::int64_t a) { return a < 0 ? Negative(a) : a; }

std::string_view BaseName(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path.substr(path.rfind('/') + 1);
}

struct Node {
  // Of a profile that is being counted.
  std::string_view name;
  std::string_view file;  // if it has no name
  std::int64_t flat = 0;
  std::int64_t cum = 0;
  std::uint64_t seen_in = 0;  // the sample that was last added to cum
  bool is_inlined = false;
  bool is_called = false;
};

// Counts samples of one or more profiles, which must outlive it.
class Tally {
 public:
  // With the sign 1 or -1.
  void Add(const Profile& profile, std::size_t type, std::int64_t sign);
  // Sum of all values that Add saw since the last call, without signs.
  std::int64_t TakeTotal() { return std::exchange(total_, 0); }
  bool all_filters_valid() const { return all_filters_valid_; }

  void Report(const TopOptions& options, TopReport* out);

 private:
  static constexpr std::uint32_t kNone = Profile::kNone;

  // One for each text of a profile that names a function or a file.
  using NodeOf = std::vector<std::uint32_t>;

  std::uint32_t Named(const Profile& p, std::uint32_t name, NodeOf* nodes);
  std::uint32_t OfFile(const Profile& p, const Profile::Location& l,
                       NodeOf* nodes);
  void AddCum(std::uint32_t node, std::int64_t value) {
    Node& n = nodes_[node];
    if (std::exchange(n.seen_in, sample_) != sample_) {
      n.cum = Plus(n.cum, value);
    }
  }
  std::string NameOf(const Node& n) const;

  std::vector<Node> nodes_;
  std::unordered_map<std::string_view, std::uint32_t> by_name_;
  std::unordered_map<std::string_view, std::uint32_t> by_file_;
  std::uint64_t sample_ = 0;
  std::int64_t total_ = 0;
  bool all_filters_valid_ = true;
};

std::uint32_t Tally::Named(const Profile& p, std::uint32_t name,
                           NodeOf* nodes) {
  std::uint32_t& node = (*nodes)[name];
  if (node != kNone) return node;
  const auto [it, is_new] =
      by_name_.emplace(p.Text(name), static_cast<std::uint32_t>(nodes_.size()));
  if (is_new) nodes_.emplace_back().name = it->first;
  return node = it->second;
}

std::uint32_t Tally::OfFile(const Profile& p, const Profile::Location& l,
                            NodeOf* nodes) {
  const std::uint32_t path =
      l.mapping == Profile::kNone ? 0 : p.mappings()[l.mapping].path;
  std::uint32_t& node = (*nodes)[path];
  if (node != kNone) return node;
  const auto [it, is_new] =
      by_file_.emplace(p.Text(path), static_cast<std::uint32_t>(nodes_.size()));
  if (is_new) nodes_.emplace_back().file = it->first;
  return node = it->second;
}

void Tally::Add(const Profile& profile, std::size_t type, std::int64_t sign) {
  const FrameFilter filter(profile);
  all_filters_valid_ = all_filters_valid_ && filter.is_valid();
  NodeOf names(profile.string_count(), kNone);
  NodeOf files(profile.string_count(), kNone);
  // The nodes of every location, found once: `frames` of it, innermost first.
  struct Frames {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
  };
  std::vector<Frames> frames_of;
  std::vector<std::uint32_t> frames;
  frames_of.reserve(profile.locations().size());
  for (std::uint32_t i = 0; i < profile.locations().size(); ++i) {
    const Profile::Location& l = profile.locations()[i];
    const auto first = static_cast<std::uint32_t>(frames.size());
    const auto lines = filter.Lines(i);
    for (std::size_t k = 0; k < lines.size(); ++k) {
      const std::uint32_t name = profile.functions()[lines[k].function].name;
      const std::uint32_t node = profile.Text(name).empty()
                                     ? OfFile(profile, l, &files)
                                     : Named(profile, name, &names);
      frames.push_back(node);
      bool& flag = k + 1 < lines.size() ? nodes_[node].is_inlined
                                        : nodes_[node].is_called;
      flag = true;
    }
    if (lines.empty()) frames.push_back(OfFile(profile, l, &files));
    frames_of.push_back(
        {first, static_cast<std::uint32_t>(frames.size()) - first});
  }

  SampleReader reader(profile);
  for (std::size_t i = 0; i < profile.sample_count(); ++i) {
    const SampleReader::Sample sample = reader.Read(i);
    const std::int64_t unsigned_value = sample.values[type];
    if (unsigned_value == 0) continue;
    total_ = Plus(total_, Magnitude(unsigned_value));
    const std::int64_t value =
        sign < 0 ? Negative(unsigned_value) : unsigned_value;
    ++sample_;
    const auto stack = filter.Keep(sample.locations);
    for (const std::uint32_t location : stack) {
      const Frames f = frames_of[location];
      for (std::uint32_t k = 0; k < f.count; ++k) {
        AddCum(frames[f.first + k], value);
      }
    }
    if (stack.empty()) continue;
    Node& leaf = nodes_[frames[frames_of[stack.front()].first]];
    leaf.flat = Plus(leaf.flat, value);
  }
}

std::string Tally::NameOf(const Node& n) const {
  if (!n.name.empty()) return std::string(n.name);
  if (!n.file.empty()) return StrCat("[", BaseName(n.file), "]");
  return "<unknown>";
}

void Tally::Report(const TopOptions& options, TopReport* out) {
  std::erase_if(nodes_,
                [](const Node& n) { return n.flat == 0 && n.cum == 0; });
  out->functions = nodes_.size();
  std::int64_t sum = 0;
  for (const Node& n : nodes_) sum = Plus(sum, n.flat);
  const auto part = [&options](std::int64_t of) {
    return Magnitude(static_cast<std::int64_t>(
        std::clamp(static_cast<double>(of) * options.min_share, -9e18, 9e18)));
  };
  out->dropped = std::erase_if(nodes_, [limit = part(sum)](const Node& n) {
    return Magnitude(n.cum) < limit;
  });
  out->dropped_below = part(out->total);

  const auto is_before = [&](const Node& a, const Node& b) {
    std::uint64_t a1 = static_cast<std::uint64_t>(Magnitude(a.flat));
    std::uint64_t b1 = static_cast<std::uint64_t>(Magnitude(b.flat));
    std::uint64_t a2 = static_cast<std::uint64_t>(Magnitude(a.cum));
    std::uint64_t b2 = static_cast<std::uint64_t>(Magnitude(b.cum));
    if (options.by_cum) {
      std::swap(a1, a2);
      std::swap(b1, b2);
    }
    if (a1 != b1) return a1 > b1;
    // As they are shown: "[" comes after capital letters.
    if (a.name.empty() || b.name.empty()) {
      const std::string a_name = NameOf(a);
      const std::string b_name = NameOf(b);
      if (a_name != b_name) return a_name < b_name;
    } else if (a.name != b.name) {
      return a.name < b.name;
    }
    if (a2 != b2) return a2 > b2;
    return a.file < b.file;
  };
  std::size_t count = nodes_.size();
  if (options.max_rows > 0) count = std::min(count, options.max_rows);
  std::partial_sort(nodes_.begin(),
                    nodes_.begin() + static_cast<std::ptrdiff_t>(count),
                    nodes_.end(), is_before);
  out->rows.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Node& n = nodes_[i];
    TopRow& row = out->rows.emplace_back();
    row.name = NameOf(n);
    row.flat = n.flat;
    row.cum = n.cum;
    if (n.is_inlined) {
      row.inlined = n.is_called ? TopRow::Inlined::kSomewhere
                                : TopRow::Inlined::kEverywhere;
    }
  }
  if (!all_filters_valid_) {
    out->notes.emplace_back(
        "drop_frames is no regular expression: nothing was dropped by it");
  }
}

// What of two profiles is compared.
struct SampleKind {
  std::size_t place = 0;
  std::string_view type;
  std::string_view unit;
};

SampleKind KindAt(const Profile& p, std::size_t place) {
  const Profile::ValueType& t = p.sample_types()[place];
  return {place, p.Text(t.type), p.Text(t.unit)};
}

std::string TypeNames(const Profile& p) {
  constexpr std::size_t kMaxTypes = 16;
  constexpr std::size_t kMaxNameBytes = 60;
  std::string names;
  for (std::size_t i = 0; i < p.sample_types().size() && i < kMaxTypes; ++i) {
    if (i > 0) names += ", ";
    names += KindAt(p, i).type.substr(0, kMaxNameBytes);
  }
  return names;
}

// The same kind in another profile.
Result<std::size_t> FindKind(const Profile& p, const SampleKind& kind) {
  std::optional<std::size_t> place = p.FindSampleType(kind.type);
  if (kind.place < p.sample_types().size() &&
      KindAt(p, kind.place).type == kind.type) {
    place = kind.place;
  }
  if (!place) {
    return InvalidArgument(
        StrCat("the base has no ", kind.type, "; it has: ", TypeNames(p)));
  }
  if (const SampleKind found = KindAt(p, *place); found.unit != kind.unit) {
    return InvalidArgument(StrCat(kind.type, " is in ", kind.unit,
                                  ", in the base in ", found.unit));
  }
  return *place;
}

}  // namespace

Result<std::size_t> SelectSampleType(const Profile& profile,
                                     std::string_view sample_type) {
  const std::size_t count = profile.sample_types().size();
  if (count == 0) return InvalidArgument("the profile has no sample types");
  if (sample_type.empty()) {
    if (profile.default_sample_type().empty()) return count - 1;
    return profile.FindSampleType(profile.default_sample_type())
        .value_or(count - 1);
  }
  if (const auto place = ParseUint(sample_type); place && *place < count) {
    return static_cast<std::size_t>(*place);
  }
  if (const auto at = profile.FindSampleType(sample_type)) return *at;
  std::string_view shorter = sample_type;
  if (ConsumePrefix(&shorter, "inuse_")) {
    if (const auto at = profile.FindSampleType(shorter)) return *at;
  }
  return InvalidArgument(StrCat("no sample type '", sample_type.substr(0, 60),
                                "'; there are: ", TypeNames(profile)));
}

Result<TopReport> Top(const Profile& profile, const TopOptions& options) {
  FODC_ASSIGN_OR_RETURN(const std::size_t place,
                        SelectSampleType(profile, options.sample_type));
  const SampleKind kind = KindAt(profile, place);
  TopReport report;
  report.sample_type = kind.type;
  report.unit = kind.unit;
  Tally tally;
  tally.Add(profile, place, 1);
  report.total = tally.TakeTotal();
  tally.Report(options, &report);
  return report;
}

Result<TopReport> Diff(const Profile& base, const Profile& profile,
                       const TopOptions& options) {
  FODC_ASSIGN_OR_RETURN(const std::size_t place,
                        SelectSampleType(profile, options.sample_type));
  const SampleKind kind = KindAt(profile, place);
  FODC_ASSIGN_OR_RETURN(const std::size_t base_place, FindKind(base, kind));
  TopReport report;
  report.sample_type = kind.type;
  report.unit = kind.unit;
  Tally tally;
  tally.Add(profile, place, 1);
  report.total = tally.TakeTotal();
  tally.Add(base, base_place, -1);
  if (const std::int64_t of_base = tally.TakeTotal(); of_base != 0) {
    report.total = of_base;
  }
  tally.Report(options, &report);
  return report;
}

}  // namespace fodc::pprof
