// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/verdict.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/detect/quantity_text.h"

namespace fodc::detect {
namespace {

// The smallest that there are.
constexpr double kPageBytes = 4096;

constexpr VerdictCause kKinds[kIncidentKinds] = {
    {Verdict::kEviction, "policy"},
    {Verdict::kEviction, "scan"},
    {Verdict::kContention, "contention"},
    {Verdict::kContention, kColdDataCause},
    {Verdict::kContention, kWorkingSetCause},
    {Verdict::kContention, kUnknownCause},
    {Verdict::kPressure, "own_memory"},
    {Verdict::kPressure, "others"},
    {Verdict::kCacheMisses, ""},
};

// How now compares with what is usual.
class Comparison {
 public:
  Comparison(std::span<const Window> degraded, const Window& typical,
             const Options& options)
      : windows_(degraded),
        now_(Mean(degraded)),
        typical_(typical),
        options_(options) {}

  const Window& now() const { return now_; }
  const Window& typical() const { return typical_; }
  double Now(Fact f) const { return now_.facts[f]; }
  bool Knows(Fact f) const { return now_.facts.Has(f); }
  bool KnowsUsual(Fact f) const { return typical_.facts.Has(f); }
  // What was never seen while all was well is taken for 0: families come with
  // their first event.
  double Usual(Fact f) const {
    return typical_.facts.Has(f) ? typical_.facts[f] : 0;
  }
  bool Up(Fact f, double least) const { return IsUp(Now(f), f, least); }
  // In each of the windows that know it.
  bool UpThroughout(Fact f, double least) const {
    return Knows(f) &&
           std::all_of(windows_.begin(), windows_.end(), [&](const Window& w) {
             return !w.facts.Has(f) || IsUp(w.facts[f], f, least);
           });
  }
  double ReadsPerSecond() const {
    // Windows of an open incident need not adjoin.
    double reads = 0;
    double ms = 0;
    for (const Window& w : windows_) {
      reads += w.reads;
      ms += static_cast<double>(w.to_ms - w.from_ms);
    }
    return ms > 0 ? reads / ms * 1e3 : 0;
  }
  // By how much of the group's memory a part of it has changed.
  double Growth(Fact part) const {
    if (!Knows(part) || !KnowsUsual(part)) return 0;
    const double whole =
        KnowsUsual(Fact::kMemoryUsage)
            ? Usual(Fact::kMemoryUsage)
            : std::max(Usual(Fact::kAnonMemory) + Usual(Fact::kFileMemory),
                       1.0);
    return (Now(part) - Usual(part)) / std::max(whole, 1.0);
  }
  bool Grew(Fact part) const {
    return Growth(part) >= options_.memory_growth_ratio;
  }
  bool Shrank(Fact part) const {
    return -Growth(part) >= options_.memory_growth_ratio;
  }

 private:
  bool IsUp(double now, Fact f, double least) const {
    const double usual = Usual(f);
    return now > 0 && now - usual >= least && now >= usual * options_.up_factor;
  }

  std::span<const Window> windows_;
  const Window now_;
  const Window& typical_;
  const Options& options_;
};

// Goes down the table. Each rule names what it would have asked.
class Explanation {
 public:
  Explanation(std::span<const Window> degraded, const Window& typical,
              const Options& options)
      : c_(degraded, typical, options), o_(options) {}

  Finding Find() {
    using Rule = bool (Explanation::*)();
    for (const Rule rule :
         {&Explanation::Policy, &Explanation::Pressure, &Explanation::Scan,
          &Explanation::CacheMisses, &Explanation::Rest}) {
      ++finding_.row;
      if ((this->*rule)()) break;
    }
    return std::move(finding_);
  }

 private:
  // Whether a fact is known; one that is not is missing from now on.
  bool Ask(Fact f) {
    if (c_.Knows(f)) return true;
    Miss(Describe(f).giver);
    return false;
  }
  // The same of how a part of memory has changed.
  bool AskGrowth(Fact part) {
    if (c_.KnowsUsual(part)) return Ask(part);
    Miss(Describe(part).giver);
    return false;
  }
  // And of what tells a saturated disk.
  void AskSaturation() {
    Ask(Fact::kBlockReadP95);
    Ask(Fact::kIoPressure);
  }
  void Miss(std::string_view giver) {
    auto& missing = finding_.missing;
    if (std::find(missing.begin(), missing.end(), giver) == missing.end())
      missing.emplace_back(giver);
  }
  bool AskCompaction() {
    if (c_.Knows(Fact::kCompactionBytes) || c_.Knows(Fact::kCompactionThreads))
      return true;
    Miss(Describe(Fact::kCompactionBytes).giver);
    Miss(Describe(Fact::kCompactionThreads).giver);
    return false;
  }

