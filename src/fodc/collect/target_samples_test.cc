// SPDX-License-Identifier: Apache-2.0
// That every reading of a target is recorded as the sample it is said to be: on
// a made-up machine on which no two values are the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/file_testing.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/collect/recording_testing.h"
#include "fodc/collect/targets.h"

namespace fodc::collect {
namespace {

using ::testing::ContainerEq;
using Samples = std::map<std::string, double>;

class TargetSamplesTest : public ::testing::Test {
 protected:
  TargetSamplesTest() {
    Put("proc/stat", "btime 1767225600\n");
    Put("proc/7/stat",
        "7 (db) S 1 1 1 0 -1 0 101 0 102 0 150 350 0 0 20 0 3 0 4711 819200 "
        "2\n");
    Put("proc/7/status",
        "Name:\tdb\nRssAnon:\t 4 kB\nVmSwap:\t 12 kB\n"
        "voluntary_ctxt_switches:\t103\nnonvoluntary_ctxt_switches:\t104\n");
    Put("proc/7/io",
        "rchar: 1\nwchar: 1\nsyscr: 1\nsyscw: 1\nread_bytes: 105\n"
        "write_bytes: 106\ncancelled_write_bytes: 1\n");
    Put("proc/7/limits", "Max open files            109          110  files\n");
    Put("proc/7/fd/0", "");
    PutPressure("proc/pressure/", "", 110);
  }

  void Put(const std::string& path, const std::string& text) const {
    WriteTree(tree_.path(), {{path, text}});
  }
  // Six lines: `from` seconds of stall and as many hundredths of a percent, and
  // so on by one.
  void PutPressure(const std::string& prefix, const std::string& suffix,
                   int from) const {
    for (const char* resource : {"memory", "cpu", "io"}) {
      std::string text;
      for (const char* kind : {"some", "full"}) {
        text += StrCat(kind, " avg10=", from / 100, ".", from % 100,
                       " avg60=0.00 avg300=0.00 total=", from, "000000\n");
        ++from;
      }
      Put(StrCat(prefix, resource, suffix), text);
    }
  }

  // `name{labels}` without the label `target`, which all must have.
  Samples Read() {
    Targets targets({{.container_name = "db", .pid = 7}},
                    {.proc_root = tree_.File("proc")}, loop_, recording_,
                    tree_.path());
    targets.Read({.monotonic_ms = 1, .unix_ms = 1});
    Samples out;
    for (const auto& [text, value] : LatestSamples(recording_, "target db")) {
      const std::size_t at = text.find("target=\"db\"}");
      EXPECT_NE(at, std::string::npos) << text;
      std::string name = text.substr(0, at);
      if (name.back() == ',' || name.back() == '{') name.pop_back();
      out.emplace(std::move(name), value);
    }
    // What the table of processes says, and what a made-up directory has no
    // number for; their own tests look at the values.
    for (const char* name :
         {"up", "pid", "start_time_seconds", "uptime_seconds", "restarts_total",
          "deaths_total", "processes", "open_files"}) {
      EXPECT_EQ(out.erase(StrCat("fodc_target_", name)), 1u) << name;
    }
    return out;
  }

