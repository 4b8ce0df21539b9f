// SPDX-License-Identifier: Apache-2.0
// What room pprof makes of real profiles, beside what Debian's `go tool pprof`
// makes of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/pprof/profile.h"
#include "fodc/pprof/raw.h"
#include "fodc/pprof/top.h"
#include "tests/support/cluster.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace fodc::test {
namespace {

using namespace std::chrono_literals;

constexpr char kGo[] = "/usr/bin/go";  // Debian's

std::string GoPprof(std::vector<std::string> arguments) {
  std::vector<std::string> argv = {kGo, "tool", "pprof", "-symbolize=none"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const Output o =
      RunToEnd(std::move(argv), 60s, {{"TZ", "UTC"}, {"GOROOT", ""}});
  EXPECT_EQ(o.exit_code, 0) << o.err;
  return o.out;
}

struct Table {
  std::string total;
  std::vector<std::string> rows;  // "<flat> <cum> <name>"
};

// Of `pprof -top -unit=...`, numbers without their unit.
Table ParseTop(std::string_view text) {
  const auto number = [](std::string_view word) {
    const std::size_t end = word.find_first_not_of("-0123456789");
    return std::string(word.substr(0, end));
  };
  Table table;
  bool is_body = false;
  for (const std::string_view line : Split(text, '\n')) {
    std::vector<std::string_view> words;
    for (const std::string_view word : Split(Trim(line), ' ')) {
      if (!word.empty()) words.push_back(word);
    }
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

Table OfReport(const Result<pprof::TopReport>& report) {
  EXPECT_THAT(report, IsOk());
  Table table;
  if (!report.ok()) return table;
  table.total = StrCat(report->total);
  for (const pprof::TopRow& row : report->rows) {
    table.rows.push_back(StrCat(row.flat, " ", row.cum, " ", row.name));
  }
  return table;
}

pprof::Profile Open(const std::string& path) {
  auto bytes = ReadFile(path);
  EXPECT_THAT(bytes, IsOk());
  auto profile = pprof::ReadProfile(*std::move(bytes));
  EXPECT_THAT(profile, IsOk()) << path;
  return profile.ok() ? *std::move(profile) : pprof::Profile();
}

// The unit in which pprof writes numbers as they are.
std::string UnitFlag(std::string_view unit) {
  return StrCat("-unit=", unit == "nanoseconds" ? "ns" : unit);
}

void CompareTops(const std::string& path) {
  const pprof::Profile p = Open(path);
  ASSERT_FALSE(p.sample_types().empty());
  for (const auto& type : p.sample_types()) {
    for (const bool by_cum : {false, true}) {
      pprof::TopOptions options;
      options.sample_type = p.Text(type.type);
      options.by_cum = by_cum;
      const Table ours = OfReport(pprof::Top(p, options));
      const Table theirs = ParseTop(GoPprof(
          {"-top", by_cum ? "-cum" : "-flat", UnitFlag(p.Text(type.unit)),
           StrCat("-sample_index=", options.sample_type), path}));
      EXPECT_EQ(ours.total, theirs.total) << path << options.sample_type;
      EXPECT_EQ(ours.rows, theirs.rows) << path << options.sample_type;
    }
  }
}

// Of a raw profile, without the head, whose times are written in another way.
struct RawText {
  // By stack and labels. Go adds up those of the same, and leaves out what has
  // no stack.
  std::map<std::string, std::vector<std::int64_t>> samples;
  std::string places;
};

RawText ParseRaw(std::string_view raw) {
  RawText out;
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
  for (std::size_t i = 2; i < lines.size(); ++i) {  // after the types
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

void CompareRaw(const std::string& path) {
  std::string ours;
  ASSERT_THAT(pprof::WriteRaw(Open(path),
                              [&ours](std::string_view piece) {
                                ours += piece;
                                return OkStatus();
                              }),
              IsOk());
  const RawText a = ParseRaw(ours);
  const RawText b = ParseRaw(GoPprof({"-raw", path}));
  EXPECT_EQ(a.samples, b.samples) << path;
  EXPECT_EQ(a.places, b.places) << path;
}

class PprofTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::access(kGo, X_OK) != 0) {
      std::puts("SKIPPED: there is no /usr/bin/go: install golang-go");
      GTEST_SKIP() << "no go";
    }
  }
};

std::string Recorded(const std::string& name) {
  return SourcePath("tests/data/profiles/" + name);
}
std::string OfDyingNode(const std::string& name) {
  return SourcePath("tests/data/wire/files/pressure-profiles/" + name);
}
constexpr char kEarly[] = "20261121T073036.667474998Z/heap.pprof";
constexpr char kLate[] = "20261121T073132.740756132Z/heap.pprof";

TEST_F(PprofTest, TopIsThatOfGoOnRecordedProfiles) {
  for (const char* name :
       {"prometheus.heap", "prometheus.goroutine", "etcd.cpu", "etcd.heap",
        "kvnode.heap", "kvnode.threads"}) {
    CompareTops(Recorded(name));
    CompareRaw(Recorded(name));
  }
  for (const char* name :
       {kEarly, kLate, "20261121T073036.667474998Z/goroutine.pprof",
        "20261121T073132.740756132Z/goroutine.pprof"}) {
    CompareTops(OfDyingNode(name));
    CompareRaw(OfDyingNode(name));
  }
}

TEST_F(PprofTest, DiffIsThatOfGo) {
  const pprof::Profile early = Open(OfDyingNode(kEarly));
  const pprof::Profile late = Open(OfDyingNode(kLate));
  for (const auto& type : late.sample_types()) {
    pprof::TopOptions options;
    options.sample_type = late.Text(type.type);
    const Table ours = OfReport(pprof::Diff(early, late, options));
    const Table theirs = ParseTop(
        GoPprof({"-top", UnitFlag(late.Text(type.unit)),
                 StrCat("-sample_index=", options.sample_type),
                 "-diff_base=" + OfDyingNode(kEarly), OfDyingNode(kLate)}));
    EXPECT_EQ(ours.total, theirs.total);
    EXPECT_EQ(ours.rows, theirs.rows);
    EXPECT_FALSE(ours.rows.empty());
  }
}

// Their numbers are rounded, and not all at the same place.
TEST_F(PprofTest, TotalsOfHeapTextsAreThoseOfGo) {
  for (const char* name :
       {"gperftools.sample.txt", "gperftools.dump.txt", "etcd.heap.txt"}) {
    pprof::TopOptions options;
    options.sample_type = "inuse_space";
    const pprof::Profile p = Open(Recorded(name));
    const auto ours = pprof::Top(p, options);
    ASSERT_THAT(ours, IsOk());
    const Table theirs = ParseTop(GoPprof(
        {"-top", "-unit=bytes", "-sample_index=inuse_space", Recorded(name)}));
    EXPECT_NEAR(static_cast<double>(ours->total),
                ParseDouble(theirs.total).value_or(0),
                static_cast<double>(p.sample_count()))
        << name;
    EXPECT_GT(ours->total, 0);
  }
}

TEST_F(PprofTest, CountedStacksAreThoseOfGo) {
  const auto ours = pprof::Top(Open(Recorded("etcd.goroutine.txt")), {});
  ASSERT_THAT(ours, IsOk());
  const Table theirs = ParseTop(
      GoPprof({"-top", "-unit=count", Recorded("etcd.goroutine.txt")}));
  EXPECT_EQ(StrCat(ours->total), theirs.total);
  // It does not take the names that Go wrote beside the addresses.
  EXPECT_GT(ours->rows.size(), theirs.rows.size());
}

TEST(PprofFilesTest, ReadsWhatJemallocDumped) {
  const auto top = pprof::Top(Open(Recorded("jemalloc.heap.txt")), {});
  ASSERT_THAT(top, IsOk());
  EXPECT_EQ(top->sample_type, "inuse_space");
  // What gperftools counted in the same program, every block of it.
  EXPECT_NEAR(static_cast<double>(top->total), 45'218'627.0, 5e6);
}

TEST_F(PprofTest, ReadsWhatALivePrometheusServes) {
  if (FindProgram("prometheus").empty()) {
    std::puts("SKIPPED: no prometheus");
    GTEST_SKIP() << "no prometheus";
  }
  const TempDirectory dir;
  Server prometheus = MakePrometheus(dir, "");
  ASSERT_TRUE(prometheus.Start());
  for (const char* type : {"heap", "allocs", "goroutine", "mutex"}) {
    const HttpAnswer page = prometheus.Get(StrCat("/debug/pprof/", type));
    ASSERT_EQ(page.status, 200);
    const std::string path = dir.File(type);
    ASSERT_THAT(WriteFileAtomically(path, page.body), IsOk());
    CompareTops(path);
    CompareRaw(path);
  }
}

}  // namespace
}  // namespace fodc::test
