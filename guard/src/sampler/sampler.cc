// SPDX-License-Identifier: Apache-2.0
#include "sampler.h"

#include <sys/mman.h>
#include <unistd.h>
#include <unwind.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>

namespace fodc::guard::sampler {

thread_local std::int64_t bytes_left = 0;
constinit TableForEver kept;

namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
// What a thread may allocate until it asks again whether sampling has begun.
constexpr std::int64_t kAskAgainBytes = 64 * 1024;
constexpr char kIntervalVariable[] = "FODC_GUARD_HEAP_SAMPLE_BYTES";
// Code that is in no mapping of the table makes it look for new ones: at the
// first, the second, the fourth, the eighth... such sample. Generated code,
// which lies in no file, is asked for ever more rarely.
std::atomic<std::uint64_t> unknown_code{0};

enum class State : std::uint32_t {
  kNotYet = 0,  // also in a child after fork: the page is wiped
  kOn = 1,
};
// A page that the kernel gives to a child as zeros, also where no handler of
// fork runs. Null before the sampler starts.
std::atomic<std::atomic<std::uint32_t>*> state_page{nullptr};
std::atomic<std::int64_t> mean_bytes{0};

thread_local bool is_inside __attribute__((tls_model("initial-exec"))) = false;
thread_local std::uint64_t random_state
    __attribute__((tls_model("initial-exec"))) = 0;

bool IsOn() {
  const auto* page = state_page.load(std::memory_order_acquire);
  return page != nullptr && page->load(std::memory_order_relaxed) ==
                                static_cast<std::uint32_t>(State::kOn);
}

// splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number
// generators", OOPSLA 2014. Seeded by where the thread's variable lies, which
// address space randomisation moves.
std::uint64_t Random() {
  if (random_state == 0) {
    random_state = reinterpret_cast<std::uint64_t>(&random_state) ^
                   static_cast<std::uint64_t>(getpid()) << 32;
  }
  std::uint64_t z = random_state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

// Exponential, at least 1.
std::int64_t NextDistance(std::int64_t mean) {
  const double uniform =
      (static_cast<double>(Random() >> 11) + 0.5) * 0x1p-53;  // in (0, 1)
  const double bytes = -std::log(uniform) * static_cast<double>(mean);
  return 1 + static_cast<std::int64_t>(std::min(bytes, 0x1p62));
}

struct Frames {
  std::array<std::uint64_t, pprof::kHeapTableFrames> addresses;
  std::size_t count = 0;
  std::size_t skip = 0;
};

_Unwind_Reason_Code OnFrame(_Unwind_Context* context, void* data) {
  auto& frames = *static_cast<Frames*>(data);
  if (frames.skip > 0) {
    --frames.skip;
    return _URC_NO_REASON;
  }
  const auto address = static_cast<std::uint64_t>(_Unwind_GetIP(context));
  if (address == 0) return _URC_END_OF_STACK;
  frames.addresses[frames.count++] = address;
  return frames.count < frames.addresses.size() ? _URC_NO_REASON
                                                : _URC_END_OF_STACK;
}

std::int64_t WantedInterval() {
  constexpr std::int64_t kDefault = 512 * 1024;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): before main
  const char* text = std::getenv(kIntervalVariable);
  if (text == nullptr) return kDefault;
  const char* end = text + std::strlen(text);
  std::int64_t value = 0;
  const auto [p, error] = std::from_chars(text, end, value);
  return error == std::errc() && p == end && value >= 0 ? value : kDefault;
}

// Before main: what is allocated before is not seen.
__attribute__((constructor)) void Start() {
  const std::int64_t interval = WantedInterval();
  if (interval == 0) return;
  is_inside = true;
  // The first use of the unwinder looks for libraries and may allocate.
  Frames frames;
  _Unwind_Backtrace(&OnFrame, &frames);
  const long page_bytes = sysconf(_SC_PAGESIZE);
  const auto size = static_cast<std::size_t>(page_bytes);
  void* page = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  pprof::HeapTableWriter::Options options;
  options.sample_interval_bytes = static_cast<std::uint64_t>(interval);
  if (page != MAP_FAILED && madvise(page, size, MADV_WIPEONFORK) == 0 &&
      kept.table.Open(options).ok()) {
    mean_bytes.store(interval, std::memory_order_relaxed);
    auto* state = static_cast<std::atomic<std::uint32_t>*>(page);
    state->store(static_cast<std::uint32_t>(State::kOn));
    state_page.store(state, std::memory_order_release);
  }
  is_inside = false;
}

}  // namespace

int TableDescriptor() noexcept { return IsOn() ? kept.table.fd() : -1; }

// Not inlined: the frames to pass over are this one and the allocator's own.
__attribute__((noinline)) void OnSample(void* address,
                                        std::size_t size_bytes) noexcept {
  if (!IsOn()) {
    // A child after fork is done with it: the table is its parent's.
    bytes_left = state_page.load(std::memory_order_relaxed) == nullptr
                     ? kAskAgainBytes
                     : kNever;
    return;
  }
  if (is_inside) return;  // the sampler's own, or a signal's in the midst of it
  is_inside = true;
  const int kept_errno = errno;
  // A thread's first distance begins with this allocation.
  const bool is_first = random_state == 0;
  const std::int64_t mean = mean_bytes.load(std::memory_order_relaxed);
  if (is_first) bytes_left = NextDistance(mean) + bytes_left;
  if (bytes_left < 0) {
    bytes_left = NextDistance(mean);
    if (address != nullptr) {
      Frames frames;
      frames.skip = 2;
      _Unwind_Backtrace(&OnFrame, &frames);
      kept.table.RecordAllocation(reinterpret_cast<std::uintptr_t>(address),
                                  size_bytes,
                                  {frames.addresses.data(), frames.count});
      const auto is_unknown = [](std::uint64_t code) {
        return !kept.table.KnowsCode(code);
      };
      if (std::any_of(frames.addresses.begin(),
                      frames.addresses.begin() + frames.count, is_unknown)) {
        const std::uint64_t before =
            unknown_code.fetch_add(1, std::memory_order_relaxed);
        if ((before & (before + 1)) == 0) kept.table.RefreshMappings();
      }
    }
  }
  errno = kept_errno;
  is_inside = false;
}

void OnSampledFree(void* address) noexcept {
  if (!IsOn()) return;
  kept.table.RecordFree(reinterpret_cast<std::uintptr_t>(address));
}

}  // namespace fodc::guard::sampler
