// SPDX-License-Identifier: Apache-2.0
#include "tests/support/go_pprof.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "fodc/base/strings.h"
#include "tests/support/process.h"

namespace fodc::test {
namespace {

constexpr char kGo[] = "/usr/bin/go";  // Debian's

std::vector<std::string_view> WordsOf(std::string_view line) {
  std::vector<std::string_view> words;
  for (const std::string_view word : Split(Trim(line), ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

}  // namespace

std::string NoGoPprof() {
  if (::access(kGo, X_OK) == 0) return {};
  return "there is no /usr/bin/go: install golang-go";
}

std::string GoPprof(std::vector<std::string> arguments) {
  std::vector<std::string> argv = {kGo, "tool", "pprof", "-symbolize=none"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const Output o = RunToEnd(std::move(argv), std::chrono::seconds(60),
                            {{"TZ", "UTC"}, {"GOROOT", ""}});
  EXPECT_EQ(o.exit_code, 0) << o.err;
  return o.out;
}

GoTable ParseGoTop(std::string_view text) {
  const auto number = [](std::string_view word) {
    const std::size_t end = word.find_first_not_of("-0123456789");
    return std::string(word.substr(0, end));
  };
  GoTable table;
  bool is_body = false;
  for (const std::string_view line : Split(text, '\n')) {
    const std::vector<std::string_view> words = WordsOf(line);
    if (line.starts_with("Showing nodes")) {
      table.total = number(words[words.size() - 2]);
    } else if (!words.empty() && words[0] == "flat") {
      is_body = true;
    } else if (is_body && words.size() >= 6) {
      std::string_view name = line.substr(line.rfind("%  ") + 3);
      for (const char* mark : {" (inline)", " (partial-inline)"}) {
        if (name.ends_with(mark)) name.remove_suffix(strlen(mark));
      }
      table.rows.push_back(
          StrCat(number(words[0]), " ", number(words[3]), " ", name));
    }
  }
  return table;
}

std::string GoUnitFlag(std::string_view unit) {
  return StrCat("-unit=", unit == "nanoseconds" ? "ns" : unit);
}

GoRawText ParseGoRaw(std::string_view raw) {
  GoRawText out;
  const std::size_t samples = raw.find("\nSamples:\n");
  const std::size_t places = raw.find("\nLocations\n");
  EXPECT_NE(samples, raw.npos);
  EXPECT_NE(places, raw.npos);
  if (samples == raw.npos || places == raw.npos) return out;
  out.places = raw.substr(places);
  std::string key;
  std::vector<std::int64_t> values;
  const auto add = [&] {
    auto& sum = out.samples[key];
    sum.resize(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) sum[i] += values[i];
  };
  const auto lines = Split(raw.substr(samples + 1, places - samples - 1), '\n');
  for (std::string_view type : WordsOf(lines[1])) {
    if (type.ends_with("[dflt]")) type.remove_suffix(strlen("[dflt]"));
    out.types.emplace_back(type);
  }
  for (std::size_t i = 2; i < lines.size(); ++i) {
    std::size_t end = lines[i].find(": ");
    if (end == lines[i].npos) {
      key += lines[i];  // labels
      continue;
    }
    if (!key.empty()) add();
    key = lines[i].substr(end + 2);
    values.clear();
    for (const std::string_view word : Split(lines[i].substr(0, end), ' ')) {
      if (const auto value = ParseInt(word)) values.push_back(*value);
    }
  }
  if (!key.empty()) add();
  std::erase_if(out.samples, [](const auto& sample) {
    return sample.first.starts_with(' ');  // labels only
  });
  return out;
}

}  // namespace fodc::test
