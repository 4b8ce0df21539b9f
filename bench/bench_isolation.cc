// SPDX-License-Identifier: Apache-2.0
// What admission costs: the guard's slots, bytes and shares of peers, beside a
// mutex and a counter.
//
// --check: exit code 1 if a floor is missed.
#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "bench/bench_util.h"
#include "fodc/guard/isolation.h"

namespace fodc::bench {
namespace {

using guard::HeavyWork;
using guard::Isolation;
using guard::Slot;
using guard::SlotLimiter;

constexpr int kRounds = 9;
constexpr int kTurns = 2'000'000;
constexpr double kMostSlotNs = 30;

// A value that the compiler must believe is used.
template <typename T>
void Keep(const T& value) {
  asm volatile("" : : "r"(&value) : "memory");
}

// Nanoseconds of CPU a turn, the median of some rounds.
template <typename Turn>
double NsPerTurn(int turns, const Turn& turn) {
  std::vector<double> rounds;
  for (int round = 0; round < kRounds; ++round) {
    const double begin = CpuSeconds(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < turns; ++i) turn();
    const double took = CpuSeconds(CLOCK_THREAD_CPUTIME_ID) - begin;
    rounds.push_back(took * 1e9 / turns);
  }
  return Median(std::move(rounds));
}

// Wall time of a turn when `threads` take turns at once.
template <typename Turn>
double ContendedNs(unsigned threads, const Turn& turn) {
  std::vector<double> rounds;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::thread> running;
    const double seconds = TimeSeconds([&] {
      for (unsigned t = 0; t < threads; ++t) {
        running.emplace_back([&turn] {
          for (int i = 0; i < kTurns / 4; ++i) turn();
        });
      }
      for (std::thread& t : running) t.join();
    });
    rounds.push_back(seconds * 1e9 / (kTurns / 4));
  }
  return Median(std::move(rounds));
}

// What the limiter replaces.
class CountedByMutex {
 public:
  bool Acquire() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (held_ >= 16) return false;
    ++held_;
    return true;
  }
  void Release() {
    const std::lock_guard<std::mutex> lock(mutex_);
    --held_;
  }

 private:
  std::mutex mutex_;
  unsigned held_ = 0;
};

std::unique_ptr<Isolation> MakeIsolation(guard::Metrics* metrics) {
  guard::IsolationOptions options;
  options.slots.slots = 16;
  options.metrics = metrics;
  auto made = Isolation::Create(options);
  FODC_CHECK(made.ok());
  return *std::move(made);
}

void BenchSlots(Reporter* reporter) {
  guard::SlotOptions options;
  options.slots = 16;
  auto made = SlotLimiter::Create(options);
  FODC_CHECK(made.ok());
  SlotLimiter& limiter = **made;
  const auto turn = [&limiter] {
    const Slot slot = limiter.Acquire(0);
    Keep(slot);
  };
  CountedByMutex mutex;
  const auto mutex_turn = [&mutex] {
    if (mutex.Acquire()) mutex.Release();
  };
  reporter->Report("slot_acquire_release", NsPerTurn(kTurns, turn), "ns",
                   kMostSlotNs, Reporter::Floor::kAtMost);
  reporter->Report("mutex_acquire_release", NsPerTurn(kTurns, mutex_turn),
                   "ns");
  reporter->Report("slot_two_threads", ContendedNs(2, turn), "ns");
  reporter->Report("mutex_two_threads", ContendedNs(2, mutex_turn), "ns");

  std::vector<Slot> all;
  for (Slot s = limiter.Acquire(0); s.admitted(); s = limiter.Acquire(0)) {
    all.push_back(std::move(s));
  }
  reporter->Report("slot_refused", NsPerTurn(kTurns, turn), "ns");
  reporter->Report("slot_nested",
                   NsPerTurn(kTurns,
                             [&] {
                               const Slot slot =
                                   limiter.Acquire(0, all[0].token());
                               Keep(slot);
                             }),
                   "ns");
}

void BenchIsolation(Reporter* reporter) {
  auto metrics = guard::Metrics::Create();
  FODC_CHECK(metrics.ok());
  const auto plain = MakeIsolation(nullptr);
  const auto counted = MakeIsolation(metrics->get());
  const auto admit = [](Isolation* isolation, std::string_view peer) {
    guard::HeavyRequest request;
    request.peer = peer;
    const HeavyWork work = isolation->Admit(request);
    Keep(work);
  };
  constexpr int kFewer = kTurns / 4;
  reporter->Report("admit_without_peer",
                   NsPerTurn(kFewer, [&] { admit(plain.get(), ""); }), "ns");
  reporter->Report(
      "admit_with_peer_and_metrics",
      NsPerTurn(kFewer, [&] { admit(counted.get(), "10.20.30.40"); }), "ns");
  reporter->Report("connection",
                   NsPerTurn(kFewer,
                             [&] {
                               const guard::PeerHold hold =
                                   counted->Connect("10.20.30.40");
                               Keep(hold);
                             }),
                   "ns");
  reporter->Report(
      "body_of_16_units",
      NsPerTurn(kFewer / 16,
                [&] {
                  guard::RequestBytes body = plain->BeginBytes(16u << 20);
                  while (body.next_bytes() > 0) {
                    if (body.Take(body.next_bytes()) != guard::Refusal::kNone) {
                      break;
                    }
                  }
                  Keep(body);
                }),
      "ns");
}

int Main(int argc, char** argv) {
  Reporter reporter("bench_isolation");
  BenchSlots(&reporter);
  BenchIsolation(&reporter);
  return reporter.ExitCode(HasFlag(argc, argv, "--check"));
}

}  // namespace
}  // namespace fodc::bench

int main(int argc, char** argv) { return fodc::bench::Main(argc, argv); }