  bool CompactionUp() const {
    return c_.UpThroughout(Fact::kCompactionBytes, o_.compaction_bytes) ||
           c_.UpThroughout(Fact::kCompactionThreads, o_.compaction_threads);
  }
  // Latency of the block layer alone decides nothing: a seek takes long, too.
  bool IsSaturated() const {
    return c_.Now(Fact::kBlockReadP95) >= o_.saturated_latency_seconds &&
           c_.Now(Fact::kIoPressure) >= o_.saturated_pressure_ratio;
  }
  bool DontneedUp() const {
    return c_.Up(Fact::kDontneedCalls, o_.dontneed_calls) ||
           c_.Up(Fact::kDontneedBytes, o_.dontneed_bytes);
  }
  bool AddsUp() const { return c_.Up(Fact::kCacheAdds, o_.refill_pages); }
  // Adds that are read: pages that are written are added, too.
  bool ComesFromStorage() const {
    return c_.Up(Fact::kStorageReads, o_.refill_pages * kPageBytes);
  }
  bool ReclaimUp() const {
    return c_.Up(Fact::kReclaimEntries, o_.reclaim_entries) ||
           c_.Up(Fact::kReclaimStall, o_.pressure_ratio) ||
           c_.Up(Fact::kReclaimScanned, o_.reclaim_pages) ||
           c_.Up(Fact::kMemoryPressure, o_.pressure_ratio);
  }

  struct Quantile {
    std::string_view name;
    double now = 0;
    double usual = 0;
  };
  // The one that has grown the most of those that the gate goes by.
  Quantile WorstQuantile() const {
    const Window& now = c_.now();
    const Window& usual = c_.typical();
    if (now.reads < o_.min_reads) return {"median", now.p50, usual.p50};
    const Quantile p95 = {"p95", now.p95, usual.p95};
    const Quantile p99 = {"p99", now.p99, usual.p99};
    const bool has_p99 = !std::isnan(p99.now) && !std::isnan(p99.usual);
    // As products, for what is usual may be 0.
    const bool is_p95 = p95.now * p99.usual > p99.now * p95.usual;
    return has_p99 && !is_p95 ? p99 : p95;
  }

  bool Give(Verdict verdict, std::string_view cause, std::string_view why,
            std::string_view advice) {
    finding_.verdict = verdict;
    finding_.cause = cause;
    const Quantile worst = WorstQuantile();
    finding_.summary =
        StrCat("File reads are slow (", worst.name, " ", SecondsText(worst.now),
               ", usually ", SecondsText(worst.usual), "): ", why, ".");
    finding_.advice = advice;
    return true;
  }
  std::string RateText(Fact f) const { return CountText(c_.Now(f)) + "/s"; }

  bool Policy() {
    const bool knows_calls = Ask(Fact::kDontneedCalls);
    const bool knows_adds = Ask(Fact::kCacheAdds);
    if (!knows_calls || !knows_adds || !DontneedUp() || !AddsUp()) return false;
    if (Ask(Fact::kStorageReads) && !ComesFromStorage()) return false;
    AskCompaction();
    AskSaturation();
    if (CompactionUp() || IsSaturated()) return false;
    return Give(
        Verdict::kEviction, "policy",
        StrCat("the target told the kernel to drop cached pages (fadvise "
               "DONTNEED, ",
               DecimalText(c_.Now(Fact::kDontneedCalls)),
               " calls/s), and they were read again (",
               RateText(Fact::kCacheAdds), " pages added to the page cache)"),
        "Raise the thresholds of eviction, and slow down background work.");
  }

  bool Pressure() {
    if (!c_.Knows(Fact::kReclaimScanned) && !c_.Knows(Fact::kMemoryPressure))
      Ask(Fact::kReclaimEntries);
    const bool knows_anon = AskGrowth(Fact::kAnonMemory);
    if (!ReclaimUp()) return false;
    static constexpr std::string_view kAdvice =
        "Raise the memory limits, or lower the memory of background work.";
    for (const auto& [part, name] :
         {std::pair{Fact::kAnonMemory, "anonymous"},
          std::pair{Fact::kKernelMemory, "the kernel's"}}) {
      if (!AskGrowth(part) || !c_.Grew(part)) continue;
      return Give(
          Verdict::kPressure, "own_memory",
          StrCat("memory is short: ", name, " memory grew from ",
                 BytesText(c_.Usual(part)), " to ", BytesText(c_.Now(part)),
                 ", and the kernel takes back cached pages"),
          kAdvice);
    }
    // What the target drops by itself nobody took.
    if (!AskGrowth(Fact::kFileMemory) || !knows_anon ||
        !c_.Shrank(Fact::kFileMemory) || DontneedUp()) {
      return false;
    }
    return Give(Verdict::kPressure, "others",
                StrCat("memory is short: others took cached pages of the "
                       "target, from ",
                       BytesText(c_.Usual(Fact::kFileMemory)), " to ",
                       BytesText(c_.Now(Fact::kFileMemory))),
                kAdvice);
  }

