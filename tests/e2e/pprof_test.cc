// SPDX-License-Identifier: Apache-2.0
// What room pprof makes of real profiles, beside what Debian's `go tool pprof`
// makes of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/pprof/profile.h"
#include "fodc/pprof/raw.h"
#include "fodc/pprof/top.h"
#include "tests/support/cluster.h"
#include "tests/support/go_pprof.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace fodc::test {
namespace {

GoTable OfReport(const Result<pprof::TopReport>& report) {
  EXPECT_THAT(report, IsOk());
  GoTable table;
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

void CompareTops(const std::string& path) {
  const pprof::Profile p = Open(path);
  ASSERT_FALSE(p.sample_types().empty());
  for (const auto& type : p.sample_types()) {
    for (const bool by_cum : {false, true}) {
      pprof::TopOptions options;
      options.sample_type = p.Text(type.type);
      options.by_cum = by_cum;
      const GoTable ours = OfReport(pprof::Top(p, options));
      const GoTable theirs = ParseGoTop(GoPprof(
          {"-top", by_cum ? "-cum" : "-flat", GoUnitFlag(p.Text(type.unit)),
           StrCat("-sample_index=", options.sample_type), path}));
      EXPECT_EQ(ours.total, theirs.total) << path << options.sample_type;
      EXPECT_EQ(ours.rows, theirs.rows) << path << options.sample_type;
    }
  }
}

void CompareRaw(const std::string& path) {
  std::string ours;
  ASSERT_THAT(pprof::WriteRaw(Open(path),
                              [&ours](std::string_view piece) {
                                ours += piece;
                                return OkStatus();
                              }),
              IsOk());
  const GoRawText a = ParseGoRaw(ours);
  const GoRawText b = ParseGoRaw(GoPprof({"-raw", path}));
  EXPECT_EQ(a.types, b.types) << path;
  EXPECT_EQ(a.samples, b.samples) << path;
  EXPECT_EQ(a.places, b.places) << path;
}

class PprofTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = NoGoPprof(); !why.empty()) {
      std::printf("SKIPPED: %s\n", why.c_str());
      GTEST_SKIP();
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
    const GoTable ours = OfReport(pprof::Diff(early, late, options));
    const GoTable theirs = ParseGoTop(
        GoPprof({"-top", GoUnitFlag(late.Text(type.unit)),
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
    const GoTable theirs = ParseGoTop(GoPprof(
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
  const GoTable theirs = ParseGoTop(
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