  static Samples Process() {
    const auto ticks = static_cast<double>(ClockTicksPerSecond());
    return {
        {"fodc_target_cpu_seconds_total{mode=\"user\"", 150 / ticks},
        {"fodc_target_cpu_seconds_total{mode=\"system\"", 350 / ticks},
        {"fodc_target_resident_memory_bytes",
         2 * static_cast<double>(PageBytes())},
        {"fodc_target_anonymous_memory_bytes", 4096},
        {"fodc_target_virtual_memory_bytes", 819200},
        {"fodc_target_swap_bytes", 12288},
        {"fodc_target_threads", 3},
        {"fodc_target_max_open_files", 109},
        {"fodc_target_page_faults_total{kind=\"minor\"", 101},
        {"fodc_target_page_faults_total{kind=\"major\"", 102},
        {"fodc_target_context_switches_total{kind=\"voluntary\"", 103},
        {"fodc_target_context_switches_total{kind=\"involuntary\"", 104},
        {"fodc_target_io_bytes_total{direction=\"read\"", 105},
        {"fodc_target_io_bytes_total{direction=\"write\"", 106},
    };
  }
  // What groups of both versions tell.
  static Samples Container() {
    return {
        {"fodc_container_memory_usage_bytes", 5000},
        {"fodc_container_memory_working_set_bytes", 4500},
        {"fodc_container_memory_limit_bytes", 8000},
        {"fodc_container_memory_bytes{kind=\"anon\"", 201},
        {"fodc_container_memory_bytes{kind=\"file\"", 202},
        {"fodc_container_memory_bytes{kind=\"swap\"", 203},
        {"fodc_container_memory_bytes{kind=\"kernel\"", 214},
        {"fodc_container_memory_refault_pages_total{kind=\"anon\"", 215},
        {"fodc_container_memory_refault_pages_total{kind=\"file\"", 216},
        {"fodc_container_memory_events_total{event=\"max\"", 205},
        {"fodc_container_memory_events_total{event=\"oom_kill\"", 207},
        {"fodc_container_cpu_seconds_total{mode=\"user\"", 209},
        {"fodc_container_cpu_seconds_total{mode=\"system\"", 210},
        {"fodc_container_cpu_periods_total", 211},
        {"fodc_container_cpu_throttled_periods_total", 212},
        {"fodc_container_cpu_throttled_seconds_total", 213},
        {"fodc_container_cpu_limit_cores", 0.5},
    };
  }
  // What PutPressure(..., from) is.
  static Samples Pressure(int from) {
    Samples out;
    for (const char* resource : {"memory", "cpu", "io"}) {
      for (const char* kind : {"some", "full"}) {
        const std::string labels =
            StrCat("{kind=\"", kind, "\",resource=\"", resource, "\"");
        out[StrCat("fodc_pressure_stalled_seconds_total", labels)] = from;
        out[StrCat("fodc_pressure_avg10_ratio", labels)] = from / 1e4;
        ++from;
      }
    }
    return out;
  }