  bool RefaultsUp() const {
    // Fewer than the quantile lets pass cannot be what is slow.
    return c_.Up(Fact::kFileRefaults,
                 std::max(o_.refault_pages,
                          o_.refault_read_ratio * c_.ReadsPerSecond()));
  }

  bool Scan() {
    const bool knows_refaults = Ask(Fact::kFileRefaults);
    const bool anon_is_steady =
        AskGrowth(Fact::kAnonMemory) && !c_.Grew(Fact::kAnonMemory);
    if (!knows_refaults || !anon_is_steady || DontneedUp() || !AddsUp() ||
        !RefaultsUp()) {
      return false;
    }
    if (c_.Now(Fact::kCacheAdds) <
        o_.scan_ratio * c_.Now(Fact::kFileRefaults)) {
      return false;
    }
    return Give(
        Verdict::kEviction, "scan",
        StrCat("a wide, continuous read (", RateText(Fact::kCacheAdds),
               " pages added to the page cache) pushes out what is hot (",
               RateText(Fact::kFileRefaults), " pages came back)"),
        "Narrow or page the query, and keep scans off the hot node.");
  }

  bool CacheMisses() {
    if (!Ask(Fact::kBlockCacheMisses) || !AddsUp() ||
        !c_.Up(Fact::kBlockCacheMisses, o_.block_cache_misses)) {
      return false;
    }
    return Give(Verdict::kCacheMisses, "",
                StrCat("the database's own cache misses (",
                       RateText(Fact::kBlockCacheMisses), ", usually ",
                       CountText(c_.Usual(Fact::kBlockCacheMisses)),
                       ComesFromStorage()
                           ? "/s), and the pages come from storage"
                           : "/s), while pages are added to the page cache"),
                "Size the block cache, and look at the access patterns.");
  }

  bool Rest() {
    AskCompaction();
    Ask(Fact::kBackgroundIoBytes);
    finding_.is_background_work = true;
    if (CompactionUp()) return Contention("compaction");
    if (c_.Up(Fact::kBackgroundIoBytes, o_.background_io_bytes))
      return Contention("background I/O");
    finding_.is_background_work = false;
    // Else it would have been a policy's eviction.
    if (DontneedUp() && IsSaturated()) return Contention("a saturated disk");
    const bool from_storage = Ask(Fact::kStorageReads) &&
                              c_.Up(Fact::kStorageReads, o_.storage_bytes);
    const bool knows_refaults = c_.Knows(Fact::kFileRefaults);
    AskSaturation();
    if (AddsUp() && from_storage && knows_refaults) {
      if (RefaultsUp()) {
        return Give(Verdict::kContention, kWorkingSetCause,
                    StrCat("what is read does not fit into memory (",
                           RateText(Fact::kFileRefaults),
                           " pages came back soon after they were evicted)"),
                    "Give the target more memory, or narrow what is read.");
      }
      // How long the disk takes tells a cold read from a slow one; that it is
      // read the bytes tell, on the fastest disk, too.
      const double block = c_.Now(Fact::kBlockReadP95);
      return Give(
          Verdict::kContention, kColdDataCause,
          StrCat("cold data is read from storage (", RateText(Fact::kCacheAdds),
                 " pages added to the page cache, hardly any of them "
                 "for the second time",
                 block > 0 ? StrCat("; the block layer takes ",
                                    SecondsText(block), " (p95)")
                           : "",
                 ")"),
          "More memory, if the node is idle otherwise.");
    }
    if (c_.Up(Fact::kStorageWrites, o_.storage_bytes))
      return Contention("writing");
    if (IsSaturated()) return Contention("others for a saturated disk");
    if (c_.Up(Fact::kRunQueueP95, o_.cpu_wait_seconds) ||
        c_.Up(Fact::kCpuThrottled, o_.cpu_throttled_ratio)) {
      return Give(Verdict::kContention, "contention",
                  "the target's threads wait for a processor",
                  "Give the target more processor time, or run less beside "
                  "it.");
    }
    return Give(Verdict::kContention, kUnknownCause,
                "nothing that is recorded tells why",
                "Look at the window before the start, and give the signals "
                "that are missing.");
  }
  bool Contention(std::string_view with) {
    return Give(Verdict::kContention, "contention",
                StrCat("they compete with ", with),
                "Run fewer compactions at a time, or slow them down.");
  }

