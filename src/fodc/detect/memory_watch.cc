// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/memory_watch.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <thread>
#include <utility>

#include "fodc/base/mutex.h"
#include "fodc/base/thread_priority.h"
#include "fodc/base/unique_fd.h"

namespace fodc::detect {
namespace {

using std::chrono::nanoseconds;

// While there is nothing to look at it waits to be told.
constexpr std::chrono::hours kIdle{1};
constexpr std::size_t kFdsOfRow = 3;

timespec ToTimespec(nanoseconds d) {
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(d);
  return {.tv_sec = static_cast<time_t>(whole.count()),
          .tv_nsec = static_cast<long>((d - whole).count())};
}

// What others have told of a row, until the thread takes it.
struct Order {
  struct Past {
    nanoseconds ago{0};
    std::uint64_t captured_bytes = 0;
  };

  std::unique_ptr<MemorySource> source;
  std::string problem;
  std::optional<PagePair> page;
  std::optional<Past> past;
  std::optional<bool> captured;  // with evidence, or without
  std::optional<bool> dies_again;
  PressureReason why = PressureReason::kNoTarget;
  bool is_new_source = false;
  bool is_scrape = false;

  bool is_empty() const {
    return !is_new_source && !is_scrape && !captured && !past && !dies_again;
  }
};

}  // namespace

struct MemoryWatch::Impl {
  Impl(const MemoryWatchOptions& o, const Clock& c, Callbacks cb)
      : clock(c), callbacks(std::move(cb)), orders(o.rows), states(o.rows) {
    for (std::size_t i = 0; i < o.rows; ++i) {
      rows.push_back({.memory = MemoryRow(o.pressure, o.cadence)});
      states[i] = rows[i].memory.state();
    }
    polls.resize(1 + kFdsOfRow * o.rows);
  }

  struct Row {
    MemoryRow memory;
    MonotonicTime due = MonotonicTime::max();
    MonotonicTime looked_at = {};
    bool is_scrape = false;
  };

  void Wake() {
    const std::uint64_t one = 1;
    (void)!::write(wake.get(), &one, sizeof one);
  }
  template <typename Change>
  void Tell(std::size_t row, const Change& change) {
    {
      const MutexLock lock(mutex);
      change(orders[row]);
    }
    Wake();
  }
  void Run();
  void TakeOrders();
  void Take(Row& row, Order order);
  void LookAtAll();
  void Wait();
  void OnEvents(Row& row, const pollfd* fds);

  const Clock& clock;
  const Callbacks callbacks;
  UniqueFd wake;
  std::atomic<bool> stopping{false};
  std::thread thread;

  // The thread's.
  std::vector<Row> rows;
  std::vector<pollfd> polls;

  Mutex mutex;
  std::vector<Order> orders FODC_GUARDED_BY(mutex);
  std::vector<MemoryState> states FODC_GUARDED_BY(mutex);
};

void MemoryWatch::Impl::Take(Row& row, Order order) {
  const MonotonicTime now = clock.Monotonic();
  if (order.past)
    row.memory.Restore(now, order.past->ago, order.past->captured_bytes);
  if (order.dies_again) row.memory.set_dies_again(*order.dies_again);
  if (order.captured) row.memory.OnCaptured(now, *order.captured);
  if (order.is_new_source) {
    // What it had is closed here, when nobody waits for it any more.
    (void)row.memory.Follow(std::move(order.source), order.why,
                            std::move(order.problem));
  }
  if (order.is_scrape) {
    row.memory.OnPage(order.page);
    row.is_scrape = true;
  }
  row.due = now;
}

void MemoryWatch::Impl::TakeOrders() {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Order order;
    {
      const MutexLock lock(mutex);
      if (orders[i].is_empty()) continue;
      order = std::exchange(orders[i], {});
    }
    Take(rows[i], std::move(order));
  }
}

void MemoryWatch::Impl::LookAtAll() {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Row& row = rows[i];
    if (row.due > clock.Monotonic()) continue;
    const MemoryLook look =
        row.memory.Look(clock, std::exchange(row.is_scrape, false));
    row.looked_at = clock.Monotonic();
    row.due = look.wait ? row.looked_at + *look.wait : MonotonicTime::max();
    const MemoryState& state = row.memory.state();
    if (look.fires) {
      const MemorySource* const source = row.memory.source();
      callbacks.on_fire(
          {.row = i,
           .pid = source == nullptr ? 0 : source->pid(),
           .start_ticks = source == nullptr ? 0 : source->start_ticks(),
           .decision = state.last,
           .seconds_to_limit = state.seconds_to_limit,
           .ramp = row.memory.ramp(),
           .decided_at = row.looked_at});
    }
    if (look.is_calm) callbacks.on_calm(i);
    const MutexLock lock(mutex);
    states[i] = state;
  }
}

