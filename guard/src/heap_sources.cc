// SPDX-License-Identifier: Apache-2.0
#include "heap_sources.h"

#include <malloc.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "allocator_symbols.h"
#include "dump_file.h"
#include "environment.h"
#include "fodc/base/clock.h"
#include "fodc/base/memory_gauge.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/pprof/heap_profile.h"
#include "fodc/pprof/heap_table_reader.h"
#include "fodc/pprof/heap_text.h"
#include "fodc/pprof/mapping.h"
#include "own_mappings.h"
#include "sampler/sampler_link.h"

extern "C" __attribute__((weak)) int fodc_guard_sampler_table() noexcept;

namespace fodc::guard {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;  // holds any line
constexpr std::size_t kStatsBytes = 64 * 1024;

bool ReadJemallocFlag(const char* name) {
  bool value = false;
  std::size_t size = sizeof(value);
  const auto mallctl_of = Jemalloc().mallctl;
  return mallctl_of != nullptr &&
         mallctl_of(name, &value, &size, nullptr, 0) == 0 && value;
}

// gperftools 2.10 has no property for it: the variable is read once, at start.
bool GperftoolsSamples() {
  const char* period = ReadVariable("TCMALLOC_SAMPLE_PARAMETER");
  return Gperftools().instance != nullptr &&
         Gperftools().get_heap_sample != nullptr && period != nullptr &&
         ParseUint(period).value_or(0) > 0;
}

bool SamplerSamples() {
  return &fodc_guard_sampler_table != nullptr &&
         fodc_guard_sampler_table() >= 0;
}

struct SourceState {
  HeapSource source;
  bool (*is_there)();
  std::string_view wants;
};
constexpr std::array kSources = {
    SourceState{HeapSource::kJemalloc,
                [] { return ReadJemallocFlag("opt.prof"); },
                "jemalloc with prof:true in MALLOC_CONF"},
    SourceState{HeapSource::kGperftools, &GperftoolsSamples,
                "gperftools with TCMALLOC_SAMPLE_PARAMETER=524288"},
    SourceState{HeapSource::kSampler, &SamplerSamples,
                "fodc-guard-sampler linked in (and "
                "FODC_GUARD_HEAP_SAMPLE_BYTES not 0)"},
};

// Lines of text become a profile of this process.
class TextProfile {
 public:
  TextProfile(const pprof::Sink& sink, std::vector<std::string_view> comments)
      : sink_(sink), comments_(std::move(comments)) {
    if (mappings_.left_out() > 0) {
      comments_.push_back("some mappings are missing: there are too many");
    }
  }

  Status Line(std::string_view line) { return reader_.Line(line); }

  Status Finish() {
    FODC_RETURN_IF_ERROR(reader_.Finish());
    return writer_->Finish();
  }

 private:
  Status Begin(std::uint64_t interval_bytes) {
    pprof::HeapProfileHead head;
    head.sample_interval_bytes = interval_bytes;
    head.time = SystemClock().Unix();
    head.mappings = mappings_.all();
    head.comments = comments_;
    FODC_ASSIGN_OR_RETURN(writer_,
                          pprof::HeapProfileWriter::Create(head, sink_));
    return OkStatus();
  }

  const pprof::Sink& sink_;
  std::vector<std::string_view> comments_;
  OwnMappings mappings_;
  std::unique_ptr<pprof::HeapProfileWriter> writer_;
  pprof::HeapTextReader reader_{
      [this](std::uint64_t interval_bytes) { return Begin(interval_bytes); },
      [this](std::span<const std::uint64_t> stack,
             const pprof::HeapCounts& counts) {
        return writer_->Add(stack, counts);
      }};
};

Result<UniqueFd> OpenNameless() {
  FODC_ASSIGN_OR_RETURN(MemoryGauge gauge, MemoryGauge::Open({}));
  const char* directory = ReadVariable("TMPDIR");
  return OpenDumpFile(directory != nullptr ? directory : "/tmp",
                      gauge.ReadBytes().value_or(0), gauge.limit_bytes());
}

Status FeedLines(int fd, TextProfile* profile) {
  std::vector<char> buffer(kReadBytes);
  std::size_t held = 0;
  for (;;) {
    const ssize_t n = read(fd, buffer.data() + held, buffer.size() - held);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "read the dump of jemalloc");
    if (n == 0) break;
    held += static_cast<std::size_t>(n);
    std::string_view rest(buffer.data(), held);
    for (std::size_t end; (end = rest.find('\n')) != std::string_view::npos;
         rest.remove_prefix(end + 1)) {
      FODC_RETURN_IF_ERROR(profile->Line(rest.substr(0, end)));
    }
    if (rest.size() == buffer.size()) {
      return DataLoss(StrCat("a line of more than ", kReadBytes, " bytes"));
    }
    held = rest.copy(buffer.data(), rest.size());
  }
  if (held == 0) return OkStatus();
  return profile->Line({buffer.data(), held});
}

