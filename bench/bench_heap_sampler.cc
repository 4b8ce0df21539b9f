// SPDX-License-Identifier: Apache-2.0
// What a pair of malloc and free costs with the heap sampler linked in, against
// the C library's own. The two take turns, and the median counts.
#include <cstddef>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/bench_util.h"
#include "fodc/base/clock.h"

extern "C" {
void* __libc_malloc(std::size_t size);
void __libc_free(void* p);
}

namespace fodc::bench {
namespace {

constexpr int kRounds = 21;
constexpr int kPairs = 2'000'000;
// Live blocks that a pair falls among: a free meets another cache line than the
// malloc before it.
constexpr std::size_t kLive = 1024;

template <typename Malloc, typename Free>
double NanosPerPair(std::size_t size, const Malloc& allocate,
                    const Free& release) {
  static std::vector<void*> live(kLive);
  const MonotonicTime start = SystemClock().Monotonic();
  for (int i = 0; i < kPairs; ++i) {
    void*& slot = live[static_cast<std::size_t>(i) * 7 % kLive];
    release(slot);
    slot = allocate(size);
    *static_cast<volatile char*>(slot) = 1;
  }
  const MonotonicTime end = SystemClock().Monotonic();
  for (void*& p : live) {
    release(p);
    p = nullptr;
  }
  return static_cast<double>((end - start).count()) / kPairs;
}

void Compare(std::size_t size, Reporter* report) {
  std::vector<double> plain;
  std::vector<double> sampled;
  for (int i = 0; i < kRounds; ++i) {
    plain.push_back(NanosPerPair(size, &__libc_malloc, &__libc_free));
    sampled.push_back(NanosPerPair(size, &std::malloc, &std::free));
  }
  const std::string name = "malloc_free_" + std::to_string(size) + "_bytes";
  report->Report(name + "_plain", Median(plain), "ns");
  report->Report(name + "_with_sampler", Median(sampled), "ns");
}

int Main(int argc, char** argv) {
  PinToOneCore();
  Reporter report("heap_sampler");
  for (const std::size_t size : {16, 64, 1024, 16 * 1024}) {
    Compare(size, &report);
  }
  return report.ExitCode(HasFlag(argc, argv, "--check"));
}

}  // namespace
}  // namespace fodc::bench

int main(int argc, char** argv) { return fodc::bench::Main(argc, argv); }
