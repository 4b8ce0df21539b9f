// SPDX-License-Identifier: Apache-2.0
// Frames of anybody's recording, and texts of --signal and of bounds. The first
// byte chooses. A frame is made of bytes: source, time step, and for each of
// some series whether it is there and how it changes.
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/detect/detector.h"
#include "fodc/recorder/series_pool.h"

namespace fodc::detect {
namespace {

class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size)
      : text_(reinterpret_cast<const char*>(data), size) {}
  bool done() const { return text_.empty(); }
  std::uint8_t Take() {
    if (text_.empty()) return 0;
    const auto b = static_cast<std::uint8_t>(text_[0]);
    text_.remove_prefix(1);
    return b;
  }
  std::string_view rest() const { return text_; }

 private:
  std::string_view text_;
};

void ReadTexts(std::string_view text) {
  const std::vector<std::string> texts = {std::string(text)};
  const auto map = SignalMap::Parse(texts);
  if (!map.ok() && map.status().message().empty()) std::abort();
  Options options;
  const Status parsed = ParseBounds(texts, &options);
  if (!parsed.ok() && parsed.message().empty()) std::abort();
  (void)options.Check();
}

struct Series {
  const char* name;
  const char* labels;
};
constexpr Series kSeries[] = {
    {"ktm_read_latency_seconds_bucket", "kind=\"file\",le=\"0.001\""},
    {"ktm_read_latency_seconds_bucket", "kind=\"file\",le=\"1\""},
    {"ktm_read_latency_seconds_bucket", "kind=\"file\",le=\"+Inf\""},
    {"ktm_read_latency_seconds_bucket", "kind=\"file\",le=\"NaN\""},
    {"ktm_cache_added_pages_total", ""},
    {"ktm_fadvise_dontneed_total", ""},
    {"ktm_memcg_reclaim_entries_total", ""},
    {"fodc_target_pid", ""},
    {"fodc_target_up", ""},
    {"ktm_oom_kills_total", ""},
    {"ktm_last_exit_signal", ""},
    {"fodc_container_memory_bytes", "kind=\"anon\""},
    {"fodc_container_memory_refault_pages_total", "kind=\"file\""},
    {"fodc_target_io_bytes_total", "direction=\"read\""},
    {"rocksdb_block_cache_miss", "cf=\"a\""},
    {"rocksdb_num_running_compactions", ""},
};
constexpr std::size_t kCount = sizeof kSeries / sizeof kSeries[0];

double NextValue(std::uint8_t how, double value) {
  switch (how & 7) {
    case 0:
      return value;
    case 1:
      return -1;
    case 2:
      return std::nan("");
    case 3:
      return INFINITY;
    case 4:
      return 0;
    case 5:
      return std::bit_cast<double>(std::uint64_t{how} << 56);
    default:
      return value + how * 10.0;
  }
}

void ReadFrames(Bytes in) {
  recorder::SeriesPool pool;
  Options options;
  options.min_history_windows = 3;
  options.start_windows = 1 + in.Take() % 3;
  options.end_windows = 1 + in.Take() % 3;
  options.min_reads = 10;
  // Without expressions, which take most of the time to compile.
  static const std::vector<std::string> kSignalTexts = {
      "compaction_bytes=a,block_cache_hits=b,background_io_bytes=c,"
      "block_cache_misses=rocksdb_block_cache_miss,"
      "compaction_threads=rocksdb_num_running_compactions"};
  auto signals = SignalMap::Parse(kSignalTexts);
  if (!signals.ok()) std::abort();
  Detector detector(options, *std::move(signals));
  constexpr std::string_view kSources[] = {"kernel a", "target a", "kernel b",
                                           "page"};
  struct Kept {
    std::uint32_t there = 0;
    std::shared_ptr<std::vector<recorder::SeriesRef>> layout;
    double values[kCount] = {};
  };
  Kept kept[4];
  recorder::FrameName name{.incarnation = 1, .sequence = 0};
  recorder::FrameTime time{.monotonic_ms = 0, .unix_ms = 1'000'000};
  for (int frames = 0; !in.done() && frames < 2000; ++frames) {
    const std::uint8_t head = in.Take();
    if (head == 0xff) ++name.incarnation;
    Kept& k = kept[head & 3];
    const std::uint32_t there =
        (head & 4) != 0 ? in.Take() * 0x101u : k.there | 0xff;
    if (!k.layout || there != k.there) {
      k.there = there;
      k.layout = std::make_shared<std::vector<recorder::SeriesRef>>();
      for (std::size_t i = 0; i < kCount; ++i) {
        if ((there >> i & 1) == 0) continue;
        recorder::SeriesEntry entry;
        entry.name = kSeries[i].name;
        entry.labels = kSeries[i].labels;
        entry.family = entry.name;
        k.layout->push_back(pool.Intern(entry));
      }
    }
    recorder::SourceFrame frame;
    frame.source_name = kSources[head & 3];
    for (std::size_t i = 0; i < kCount; ++i) {
      if ((there >> i & 1) == 0) continue;
      k.values[i] = NextValue(in.Take(), k.values[i]);
      frame.values.push_back(k.values[i]);
    }
    frame.series = k.layout;
    ++name.sequence;
    time.monotonic_ms += 1000 * (head >> 3);
    time.unix_ms += 1000 * (head >> 3);
    if (head == 0xf7) time.unix_ms = INT64_MIN;
    frame.name = name;
    frame.time = time;
    for (const evidence::Incident& i : detector.OnFrame(frame)) {
      if (!evidence::CheckIncident(i).ok()) std::abort();
    }
  }
  for (const TargetState& s : detector.States()) {
    for (const evidence::IncidentNumber& n : Numbers(s.newest, s.typical))
      if (!std::isfinite(n.value)) std::abort();
  }
}

}  // namespace
}  // namespace fodc::detect

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  fodc::detect::Bytes in(data, size);
  if (in.Take() % 2 == 0) {
    fodc::detect::ReadTexts(in.rest());
  } else {
    fodc::detect::ReadFrames(in);
  }
  return 0;
}