  FakeClock clock_;
  net::EventLoop loop_{clock_};
  recorder::Recording recording_{1, {}};
  const TempDirectory tree_;
};

TEST_F(TargetSamplesTest, OfAUnifiedGroupWithItsOwnPressure) {
  Put("proc/7/cgroup", "0::/pod/db\n");
  Put("proc/self/mountinfo", "31 22 0:28 / /cg rw - cgroup2 cgroup2 rw\n");
  Put("cg/pod/db/memory.current", "5000\n");
  Put("cg/pod/db/memory.max", "9000\n");
  Put("cg/pod/memory.max", "8000\n");  // the smaller one
  Put("cg/pod/db/memory.high", "7000\n");
  Put("cg/pod/db/memory.swap.current", "203\n");
  Put("cg/pod/db/memory.stat",
      "anon 201\nfile 202\nactive_file 1\ninactive_file 500\nkernel 214\n"
      "workingset_refault_anon 215\nworkingset_refault_file 216\n"
      "pgscan 217\npgsteal 218\n");
  Put("cg/pod/db/memory.events",
      "low 1\nhigh 204\nmax 205\noom 206\noom_kill 207\noom_group_kill 208\n");
  Put("cg/pod/db/cpu.stat",
      "usage_usec 1\nuser_usec 209000000\nsystem_usec 210000000\n"
      "nr_periods 211\nnr_throttled 212\nthrottled_usec 213000000\n");
  Put("cg/pod/db/cpu.max", "max 100000\n");
  Put("cg/pod/cpu.max", "50000 100000\n");
  PutPressure("cg/pod/db/", ".pressure", 310);

  Samples expected = Process();
  expected.merge(Pressure(310));
  expected.merge(Container());
  // What version 1 does not tell.
  expected.merge(Samples{
      {"fodc_container_memory_high_bytes", 7000},
      {"fodc_container_memory_reclaim_pages_total{result=\"scanned\"", 217},
      {"fodc_container_memory_reclaim_pages_total{result=\"reclaimed\"", 218},
      {"fodc_container_memory_events_total{event=\"high\"", 204},
      {"fodc_container_memory_events_total{event=\"oom\"", 206},
      {"fodc_container_memory_events_total{event=\"oom_group_kill\"", 208},
  });
  EXPECT_THAT(Read(), ContainerEq(expected));
}

TEST_F(TargetSamplesTest, KillsInItsGroupCountFromTheFirstFrameOn) {
  Put("proc/7/cgroup", "0::/db\n");
  Put("proc/self/mountinfo", "31 22 0:28 / /cg rw - cgroup2 cgroup2 rw\n");
  Put("cg/db/memory.current", "5000\n");
  Targets targets({{.container_name = "db", .pid = 7}},
                  {.proc_root = tree_.File("proc")}, loop_, recording_,
                  tree_.path());
  EXPECT_EQ(targets.group_oom_kills(), 0u);
  std::int64_t ms = 0;
  std::vector<std::uint64_t> counts;
  for (const int kills : {7, 7, 9, 1, 2}) {  // then it is another group
    // In place, as the kernel does it: descriptors are kept.
    std::ofstream(tree_.File("cg/db/memory.events"))
        << "oom 3\noom_kill " << kills << "\n";
    ++ms;
    targets.Read({.monotonic_ms = ms, .unix_ms = ms});
    counts.push_back(targets.group_oom_kills());
  }
  EXPECT_THAT(counts, ::testing::ElementsAre(0, 0, 2, 3, 4));
}

TEST_F(TargetSamplesTest, OfVersion1GroupsWithThePressureOfTheMachine) {
  Put("proc/7/cgroup", "3:memory:/db\n2:cpu,cpuacct:/db\n");
  Put("proc/self/mountinfo",
      "31 22 0:28 / /memory rw - cgroup cgroup rw,memory\n"
      "32 22 0:29 / /cpu rw - cgroup cgroup rw,cpu,cpuacct\n");
  Put("memory/db/memory.usage_in_bytes", "5000\n");
  Put("memory/db/memory.limit_in_bytes", "9223372036854771712\n");  // none
  Put("memory/db/memory.failcnt", "205\n");
  Put("memory/db/memory.kmem.usage_in_bytes", "214\n");
  Put("memory/db/memory.oom_control",
      "oom_kill_disable 0\nunder_oom 0\noom_kill 207\n");
  Put("memory/db/memory.stat",
      "rss 1\ntotal_rss 201\ntotal_cache 202\ntotal_swap 203\n"
      "total_workingset_refault_anon 215\ntotal_workingset_refault_file 216\n"
      "total_active_file 1\ntotal_inactive_file 500\nhierarchical_memory_limit "
      "8000\n");
  Put("cpu/db/cpuacct.usage", "1\n");
  Put("cpu/db/cpuacct.stat",
      StrCat("user ", 209 * ClockTicksPerSecond(), "\nsystem ",
             210 * ClockTicksPerSecond(), "\n"));
  Put("cpu/db/cpu.stat",
      "nr_periods 211\nnr_throttled 212\nthrottled_time 213000000000\n");
  Put("cpu/db/cpu.cfs_quota_us", "50000\n");
  Put("cpu/db/cpu.cfs_period_us", "100000\n");

  Samples expected = Process();
  expected.merge(Pressure(110));
  expected.merge(Container());
  EXPECT_THAT(Read(), ContainerEq(expected));
}

}  // namespace
}  // namespace fodc::collect
