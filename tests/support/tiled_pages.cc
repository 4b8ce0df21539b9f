// SPDX-License-Identifier: Apache-2.0
#include "tests/support/tiled_pages.h"

#include <map>
#include <unordered_map>
#include <utility>

#include "tests/support/frames.h"

namespace fodc::test {
namespace {

// The page with every metric name prefixed.
void AppendPrefixed(std::string_view page, std::string_view prefix,
                    std::string* out) {
  while (!page.empty()) {
    const std::size_t end = std::min(page.find('\n'), page.size() - 1) + 1;
    const std::string_view line = page.substr(0, end);
    page.remove_prefix(end);
    if (line.starts_with("# HELP ") || line.starts_with("# TYPE ")) {
      out->append(line.substr(0, 7));
      out->append(prefix);
      out->append(line.substr(7));
    } else {
      if (line.front() != '#' && line.front() != '\n') out->append(prefix);
      out->append(line);
    }
  }
  if (!out->empty() && out->back() != '\n') out->push_back('\n');
}

// Series and number text of each sample line, in order.
std::vector<std::pair<std::string_view, std::string_view>> Samples(
    std::string_view page) {
  std::vector<std::pair<std::string_view, std::string_view>> samples;
  while (!page.empty()) {
    const std::size_t end = std::min(page.find('\n'), page.size());
    const std::string_view line = page.substr(0, end);
    page.remove_prefix(std::min(end + 1, page.size()));
    if (line.empty() || line.front() == '#') continue;
    const std::size_t blank = line.rfind(' ');
    samples.emplace_back(line.substr(0, blank), line.substr(blank + 1));
  }
  return samples;
}

void Count(TiledPages* out) {
  std::uint64_t samples = 0;
  std::uint64_t changed = 0;
  for (std::size_t i = 0; i < out->pages.size(); ++i) {
    const auto now = Samples(out->pages[i]);
    if (i == 0) {
      out->series_of_first = now.size();
      continue;
    }
    const auto before = Samples(out->pages[i - 1]);
    std::unordered_map<std::string_view, std::string_view> old(before.begin(),
                                                               before.end());
    bool moved = now.size() != before.size();
    for (std::size_t k = 0; k < now.size(); ++k) {
      if (k < before.size()) moved |= now[k].first != before[k].first;
      const auto it = old.find(now[k].first);
      changed += it == old.end() || it->second != now[k].second;
    }
    samples += now.size();
    out->layout_changes += moved;
  }
  if (samples > 0) {
    out->changed_ratio =
        static_cast<double>(changed) / static_cast<double>(samples);
  }
}

}  // namespace

Result<TiledPages> MakeTiledPages(const std::vector<Tile>& tiles,
                                  std::size_t seconds) {
  std::map<std::string, test::Recording, std::less<>> recordings;
  for (const Tile& tile : tiles) {
    if (recordings.contains(tile.recording)) continue;
    FODC_ASSIGN_OR_RETURN(
        auto recording,
        test::Recording::Load(test::RecordingPath(tile.recording)));
    recordings.emplace(std::string(tile.recording), std::move(recording));
  }
  TiledPages out;
  for (std::size_t s = 0; s < seconds; ++s) {
    std::string page;
    for (const Tile& tile : tiles) {
      const auto& frames = recordings.find(tile.recording)->second.frames();
      AppendPrefixed(frames[(tile.first_frame + s) % frames.size()].body,
                     tile.prefix, &page);
    }
    out.pages.push_back(std::move(page));
  }
  Count(&out);
  return out;
}

const std::vector<Tile>& FiveThousandSeries() {
  static const std::vector<Tile> tiles{
      {"prometheus", 0, "a_"},  {"node", 0, "b_"},   {"etcd", 0, "c_"},
      {"vm", 0, "d_"},          {"etcd", 200, "e_"}, {"node", 150, "f_"},
      {"prometheus", 150, "g_"}};
  return tiles;
}

}  // namespace fodc::test
