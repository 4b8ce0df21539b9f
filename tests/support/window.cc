// SPDX-License-Identifier: Apache-2.0
#include "tests/support/window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"

namespace fodc::test {
namespace {

// One field of a CSV line, unquoted.
std::string TakeField(std::string_view* line) {
  std::string field;
  if (line->empty() || line->front() != '"') {
    const std::size_t end = std::min(line->find(','), line->size());
    field = line->substr(0, end);
    line->remove_prefix(std::min(end + 1, line->size()));
    return field;
  }
  std::size_t i = 1;
  for (; i < line->size(); ++i) {
    if ((*line)[i] != '"') {
      field.push_back((*line)[i]);
    } else if (i + 1 < line->size() && (*line)[i + 1] == '"') {
      field.push_back('"');
      ++i;
    } else {
      break;
    }
  }
  line->remove_prefix(std::min(i + 2, line->size()));
  return field;
}

bool IsIdentity(const std::string& label) {
  return label == "pod_name" || label == "container_name" ||
         label.starts_with("node_");
}

std::string KeyOf(const std::string& name, const std::string& labels) {
  const auto samples = ReadPage(StrCat("x{", labels, "} 0\n"));
  if (samples.size() != 1) return "";
  std::string key = name + "{";
  for (const auto& [label, value] : samples[0].labels) {
    if (IsIdentity(label)) continue;
    key += StrCat(key.back() == '{' ? "" : ",", label, "=\"", value, "\"");
  }
  return key + "}";
}

Window RunAndRead(std::vector<std::string> arguments, bool may_be_cut) {
  const Output o = Fodcctl(std::move(arguments));
  constexpr int kDamaged = 3;
  EXPECT_TRUE(o.exit_code == 0 || (may_be_cut && o.exit_code == kDamaged))
      << o.err;
  return ReadCsv(o.out);
}

}  // namespace

Window ReadCsv(std::string_view csv) {
  Window window;
  std::map<std::pair<std::string, std::string>, std::string> keys;
  bool first = true;
  for (std::string_view line : Split(csv, '\n')) {
    if (std::exchange(first, false) || line.empty()) continue;
    const std::string whole(line);
    const auto time = ParseRfc3339(TakeField(&line));
    const std::string name = TakeField(&line);
    const std::string labels = TakeField(&line);
    const std::string value_text = TakeField(&line);
    std::string& key = keys[{name, labels}];
    if (key.empty()) key = KeyOf(name, labels);
    char* end = nullptr;
    const double value = std::strtod(value_text.c_str(), &end);
    if (!time.ok() || key.empty() || value_text.empty() || *end != '\0') {
      ADD_FAILURE() << "not a line of samples: " << whole;
      return window;
    }
    window[key].emplace_back(ToUnixMillis(*time), value);
  }
  return window;
}

Window ProxyWindow(const FodcProxy& proxy, const std::string& pod) {
  return RunAndRead({"--proxy", proxy.Url(""), "window", "--pod-name", pod,
                     "--from", "2000-01-01T00:00:00Z", "--to",
                     "2100-01-01T00:00:00Z", "--format", "csv"},
                    false);
}

Window RecordedWindow(const std::string& path, bool may_be_cut) {
  return RunAndRead({"recording", "cat", path, "--format", "csv"}, may_be_cut);
}

std::pair<std::int64_t, std::int64_t> Reach(const Window& window) {
  std::pair<std::int64_t, std::int64_t> reach{INT64_MAX, INT64_MIN};
  for (const auto& [key, samples] : window) {
    for (const auto& [time, value] : samples) {
      reach.first = std::min(reach.first, time);
      reach.second = std::max(reach.second, time);
    }
  }
  return reach.first > reach.second ? std::pair<std::int64_t, std::int64_t>{}
                                    : reach;
}

std::string Missing(const Window& a, const Window& b, std::int64_t from,
                    std::int64_t to) {
  std::string report;
  std::size_t missing = 0;
  const std::vector<std::pair<std::int64_t, double>> none;
  for (const auto& [key, samples] : a) {
    const auto it = b.find(key);
    const auto& others = it == b.end() ? none : it->second;
    std::map<std::int64_t, std::vector<std::uint64_t>> bits;
    for (const auto& [time, value] : others) {
      bits[time].push_back(std::bit_cast<std::uint64_t>(value));
    }
    for (const auto& [time, value] : samples) {
      if (time < from || time > to) continue;
      auto& candidates = bits[time];
      const auto found = std::find(candidates.begin(), candidates.end(),
                                   std::bit_cast<std::uint64_t>(value));
      if (found != candidates.end()) {
        candidates.erase(found);  // duplicates must be there twice
      } else if (++missing <= 5) {
        report += StrCat("  ", key, " at ", TimeText(time), "\n");
      }
    }
  }
  return missing == 0 ? "" : StrCat(missing, " samples missing:\n", report);
}

std::vector<std::int64_t> Times(const Window& window, const std::string& key) {
  std::vector<std::int64_t> times;
  const auto it = window.find(key);
  if (it == window.end()) return times;
  for (const auto& [time, value] : it->second) times.push_back(time);
  std::sort(times.begin(), times.end());
  return times;
}

std::vector<double> Values(const Window& window,
                           const std::string& key_prefix) {
  std::vector<double> values;
  const auto it = window.lower_bound(key_prefix);
  if (it == window.end() || !it->first.starts_with(key_prefix)) return values;
  for (const auto& [time, value] : it->second) values.push_back(value);
  return values;
}

}  // namespace fodc::test
