// SPDX-License-Identifier: Apache-2.0
// What the detector looks for in a recording is what is recorded: room detect
// knows room collect's series by their text only.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/file_testing.h"
#include "fodc/base/strings.h"
#include "fodc/collect/kernel_samples.h"
#include "fodc/collect/target_reader.h"
#include "fodc/collect/targets.h"
#include "fodc/detect/deaths.h"
#include "fodc/detect/fact_reader.h"
#include "fodc/detect/facts.h"
#include "fodc/detect/verdict.h"
#include "fodc/kernel/reading_testing.h"
#include "fodc/recorder/recording.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::agent {
namespace {

class DetectorSeriesTest : public ::testing::Test {
 protected:
  DetectorSeriesTest() {
    RecordKernel();
    RecordTarget();
    for (const recorder::SourceFrame& frame : recording_.Latest()) {
      sources_.insert(std::string(frame.source_name));
      for (const recorder::SeriesRef& s : *frame.series) {
        series_.emplace_back(s->name(), StrCat(",", s->labels()));
        families_.insert(std::string(s->family()));
      }
    }
  }

  // With every family.
  void RecordKernel() {
    kernel::Overview overview;
    overview.kswapd.emplace();
    collect::KernelSamples samples(recording_, "db", "db", {});
    kernel::KernelEvent exit;
    samples.OnEvent(exit);
    exit.kind = kernel::KernelEvent::Kind::kOomVictim;
    exit.anon_bytes = exit.file_bytes = exit.shmem_bytes = 1;
    samples.OnEvent(exit);
    samples.Record(kernel::FullReading(), overview,
                   {.monotonic_ms = 1, .unix_ms = 1});
  }

  // A process of a group of cgroup v2, on a made-up machine.
  void RecordTarget() {
    Put("proc/stat", "btime 1767225600\n");
    Put("proc/7/stat",
        "7 (db) S 1 1 1 0 -1 0 101 0 102 0 150 350 0 0 20 0 3 0 4711 819200 "
        "2\n");
    Put("proc/7/status", "Name:\tdb\nRssAnon:\t 4 kB\n");
    Put("proc/7/io",
        "rchar: 1\nwchar: 1\nsyscr: 1\nsyscw: 1\nread_bytes: 1\n"
        "write_bytes: 1\ncancelled_write_bytes: 1\n");
    Put("proc/7/cgroup", "0::/db\n");
    Put("proc/self/mountinfo", "31 22 0:28 / /cg rw - cgroup2 cgroup2 rw\n");
    Put("cg/db/memory.current", "5000\n");
    Put("cg/db/memory.max", "9000\n");
    Put("cg/db/memory.stat",
        "anon 201\nfile 202\ninactive_file 1\nkernel 214\n"
        "workingset_refault_anon 215\nworkingset_refault_file 216\n"
        "pgscan 217\npgsteal 218\n");
    Put("cg/db/cpu.stat",
        "usage_usec 1\nuser_usec 1\nsystem_usec 1\nnr_periods 1\n"
        "nr_throttled 1\nthrottled_usec 1\n");
    for (const char* resource : {"memory", "cpu", "io"}) {
      Put(StrCat("cg/db/", resource, ".pressure"),
          "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n"
          "full avg10=0.00 avg60=0.00 avg300=0.00 total=1\n");
    }
    collect::Targets targets({{.container_name = "db", .pid = 7}},
                             {.proc_root = tree_.File("proc")}, loop_,
                             recording_, tree_.path());
    targets.Read({.monotonic_ms = 1, .unix_ms = 1});
  }
  void Put(const std::string& path, const std::string& text) const {
    WriteTree(tree_.path(), {{path, text}});
  }

  // An empty label asks for nothing.
  bool Has(std::string_view name, std::string_view label = {},
           std::string_view value = {}, std::string_view label2 = {},
           std::string_view value2 = {}) const {
    const auto text = [](std::string_view l, std::string_view v) {
      return l.empty() ? std::string() : StrCat(",", l, "=\"", v, "\"");
    };
    for (const auto& [series, labels] : series_) {
      if (series == name &&
          labels.find(text(label, value)) != std::string::npos &&
          labels.find(text(label2, value2)) != std::string::npos) {
        return true;
      }
    }
    return false;
  }

  FakeClock clock_;
  net::EventLoop loop_{clock_};
  recorder::Recording recording_{1, {}};
  const TempDirectory tree_;
  std::set<std::string> sources_;
  std::set<std::string> families_;
  std::vector<std::pair<std::string, std::string>> series_;  // name, labels
};

TEST_F(DetectorSeriesTest, SourcesAreCalledSo) {
  EXPECT_TRUE(sources_.contains(StrCat(detect::kKernelSourcePrefix, "db")));
  EXPECT_TRUE(sources_.contains(StrCat(detect::kTargetSourcePrefix, "db")));
}

TEST_F(DetectorSeriesTest, EveryFactHasItsSeries) {
  for (const detect::FactSeries& f : detect::AllFactSeries()) {
    EXPECT_TRUE(Has(f.family, f.label, f.value, f.label2, f.value2))
        << f.family << " " << f.value << " " << f.value2;
  }
  for (const detect::FactHistogram& h : detect::AllFactHistograms())
    EXPECT_TRUE(Has(h.series, h.label, h.value)) << h.series;
  for (const detect::FactDesc& d : detect::AllFacts()) {
    if (!d.giver.starts_with("ktm_") && !d.giver.starts_with("fodc_")) continue;
    EXPECT_TRUE(families_.contains(std::string(d.giver))) << d.giver;
  }
}

TEST_F(DetectorSeriesTest, SoDoTheGateTheProcessAndItsDeath) {
  EXPECT_TRUE(Has(detect::kReadLatencyBuckets, "kind", "file"));
  EXPECT_TRUE(families_.contains(std::string(detect::kReadLatencyFamily)));
  for (const std::string_view name :
       {detect::kTargetUp, detect::kTargetPid, detect::kTargetStart,
        detect::kTargetRestarts}) {
    EXPECT_TRUE(Has(name)) << name;
  }
  for (const detect::DeathSeries& d : detect::AllDeathSeries())
    EXPECT_TRUE(Has(d.family)) << d.family;
}

}  // namespace
}  // namespace fodc::agent
