// SPDX-License-Identifier: Apache-2.0
#include "fodc/pprof/frame_filter.h"

#include <re2/re2.h>

#include <array>
#include <memory>

#include "fodc/base/strings.h"

namespace fodc::pprof {
namespace {

constexpr std::int64_t kMaxPatternBytes = 8 << 20;  // once compiled

// "f(int)" is `f`; brackets that are part of a name stay.
std::string_view WithoutArguments(std::string_view name) {
  constexpr std::array<std::string_view, 2> kOfNames = {"(anonymous namespace)",
                                                        "operator()"};
  ConsumePrefix(&name, ".");
  for (std::size_t at = 0; at < name.size();) {
    std::size_t skip = 0;
    for (const std::string_view part : kOfNames) {
      if (name.substr(at).starts_with(part)) skip = part.size();
    }
    if (skip == 0 && name[at] == '(') return name.substr(0, at);
    at += std::max<std::size_t>(skip, 1);
  }
  return name;
}

std::unique_ptr<re2::RE2> Compile(std::string_view pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxPatternBytes);
  return std::make_unique<re2::RE2>(StrCat("^(", pattern, ")$"), options);
}

bool Matches(const re2::RE2& pattern, std::string_view name) {
  return re2::RE2::PartialMatch(re2::StringPiece(name.data(), name.size()),
                                pattern);
}

}  // namespace

FrameFilter::FrameFilter(const Profile& profile) : profile_(profile) {
  if (profile.drop_frames().empty()) return;
  const auto drop = Compile(profile.drop_frames());
  std::unique_ptr<re2::RE2> keep;
  if (!profile.keep_frames().empty()) keep = Compile(profile.keep_frames());
  is_valid_ = drop->ok() && (keep == nullptr || keep->ok());
  if (!is_valid_) return;
  // Each name once, however many functions have it.
  enum : std::uint8_t { kUnknown, kKept, kDropped };
  std::vector<std::uint8_t> names(profile.string_count(), kUnknown);
  std::vector<bool> is_dropped;
  is_dropped.reserve(profile.functions().size());
  for (const Profile::Function& f : profile.functions()) {
    std::uint8_t& name = names[f.name];
    if (name == kUnknown) {
      const std::string_view text = WithoutArguments(profile.Text(f.name));
      const bool is_match = f.name != 0 && Matches(*drop, text) &&
                            (keep == nullptr || !Matches(*keep, text));
      name = is_match ? kDropped : kKept;
    }
    is_dropped.push_back(name == kDropped);
  }
  Build(is_dropped);
}

void FrameFilter::Build(const std::vector<bool>& is_dropped) {
  dropped_lines_.reserve(profile_.locations().size());
  for (const Profile::Location& l : profile_.locations()) {
    std::uint32_t count = l.line_count;
    const auto lines = profile_.Lines(l);
    while (count > 0 && !is_dropped[lines[count - 1].function]) --count;
    dropped_lines_.push_back(count);
  }
}

std::span<const std::uint32_t> FrameFilter::Keep(
    std::span<const std::uint32_t> locations) const {
  if (dropped_lines_.empty()) return locations;
  bool has_kept = false;
  for (std::size_t i = locations.size(); i-- > 0;) {
    const std::uint32_t dropped = dropped_lines_[locations[i]];
    if (dropped == 0) {
      has_kept = true;
    } else if (has_kept) {
      const bool is_whole =
          dropped == profile_.locations()[locations[i]].line_count;
      return locations.subspan(is_whole ? i + 1 : i);
    }
  }
  return locations;
}

std::span<const Profile::Line> FrameFilter::Lines(
    std::uint32_t location) const {
  const Profile::Location& l = profile_.locations()[location];
  const auto lines = profile_.Lines(l);
  if (dropped_lines_.empty() || dropped_lines_[location] == l.line_count) {
    return lines;
  }
  return lines.subspan(dropped_lines_[location]);
}

}  // namespace fodc::pprof