Status WriteJemalloc(const pprof::Sink& sink) {
  FODC_ASSIGN_OR_RETURN(const UniqueFd file, OpenNameless());
  const std::string path = StrCat("/proc/self/fd/", file.get());
  const char* name = path.c_str();
  const int error = Jemalloc().mallctl("prof.dump", nullptr, nullptr,
                                       static_cast<void*>(&name), sizeof(name));
  if (error != 0) return ErrnoStatus(error, "prof.dump of jemalloc");
  std::vector<std::string_view> comments;
  if (!ReadJemallocFlag("opt.prof_accum")) {
    comments.push_back(
        "alloc_* count what is in use: prof_accum is off in jemalloc");
  }
  if (!ReadJemallocFlag("prof.active")) {
    comments.push_back("prof.active is false: new allocations are not sampled");
  }
  TextProfile profile(sink, std::move(comments));
  FODC_RETURN_IF_ERROR(FeedLines(file.get(), &profile));
  return profile.Finish();
}

Status WriteGperftools(const pprof::Sink& sink) {
  std::string text;
  Gperftools().get_heap_sample(Gperftools().instance(), &text);
  TextProfile profile(
      sink, {"alloc_* count what is in use: gperftools samples no more"});
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    FODC_RETURN_IF_ERROR(profile.Line(rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return profile.Finish();
}

Status WriteSampler(const pprof::Sink& sink) {
  FODC_ASSIGN_OR_RETURN(
      const pprof::HeapTableView view,
      pprof::HeapTableView::Map(fodc_guard_sampler_table(), false));
  FODC_ASSIGN_OR_RETURN(const pprof::HeapTableSnapshot table, view.Read());
  return pprof::WriteHeapProfile(table, SystemClock().Unix(), sink);
}

// Text of a function that cannot be told to stop.
struct Printed {
  const pprof::Sink& sink;
  Status status;

  void Print(std::string_view text) {
    if (status.ok()) status = sink(text);
  }
};

ssize_t PrintCookie(void* printed, const char* text, std::size_t size) {
  static_cast<Printed*>(printed)->Print({text, size});
  return static_cast<ssize_t>(size);
}

}  // namespace

Result<HeapSource> ChooseHeapSource(HeapSource wanted) {
  std::string needs;
  for (const SourceState& s : kSources) {
    if (wanted != HeapSource::kAuto && wanted != s.source) continue;
    if (s.is_there()) return s.source;
    needs += StrCat(needs.empty() ? "" : ", or ", s.wants);
  }
  return FailedPrecondition(StrCat("no heap profile: it takes ", needs));
}

Status WriteHeap(HeapSource wanted, const pprof::Sink& sink) {
  FODC_ASSIGN_OR_RETURN(const HeapSource source, ChooseHeapSource(wanted));
  switch (source) {
    case HeapSource::kJemalloc:
      return WriteJemalloc(sink);
    case HeapSource::kGperftools:
      return WriteGperftools(sink);
    case HeapSource::kSampler:
    case HeapSource::kAuto:
      break;
  }
  return WriteSampler(sink);
}

Status WriteAllocatorStatistics(const pprof::Sink& sink) {
  Printed printed{sink, {}};
  if (Jemalloc().stats_print != nullptr) {
    Jemalloc().stats_print(
        [](void* to, const char* text) {
          static_cast<Printed*>(to)->Print(text);
        },
        &printed, nullptr);
    return printed.status;
  }
  if (Gperftools().get_stats != nullptr) {
    std::string text(kStatsBytes, '\0');
    Gperftools().get_stats(text.data(), static_cast<int>(text.size()));
    text.resize(text.find('\0'));
    return sink(text);
  }
  std::FILE* file =
      fopencookie(&printed, "w", {nullptr, &PrintCookie, nullptr, nullptr});
  if (file == nullptr) return ErrnoStatus(errno, "fopencookie");
  const int result = malloc_info(0, file);
  const int error = errno;
  (void)std::fclose(file);
  if (result != 0) return ErrnoStatus(error, "malloc_info");
  return printed.status;
}

}  // namespace fodc::guard