  const Comparison c_;
  const Options& o_;
  Finding finding_;
};

}  // namespace

std::string_view VerdictName(Verdict verdict) {
  static constexpr std::array<std::string_view, kVerdicts> kNames = {
      "", "W1", "W2", "W3", "W4", "W5", "W6"};
  return kNames[static_cast<std::size_t>(verdict)];
}

std::span<const VerdictCause, kIncidentKinds> AllIncidentKinds() {
  return kKinds;
}

Window Mean(std::span<const Window> windows) {
  Window mean;
  if (windows.empty()) return mean;
  mean.from_ms = windows.front().from_ms;
  mean.to_ms = windows.back().to_ms;
  mean.to_unix_ms = windows.back().to_unix_ms;
  const auto of = [&windows](const auto& get) {
    double sum = 0;
    double n = 0;
    for (const Window& w : windows) {
      const double v = get(w);
      if (std::isnan(v)) continue;
      sum += v;
      n += 1;
    }
    return n > 0 ? sum / n : std::numeric_limits<double>::quiet_NaN();
  };
  mean.reads = of([](const Window& w) { return w.reads; });
  mean.p50 = of([](const Window& w) { return w.p50; });
  mean.p95 = of([](const Window& w) { return w.p95; });
  mean.p99 = of([](const Window& w) { return w.p99; });
  for (const FactDesc& d : AllFacts())
    mean.facts[d.fact] = of([&d](const Window& w) { return w.facts[d.fact]; });
  return mean;
}

Finding ExplainDegraded(std::span<const Window> degraded, const Window& typical,
                        const Options& options) {
  return Explanation(degraded, typical, options).Find();
}

Finding ExplainCalm(const Window& calm, const Options& options) {
  const Facts& f = calm.facts;
  const bool is_tight = f[Fact::kReclaimEntries] >= options.reclaim_entries ||
                        f[Fact::kReclaimScanned] >= options.reclaim_pages ||
                        f[Fact::kReclaimStall] >= options.pressure_ratio ||
                        f[Fact::kMemoryPressure] >= options.pressure_ratio;
  Finding out;
  if (f[Fact::kCacheAdds] >= options.churn_pages) {
    out.verdict = Verdict::kBackgroundScan;
    // What is written is added, too.
    const bool is_read = f[Fact::kStorageReads] >= options.storage_bytes;
    out.summary = StrCat(
        is_read ? "A scan in the background (" : "Churn of the page cache (",
        CountText(f[Fact::kCacheAdds]), " pages/s added",
        is_read ? " to the page cache" : "",
        is_read || !f.Has(Fact::kStorageReads)
            ? ""
            : ", hardly any of them read from storage",
        ") hurts nobody: file reads are as fast as usual",
        is_tight ? ", while the kernel reclaims pages." : ".");
  } else if (is_tight) {
    out.verdict = Verdict::kTight;
    out.summary =
        "Memory is tight but stable: the kernel reclaims pages, and file reads "
        "are as fast as usual.";
    out.advice = "Watch it.";
  }
  return out;
}

std::vector<evidence::IncidentNumber> Numbers(const Window& now,
                                              const Window& typical) {
  std::vector<evidence::IncidentNumber> out;
  const auto add = [&out](std::string_view prefix, std::string_view name,
                          double value) {
    if (std::isfinite(value)) out.push_back({StrCat(prefix, name), value});
  };
  static constexpr std::string_view kBaseline = "baseline_";
  add("", "read_p50_seconds", now.p50);
  add(kBaseline, "read_p50_seconds", typical.p50);
  add("", "read_p95_seconds", now.p95);
  add(kBaseline, "read_p95_seconds", typical.p95);
  add("", "read_p99_seconds", now.p99);
  add(kBaseline, "read_p99_seconds", typical.p99);
  add("", "window_reads", now.reads);
  for (const FactDesc& d : AllFacts()) {
    if (!now.facts.Has(d.fact)) continue;
    add("", d.name, now.facts[d.fact]);
    if (d.is_compared) add(kBaseline, d.name, typical.facts[d.fact]);
  }
  return out;
}

}  // namespace fodc::detect