void MemoryWatch::Impl::Wait() {
  const MonotonicTime now = clock.Monotonic();
  MonotonicTime next = now + kIdle;
  polls[0] = {.fd = wake.get(), .events = POLLIN, .revents = 0};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    next = std::min(next, rows[i].due);
    const MemorySource* const s = rows[i].memory.source();
    pollfd* const p = &polls[1 + kFdsOfRow * i];
    // A negative descriptor is passed over. Who has ended stays so.
    const bool is_watched = s != nullptr && rows[i].due != MonotonicTime::max();
    p[0] = {is_watched ? s->pidfd() : -1, POLLIN, 0};
    // Right behind a look they wake nobody, however many there are.
    const MonotonicTime told = rows[i].looked_at + kEventPause;
    const bool is_told = is_watched && told <= now;
    p[1] = {is_told ? s->event_fd() : -1, POLLIN, 0};
    p[2] = {is_told ? s->stall_fd() : -1, POLLPRI, 0};
    const bool has_events =
        is_watched && (s->event_fd() >= 0 || s->stall_fd() >= 0);
    if (has_events && !is_told) next = std::min(next, told);
  }
  const timespec timeout = ToTimespec(std::max(next - now, nanoseconds(0)));
  if (::ppoll(polls.data(), polls.size(), &timeout, nullptr) <= 0) return;
  if (polls[0].revents != 0) {
    std::uint64_t count = 0;
    (void)!::read(wake.get(), &count, sizeof count);
  }
  for (std::size_t i = 0; i < rows.size(); ++i)
    OnEvents(rows[i], &polls[1 + kFdsOfRow * i]);
}

// An event says only that it is time to look.
void MemoryWatch::Impl::OnEvents(Row& row, const pollfd* fds) {
  MemorySource* const source = row.memory.source();
  if (fds[0].revents != 0) row.due = {};
  if (fds[1].revents != 0) source->DrainEvents();
  if ((fds[2].revents & (POLLERR | POLLNVAL)) != 0) source->DropStall();
  if (fds[1].revents != 0 || fds[2].revents != 0) row.due = {};
}

void MemoryWatch::Impl::Run() {
  RunSoon();
  while (!stopping.load()) {
    TakeOrders();
    LookAtAll();
    Wait();
  }
}

MemoryWatch::MemoryWatch(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<MemoryWatch>> MemoryWatch::Start(
    const MemoryWatchOptions& options, const Clock& clock,
    Callbacks callbacks) {
  auto impl = std::make_unique<Impl>(options, clock, std::move(callbacks));
  impl->wake = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!impl->wake.ok()) return ErrnoStatus(errno, "eventfd");
  // Signals are the program's.
  sigset_t all;
  sigset_t before;
  (void)::sigfillset(&all);
  (void)::pthread_sigmask(SIG_SETMASK, &all, &before);
  impl->thread = std::thread([i = impl.get()] { i->Run(); });
  (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  (void)::pthread_setname_np(impl->thread.native_handle(), "memory");
  return std::unique_ptr<MemoryWatch>(new MemoryWatch(std::move(impl)));
}

MemoryWatch::~MemoryWatch() {
  impl_->stopping.store(true);
  impl_->Wake();
  impl_->thread.join();
}

void MemoryWatch::Follow(std::size_t row,
                         std::unique_ptr<MemorySource> source) {
  impl_->Tell(row, [&](Order& o) {
    o.is_new_source = true;
    std::swap(o.source, source);  // one not taken is freed without the lock
  });
}

void MemoryWatch::LetGo(std::size_t row, PressureReason why,
                        std::string problem) {
  std::unique_ptr<MemorySource> not_taken;
  impl_->Tell(row, [&](Order& o) {
    o.is_new_source = true;
    std::swap(o.source, not_taken);
    o.why = why;
    o.problem = std::move(problem);
  });
}

void MemoryWatch::OnScrape(std::size_t row, std::optional<PagePair> page) {
  impl_->Tell(row, [&](Order& o) {
    o.is_scrape = true;
    o.page = page;
  });
}

void MemoryWatch::OnCaptured(std::size_t row, bool has_evidence) {
  impl_->Tell(row, [&](Order& o) { o.captured = has_evidence; });
}

void MemoryWatch::Restore(std::size_t row, nanoseconds ago,
                          std::uint64_t captured_bytes) {
  impl_->Tell(row, [&](Order& o) {
    o.past = {.ago = ago, .captured_bytes = captured_bytes};
  });
}

bool MemoryWatch::UsesPage(std::size_t row) const {
  const MutexLock lock(impl_->mutex);
  return impl_->states[row].may_use_page;
}

void MemoryWatch::SetDiesAgain(std::size_t row, bool dies_again) {
  impl_->Tell(row, [&](Order& o) { o.dies_again = dies_again; });
}

std::vector<MemoryState> MemoryWatch::States() const {
  const MutexLock lock(impl_->mutex);
  return impl_->states;
}

}  // namespace fodc::detect
